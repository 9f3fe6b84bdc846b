"""One message of the transcript: a coloured bar, a small label, the text, and what became of it."""

from collections.abc import Callable
from datetime import datetime

from textual.app import ComposeResult
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from kensho_tui.core import contract as c
from kensho_tui.core.text import Cleaner, one_line, printable
from kensho_tui.ui import format as fmt
from kensho_tui.ui.answer import AnswerBody
from kensho_tui.ui.lines import SplitLine, quiet

CARET = "▍"
QUEUED = "◌ queued: it starts when the answer before it is done"


class MessageView(Widget):
    """A message as the transcript shows it. `show` brings it up to date, `grow` adds streamed text."""

    DEFAULT_CSS = """
    MessageView { height: auto; width: 1fr; layout: vertical; }
    """

    def __init__(
        self,
        message: c.Message,
        chat_id: str,
        *,
        now: Callable[[], datetime],
        continue_key: Callable[[], str],
    ) -> None:
        super().__init__(classes=f"role-{message.role}")
        self.message = message
        self._chat_id = chat_id
        self._now = now
        self._continue_key = continue_key
        self._cleaner = Cleaner()
        self._piece: c.Piece | None = None
        self.last = False
        self._head = SplitLine(classes="head")
        self._foot = Static(classes="foot")
        self._said = Content()
        self._body: Static | AnswerBody = self._make_body()

    def _make_body(self) -> Static | AnswerBody:
        text = printable(self.message.content)
        if self.message.role == "assistant":
            return AnswerBody(text, self._chat_id)
        if fmt.too_long(text):
            text = f"{fmt.shorten(text)}\n\nShown shortened; nothing is lost: kensho-tui show {self._chat_id}"
        return Static(text, markup=False, classes="plain")

    def compose(self) -> ComposeResult:
        yield self._head
        yield self._body
        yield self._foot

    def on_mount(self) -> None:
        self.show_lines(0.0)

    @property
    def waiting(self) -> bool:
        """Whether a stream is followed that has not brought text yet."""
        return self._piece is not None and self._piece.state == "waiting"

    async def show(self, message: c.Message, *, live: bool) -> None:
        """The message as the host has it. While it is `live` its text comes from the stream alone."""
        self.message = message
        if not live:
            self._piece = None
            self._cleaner = Cleaner()
            if isinstance(self._body, AnswerBody):
                await self._body.replace(printable(message.content))
        self.show_lines(0.0)

    async def grow(self, piece: c.Piece, elapsed: float) -> None:
        """News of the stream: text, phase, or the end with the finished message."""
        self._piece = piece
        text = self._cleaner.feed(piece.text)
        if piece.result is not None:
            text += self._cleaner.flush()
            self.message = piece.result
            self._piece = None
        if text and isinstance(self._body, AnswerBody):
            await self._body.append(text)
        self.show_lines(elapsed)

    def show_lines(self, elapsed: float) -> None:
        """Label, numbers and state; `elapsed` seconds of waiting."""
        mine = self.message.role == "user"
        name = "you" if mine else one_line(self.message.model or self.message.role, 40)
        style = "$secondary" if mine else "$primary"
        self._head.show(Content.styled(name, style), quiet(fmt.meta(self.message, self._now())))
        foot = self._state_line(elapsed)
        self._foot.display = bool(foot)
        if not foot.is_same(self._said):
            self._said = foot
            self._foot.update(foot)

    def _state_line(self, elapsed: float) -> Content:
        message = self.message
        if message.role != "assistant":
            return Content()
        if self._piece is not None:
            return _live_line(self._piece, elapsed)
        if message.state in ("queued", "streaming"):
            return quiet(QUEUED if message.state == "queued" else CARET)
        reason = message.stop_reason if message.state == "complete" else message.state
        if reason not in _ENDINGS:
            return Content()
        what, style, then = _ENDINGS[reason]
        if reason == "failed":
            what = f"{what}: {one_line(message.error or 'no reason given', 400)}"
        if then == KEPT and not message.content:
            then = ""
        go_on = f"{self._continue_key()} continues" if self.last else ""
        return _said(what, style, then, go_on)


KEPT = "the text so far is kept"
_ENDINGS = {
    "stopped": ("■ stopped", "$warning", KEPT),
    "interrupted": ("■ interrupted", "$warning", KEPT),
    "failed": ("✗ failed", "$error", KEPT),
    "length": ("… cut at the token limit", "$warning", ""),
    "context": ("… the context is full", "$warning", "the start of the chat is left out"),
}


def _live_line(piece: c.Piece, elapsed: float) -> Content:
    """What is awaited, while nothing can be read yet."""
    if piece.phase.name == "decode":
        return Content.styled(CARET, "$primary")
    if piece.phase.name == "queued":
        return quiet(f"{QUEUED} · Esc stops")
    style = "$warning" if piece.phase.name == "stalled" else "$primary"
    return _said(f"◔ {fmt.phase_text(piece.phase, elapsed)}", style, "Esc stops")


def _said(what: str, style: str, *then: str) -> Content:
    return Content.assemble((what, style), *(quiet(f" · {words}") for words in then if words))
