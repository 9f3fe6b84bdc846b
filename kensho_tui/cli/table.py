"""Tables of plain text for terminals of any width (pure)."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from kensho_tui.core.text import one_line

GAP = 2
_ZERO_WIDTH = frozenset({"Mn", "Me", "Cf"})


@dataclass(frozen=True)
class Column:
    """``rank``: in a narrow table the highest goes first, 0 never goes. ``least``: cells it may be cut to."""

    title: str
    right: bool = False
    rank: int = 0
    least: int = 0


def cells(text: str) -> int:
    """How many cells of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(map(_width, text))


def _width(character: str) -> int:
    if unicodedata.category(character) in _ZERO_WIDTH:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, width: int) -> str:
    """`text` in at most `width` cells, with an ellipsis where something is missing."""
    if cells(text) <= width:
        return text
    kept, taken = [], 0
    for character in text:
        taken += _width(character)
        if taken > width - 1:
            break
        kept.append(character)
    return "".join(kept).rstrip() + "…" if width > 0 else ""


def render(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None) -> list[str]:
    """Title and rows as lines of at most `width` cells (None: as wide as they are).

    Columns that are empty in every row are left out. Texts are made safe for a terminal.
    """
    safe = [[one_line(text, 500) for text in row] for row in rows]
    table = [[column.title for column in columns], *safe]
    kept = [at for at in range(len(columns)) if any(row[at] for row in safe)]
    natural = {at: max(cells(row[at]) for row in table) for at in kept}
    widths = _fit(columns, natural, width)
    return [_line(columns, row, widths) for row in table]


def with_ascii_cuts(lines: list[str], *, plain: bool) -> list[str]:
    """`lines` as they are; ``plain``: with an ASCII sign where something is missing."""
    return [line.replace("…", "~") for line in lines] if plain else lines


def _fit(columns: Sequence[Column], natural: dict[int, int], width: int | None) -> dict[int, int]:
    if width is None:
        return natural
    least = {at: min(size, columns[at].least or size) for at, size in natural.items()}
    while _sum(least) > width and any(columns[at].rank for at in least):
        del least[max(least, key=lambda at: columns[at].rank)]
    spare = max(width - _sum(least), 0)
    for at in tuple(least):
        more = min(natural[at] - least[at], spare)
        least[at] += more
        spare -= more
    # Not even what must stay has room: the last column is cut as far as it goes.
    if _sum(least) > width and least:
        last = max(least)
        least[last] = max(least[last] - (_sum(least) - width), 1)
    return least


def _sum(widths: dict[int, int]) -> int:
    return sum(widths.values()) + GAP * max(len(widths) - 1, 0)


def _line(columns: Sequence[Column], row: Sequence[str], widths: dict[int, int]) -> str:
    parts = []
    for at, width in sorted(widths.items()):
        text = cut(row[at], width)
        pad = " " * (width - cells(text))
        parts.append(pad + text if columns[at].right else text + pad)
    return (" " * GAP).join(parts).rstrip()
