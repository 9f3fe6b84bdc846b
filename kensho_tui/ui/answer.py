"""The body of an answer: Markdown that grows, or plain text where Markdown would hold up the app."""

import asyncio
import re

from markdown_it import MarkdownIt
from textual.app import ComposeResult
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Markdown, Static
from textual.widgets.markdown import MarkdownBlock, MarkdownFence

from kensho_tui.ui.format import MAX_LINE, MAX_TEXT, shorten, too_long

# Highlighting is done again with each piece while a block is open; above this it is left out.
MAX_HIGHLIGHTED = 12_000
_NESTED = re.compile(r"^(?:[ \t]*(?:>|[*+-][ \t]|\d{1,9}[.)][ \t])){12}", re.MULTILINE)
_BRACKETS = re.compile(r"[\[\]*_`!<>(]{200}")


def drawable(text: str) -> bool:
    """Whether Markdown may have `text`: no giant, no endless line, no nesting a person would not write."""
    return not (too_long(text) or _NESTED.search(text) or _BRACKETS.search(text))


def _parser() -> MarkdownIt:
    # HTML is shown as it was written: Textual draws none, so it would be missing.
    return MarkdownIt("gfm-like", {"html": False})


class CodeBlock(MarkdownFence):
    """A fence that never guesses its language (that imports every lexer there is)."""

    @classmethod
    def highlight(cls, code: str, language: str, ansi: bool = False, dark: bool = False) -> Content:
        if len(code) > MAX_HIGHLIGHTED:
            return Content(code)
        return super().highlight(code, language or "text", ansi, dark)


class AnswerMarkdown(Markdown):
    """Markdown of a model: text only, links are shown and not followed."""

    def __init__(self, text: str) -> None:
        super().__init__(text, parser_factory=_parser, open_links=False)

    def get_block_class(self, block_name: str) -> type[MarkdownBlock]:
        return CodeBlock if block_name in ("fence", "code_block") else super().get_block_class(block_name)


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
