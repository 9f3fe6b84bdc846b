"""Commands about answers that are given again."""

from typing import TYPE_CHECKING

from kensho_tui.core.errors import UsageError
from kensho_tui.core.text import one_line
from kensho_tui.ui.commands.base import ANYWHERE, Command

if TYPE_CHECKING:
    from kensho_tui.core.response_contract import Purge
    from kensho_tui.ui.app import KenshoApp


class Fresh(Command):
    name = "fresh"
    title = "Ask anew"
    help = "Has the model answer the last prompt once more (the old answer is kept), or the prompt given."
    argument = "[prompt]"

    async def run(self, app: "KenshoApp", argument: str = "") -> None:
        app.chat_screen.ask_anew(argument)


class PurgeCache(Command):
    name = "purge-cache"
    title = "Forget cached answers"
    help = "Forgets the answers kept to be given again: those of this chat, of its model, or all of them."
    argument = "[chat|model|all]"
    places = ANYWHERE

    async def run(self, app: "KenshoApp", argument: str = "") -> None:
        from kensho_tui.core.response_contract import PURGE

        request, whose = _purge(app, argument.casefold() or "chat")
        gone = (await app.session.host.call(PURGE, request)).entries
        app.say(f"{gone} cached {'answer' if gone == 1 else 'answers'} of {whose} forgotten")


def _purge(app: "KenshoApp", what: str) -> "tuple[Purge, str]":
    """The request, and whose answers it forgets. Raises `UsageError`."""
    from kensho_tui.core.response_contract import Purge

    session = app.session
    if what == "all":
        return Purge(), "all chats"
    if what == "chat" and session.chat_id is not None:
        return Purge(chat=session.chat_id), "this chat"
    if what == "model" and session.model is not None:
        return Purge(model=session.model), one_line(session.model, 60)
    if what in ("chat", "model"):
        raise UsageError(f"there is no {what} yet", hint="/purge-cache all forgets all cached answers")
    raise UsageError(f"there are no cached answers of {one_line(what, 40)!r}", hint="chat, model, or all")
