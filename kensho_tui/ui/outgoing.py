"""What was entered and the host has not taken yet."""

from typing import NamedTuple

from kensho_tui.core import contract as c
from kensho_tui.core.errors import UsageError
from kensho_tui.ui.commands.registry import unescape
from kensho_tui.ui.open_chat import Place


class Outgoing(NamedTuple):
    """``text``: as typed, in the chat of ``place``. ``fresh``: no cached answer will do.

    ``anew``: the prompt of ``chat`` that is to be answered once more.
    """

    text: str
    place: Place
    fresh: bool = False
    anew: c.Message | None = None
    chat: c.Chat | None = None

    @property
    def prompt(self) -> str:
        if self.anew is not None:
            return self.anew.content
        return self.text if self.fresh else unescape(self.text.strip("\n"))

    def kept_words(self) -> tuple[str, str]:
        """What is said of the answer whose place the new one takes."""
        chat = self.chat.id if self.chat is not None else ""
        return "The answer before is kept", f"kensho-tui show {chat} --all shows it"


def anew(place: Place, chat: c.Chat | None) -> Outgoing:
    """The last prompt of `chat`, which is open in `place`, to be answered once more.

    Raises `UsageError` where there is none.
    """
    messages = chat.messages if chat is not None else ()
    last = next((message for message in reversed(messages) if message.role == "user"), None)
    if last is None:
        raise UsageError("nothing was asked yet", hint="/fresh and a prompt asks that")
    return Outgoing("/fresh", place, fresh=True, anew=last, chat=chat)


def arrived(chat: c.Chat, asked: c.Submit, known: set[str]) -> bool:
    """Whether `chat` has what was `asked` lately; it is not among `known`, the ids from before."""
    if asked.chat is None and chat.id in known:
        return False
    new = [message for message in chat.messages if message.id not in known]
    if asked.anew is not None:
        return any(message.parent_id == asked.anew for message in new)
    return any((message.role, message.content) == ("user", asked.prompt) for message in new)
