"""A settled block of Markdown as rows, drawn by Rich. Imported with the first answer: it is not light."""

from collections.abc import Iterator
from functools import lru_cache
from io import StringIO

from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich import box, markdown
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text
from rich.theme import Theme

from kensho_tui.ui.transcript import code
from kensho_tui.ui.transcript.blocks import number_mark
from kensho_tui.ui.transcript.canvas import Row
from kensho_tui.ui.transcript.look import Look

MIN_COLUMN = 4
MAX_NESTING = 60
# Definitions of references are text: drawn as nothing, a list of sources would be empty.
_parser = MarkdownIt("gfm-like", {"html": False, "maxNesting": MAX_NESTING}).disable("reference")


class _Code(markdown.CodeBlock):
    """Code inside something else (a list, a quote); a fence of its own never comes here."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        assert isinstance(console, _Drawing)  # noqa: S101 - for the type checker: there is no other console
        language = "" if self.lexer_name == "text" else self.lexer_name
        rows = code.code_block(console.look, options.max_width, str(self.text).rstrip("\n"), language)
        for row in rows:
            yield from row
            yield Segment.line()


class _Quote(markdown.BlockQuote):
    """A quiet bar at the left."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        inside = options.update(width=max(options.max_width - 2, 10))
        bar = Segment("▏ ", console.get_style("markdown.hr"))
        for line in console.render_lines(self.elements, inside, style=self.style, pad=False):
            yield bar
            yield from line
            yield Segment.line()


class _Item(markdown.ListItem):
    """Numbers as they were written, with a point."""

    def render_number(
        self, console: Console, options: ConsoleOptions, number: int, last_number: int
    ) -> RenderResult:
        mark = number_mark(number)
        inside = options.update(width=max(options.max_width - len(mark), 10))
        style = console.get_style("markdown.item.number")
        for at, line in enumerate(console.render_lines(self.elements, inside, style=self.style, pad=False)):
            yield Segment(mark if at == 0 else " " * len(mark), style)
            yield from line
            yield Segment.line()


class _Rule(markdown.HorizontalRule):
    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text("─" * options.max_width, style="markdown.hr")


class _Table(markdown.TableElement):
    """Columns under a line, no box around them."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, border_style="markdown.table.border")
        for cell in self.header.row.cells if self.header is not None and self.header.row else ():
            heading = cell.content.copy()
            heading.stylize("markdown.table.header")
            justify = "left" if cell.justify == "default" else cell.justify
            table.add_column(heading, justify=justify, overflow="fold", min_width=MIN_COLUMN)
        for row in self.body.rows if self.body is not None else ():
            table.add_row(*(cell.content for cell in row.cells))
        yield table


class _Heading(markdown.Heading):
    LEVEL_ALIGN = dict.fromkeys(markdown.Heading.LEVEL_ALIGN, "left")


class _Markdown(markdown.Markdown):
    """Rich's Markdown with our parser and our elements. Addresses are shown, nothing can be clicked."""

    elements = {  # noqa: RUF012 - Rich declares it so
        **markdown.Markdown.elements,
        "heading_open": _Heading,
        "fence": _Code,
        "code_block": _Code,
        "blockquote_open": _Quote,
        "list_item_open": _Item,
        "hr": _Rule,
        "table_open": _Table,
    }

    def __init__(self) -> None:
        super().__init__("", hyperlinks=False)

    def read(self, text: str) -> None:
        self.parsed = [_shown(token) for token in _parser.parse(text)]


# One for all: with each of its documents Rich makes a parser too, which takes longer than the drawing.
_document = _Markdown()


def _shown(token: Token) -> Token:
    """Line ends stay where they were written; an address is not followed by itself once more."""
    if token.children:
        token.children = list(_children(token.children))
    return token


def _children(tokens: list[Token]) -> Iterator[Token]:
    bare = False
    for token in tokens:
        if token.type == "softbreak":
            token.type = "hardbreak"
        elif token.type == "image":
            # A terminal shows no pictures: their words and their address.
            words = f"[{token.content or 'image'}] ({token.attrs.get('src', '')})"
            yield Token("text", "", 0, content=words)
            continue
        if token.type == "link_open":
            bare = token.info == "auto"
        if not (bare and token.type in ("link_open", "link_close")):
            yield token


class _Drawing(Console):
    """Draws into nothing; only the segments are wanted."""

    def __init__(self, look: Look) -> None:
        super().__init__(
            file=StringIO(),
            force_terminal=True,
            color_system="truecolor",
            width=80,
            theme=Theme(dict(look.markdown)),
            highlight=False,
            legacy_windows=False,
            _environ={},
        )
        self.look = look


@lru_cache(maxsize=2)
def _drawing(look: Look) -> _Drawing:
    return _Drawing(look)


def block_rows(look: Look, width: int, text: str) -> list[Row]:
    """The rows of one block, as segments that have foreground and background.

    Raises ValueError for a table with more columns than fit.
    """
    _document.read(text)
    if sum(token.type == "th_open" for token in _document.parsed) * (MIN_COLUMN + 3) > width:
        raise ValueError("a table with more columns than fit")
    drawing = _drawing(look)
    options = drawing.options.update(width=width, height=None)
    lines = drawing.render_lines(_document, options, style=look.base, pad=False)
    shown = [at for at, line in enumerate(lines) if any(text.strip() for text, _, _ in line)]
    return list(lines[shown[0] : shown[-1] + 1]) if shown else []
