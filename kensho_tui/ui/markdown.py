"""Textual's Markdown as answers need it. Imported with the first answer: it costs 50 ms of CPU."""

from markdown_it import MarkdownIt
from textual.content import Content
from textual.widgets import Markdown
from textual.widgets.markdown import MarkdownBlock, MarkdownFence

# Highlighting is done again with each piece while a block is open; above this it is left out.
MAX_HIGHLIGHTED = 12_000


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
