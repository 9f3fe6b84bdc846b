"""Columns of a list: how wide each is, and which are left out where the row is short. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich.cells import cell_len
from textual.content import Content

from kensho_tui.ui.lines import QUIET

GAP = 2


class Cell(NamedTuple):
    """A text of one row and column, and its style."""

    text: str
    style: str = QUIET


@dataclass(frozen=True)
class Column:
    """``least``: cells it may be cut to (0: none). ``rank``: the highest is left out first (0: never).

    ``cells``: how many it has whatever is in it (0: as many as its texts need).
    """

    title: str
    rank: int = 0
    least: int = 0
    right: bool = False
    cells: int = 0
    grows: bool = False
    """Takes what is left over, so that those behind it stand at the right edge."""


def natural_widths(columns: Sequence[Column], rows: Sequence[Sequence[str]], titles: bool) -> list[int]:
    """The cells each column would need, with its title when that is shown; 0: it is empty in every row, and
    its number of cells is not fixed."""
    widths = [max((cell_len(row[at]) for row in rows), default=0) for at in range(len(columns))]
    if titles:
        # Two cells for the mark of the column it is sorted by.
        widths = [
            max(width, cell_len(column.title) + 2 if column.title else 0)
            for width, column in zip(widths, columns, strict=True)
        ]
    return [column.cells or width for width, column in zip(widths, columns, strict=True)]


def lay_out(columns: Sequence[Column], natural: Sequence[int], room: int) -> list[int]:
    """The width of each column in `room` cells, gaps between them not counted; 0: it is left out."""
    least = [
        min(width, column.least) if column.least else width
        for column, width in zip(columns, natural, strict=True)
    ]
    kept = [at for at, width in enumerate(natural) if width]
    while _sum(least, kept) > room:
        drop = max(kept, key=lambda at: columns[at].rank, default=None)
        if drop is None or not columns[drop].rank:
            break
        kept.remove(drop)
    widths = [least[at] if at in kept else 0 for at in range(len(columns))]
    spare = max(room - _sum(least, kept), 0)
    for at in kept:
        more = min(natural[at] - widths[at], spare)
        widths[at] += more
        spare -= more
    growing = next((at for at in kept if columns[at].grows), None)
    if growing is not None:
        widths[growing] += spare
    return widths


def table_widths(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], room: int, without: Collection[int] = ()
) -> list[int]:
    """`lay_out` of these texts with the titles above them; 0 too: a column that is empty in every row, or one
    of those ``without`` which the table shall be."""
    used = [at not in without and any(row[at] for row in rows) for at in range(len(columns))]
    natural = natural_widths(columns, [[column.title for column in columns], *rows], titles=False)
    return lay_out(columns, [width * kept for width, kept in zip(natural, used, strict=True)], room)


def _sum(widths: Sequence[int], kept: Sequence[int]) -> int:
    return sum(widths[at] for at in kept) + GAP * max(len(kept) - 1, 0)


def joined(columns: Sequence[Column], widths: Sequence[int], cells: Sequence[Content]) -> Content:
    """One row: every cell padded to its column. One that is too long goes on over empty ones behind it, and
    is cut where they end."""
    kept = [
        (column, width, cell) for column, width, cell in zip(columns, widths, cells, strict=True) if width
    ]
    parts = []
    while kept:
        column, width, cell = kept.pop(0)
        while kept and cell.cell_length > width and not kept[0][2]:
            width += GAP + kept.pop(0)[1]
        text = cell.truncate(width, ellipsis=True)
        pad = " " * (width - text.cell_length)
        parts.append(Content.assemble(pad, text) if column.right else Content.assemble(text, pad))
    return Content(" " * GAP).join(parts)
