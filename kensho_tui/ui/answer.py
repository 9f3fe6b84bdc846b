"""The body of an answer: Markdown that grows, or plain text where Markdown would hold up the app."""

import asyncio
import re

from textual.app import ComposeResult
from textual.widget import Widget
from textual.widgets import Static

from kensho_tui.ui.format import MAX_LINE, MAX_TEXT, shorten, too_long

_NESTED = re.compile(r"^(?:[ \t]*(?:>|[*+-][ \t]|\d{1,9}[.)][ \t])){12}", re.MULTILINE)
_BRACKETS = re.compile(r"[\[\]*_`!<>(]{200}")


def drawable(text: str) -> bool:
    """Whether Markdown may have `text`: no giant, no endless line, no nesting a person would not write."""
    return not (too_long(text) or _NESTED.search(text) or _BRACKETS.search(text))


class AnswerBody(Widget):
    """Shows `text`; `append` adds to it without drawing again what is settled."""

    DEFAULT_CSS = """
    AnswerBody { height: auto; width: 1fr; layout: vertical; }
    """

    def __init__(self, text: str, chat_id: str) -> None:
        super().__init__()
        self.text = text
        self._chat_id = chat_id
        self._drawing = asyncio.Lock()
        self._open_line = len(text) - text.rfind("\n") - 1
        self._plain = not drawable(text)

    def compose(self) -> ComposeResult:
        yield from self._content()

    def _content(self) -> tuple[Widget, ...]:
        if not self._plain:
            from kensho_tui.ui.markdown import AnswerMarkdown

            return (AnswerMarkdown(self.text),)
        note = f"Shown shortened; nothing is lost: kensho-tui show {self._chat_id}"
        return (
            Static(shorten(self.text), markup=False, classes="plain"),
            Static(note, markup=False, classes="note"),
        )

    async def replace(self, text: str) -> None:
        """Show another text; one that only grew is appended."""
        if text == self.text:
            return
        if text.startswith(self.text):
            await self.append(text[len(self.text) :])
            return
        async with self._drawing:
            self.text = text
            self._open_line = len(text) - text.rfind("\n") - 1
            await self._redraw(not drawable(text))

    async def append(self, piece: str) -> None:
        """Add `piece` at the end; returns when it is laid out."""
        if not piece:
            return
        async with self._drawing:
            self.text += piece
            if self._plain:
                self.query_one(".plain", Static).update(shorten(self.text))
            elif self._grew_too_much(piece):
                await self._redraw(True)
            else:
                from kensho_tui.ui.markdown import AnswerMarkdown

                await self.query_one(AnswerMarkdown).append(piece)

    def _grew_too_much(self, piece: str) -> bool:
        lines = piece.split("\n")
        lines[0] = "x" * self._open_line + lines[0] if self._open_line < MAX_LINE else lines[0]
        self._open_line = len(lines[-1]) if len(lines) > 1 else self._open_line + len(piece)
        longest = max(map(len, lines))
        start = max(len(self.text) - len(piece) - 400, 0)
        start = self.text.rfind("\n", 0, start) + 1 if start else 0
        return (
            max(longest, self._open_line) > MAX_LINE
            or len(self.text) > MAX_TEXT
            or not drawable(self.text[start:])
        )

    async def _redraw(self, plain: bool) -> None:
        self._plain = plain
        with self.app.batch_update():
            await self.remove_children()
            await self.mount_all(self._content())
