"""A code block as rows: a quiet line that names the language, then the code on raised ground."""

import time
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style

from kensho_tui.ui.transcript.canvas import Row
from kensho_tui.ui.transcript.look import Look
from kensho_tui.ui.transcript.wrap import fold

if TYPE_CHECKING:
    from pygments.lexer import Lexer

# Highlighting takes some milliseconds per thousand characters of what people write, and no end of time for
# what they do not: several lexers look at a long line again and again.
MAX_HIGHLIGHTED = 64_000
MAX_LINE = 1_000
MAX_S = 0.2
INDENT = 1
TAB = 4


def label(look: Look, width: int, language: str) -> Row:
    """The row above the code."""
    name = f"{' ' * INDENT}{set_cell_size(language, 40).rstrip() or 'text'} "
    rule = _fill(look.code_quiet, width - cell_len(name) - INDENT, "─")
    return [Segment(name, look.code_quiet), rule, _fill(look.code, INDENT)]


def plain_rows(line: str, width: int) -> list[str]:
    """One line of code in pieces that fit into rows of `width` cells."""
    return fold(line.expandtabs(TAB), width - 2 * INDENT)


def plain(look: Look, width: int, text: str) -> Row:
    """A row of code that is not coloured (yet)."""
    return _on_ground(look, width, [Segment(text, look.code)])


def code_block(look: Look, width: int, code: str, language: str) -> list[Row]:
    """All rows of a settled fence, `width` cells each, coloured when `language` is known."""
    rows: list[Row] = [label(look, width, language)]
    coloured = _highlighted(code, language, look)
    if coloured is None:
        lines = code.split("\n")
        return rows + [plain(look, width, row) for line in lines for row in plain_rows(line, width)]
    for line in coloured:
        rows += [_on_ground(look, width, row) for row in _folded(line, width - 2 * INDENT)]
    return rows


def _on_ground(look: Look, width: int, row: Row) -> Row:
    used = INDENT + Segment.get_line_length(list(row))
    return [_fill(look.code, INDENT), *row, _fill(look.code, width - used)]


def _fill(style: Style, cells: int, character: str = " ") -> Segment:
    return Segment(character * max(cells, 0), style)


@lru_cache(maxsize=32)
def _lexer(language: str) -> "Lexer | None":
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        return get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None


def _highlighted(code: str, language: str, look: Look) -> list[list[Segment]] | None:
    """The lines of `code` in coloured segments; None where that cannot be, or takes too long."""
    too_long = len(code) > MAX_HIGHLIGHTED or max(map(len, code.split("\n"))) > MAX_LINE
    lexer = _lexer(language) if language and not too_long else None
    if lexer is None:
        return None
    lines: list[list[Segment]] = [[]]
    styles: dict[Any, Style] = {}
    deadline = time.monotonic() + MAX_S
    for number, (kind, text) in enumerate(lexer.get_tokens(code.expandtabs(TAB))):
        if number % 64 == 0 and time.monotonic() > deadline:
            return None
        style = styles.get(kind)
        if style is None:
            style = styles[kind] = _style(kind, look)
        first, *more = text.split("\n")
        if first:
            lines[-1].append(Segment(first, style))
        lines += [[Segment(part, style)] if part else [] for part in more]
    return lines


def _style(kind: Any, look: Look) -> Style:
    while kind is not None:
        if (style := look.tokens.get(str(kind).removeprefix("Token."))) is not None:
            return style
        kind = kind.parent
    return look.code


def _folded(line: list[Segment], width: int) -> list[Row]:
    if Segment.get_line_length(line) <= width:
        return [line]
    return list(Segment.split_and_crop_lines(_broken(line, width), width, pad=False, include_new_lines=False))


def _broken(line: list[Segment], width: int) -> Iterable[Segment]:
    """The segments of one line with line ends where a row is full."""
    rows = fold("".join(segment.text for segment in line), width)
    left = len(rows[0])
    at = 0
    for text, style, _ in line:
        while len(text) > left:
            yield Segment(text[:left], style)
            yield Segment("\n")
            text = text[left:]  # noqa: PLW2901 - what is left of it
            at += 1
            left = len(rows[at])
        yield Segment(text, style)
        left -= len(text)
