"""The middle of the chat screen: what was said, or the welcome where nothing was said yet."""

from collections.abc import Collection

from textual.app import ComposeResult
from textual.containers import Container, Horizontal

from kensho_tui.core import contract as c
from kensho_tui.ui.transcript.view import Transcript
from kensho_tui.ui.welcome import Welcome


class Middle(Horizontal):
    """One of both is seen; a sidebar stands before either.

    They come and go by `display` and not by a class of the screen: that would style all widgets anew.
    """

    def __init__(self, transcript: Transcript, welcome: Welcome) -> None:
        super().__init__(id="middle")
        self._transcript = transcript
        self._welcome = welcome
        self._greeting: Container | None = None
        self._chat: c.Chat | None = None
        self.greets = False
        """Whether the welcome is seen."""

    def compose(self) -> ComposeResult:
        yield self._transcript

    async def show(self, chat: c.Chat | None, live: Collection[str]) -> bool:
        """Whether a message came: to the chat that was open, or to the empty one."""
        greeted, before, self._chat = self.greets, self._chat, chat
        await self._greet(chat is None or not chat.messages)
        self._transcript.show(chat, live)
        if chat is None or not chat.messages:
            return False
        if greeted or before is None or before.id != chat.id:
            return greeted
        return before.messages[-1].id != chat.messages[-1].id

    async def _greet(self, greets: bool) -> None:
        if greets and self._greeting is None:
            self._greeting = Container(self._welcome, id="empty")  # made when the first one is seen
            await self.mount(self._greeting)
        if greets:
            self._welcome.renew()
        if greets == self.greets or self._greeting is None:
            return
        self.greets = greets
        if not greets:
            self._transcript.expect(self._greeting.size)  # it takes the same place
        self._greeting.display = greets
        self._transcript.display = not greets
