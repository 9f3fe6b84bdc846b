"""Rows of the screen as cells, and which of them a terminal may measure otherwise than we do."""

from collections.abc import Iterable
from functools import lru_cache
from unicodedata import category

from rich.cells import cell_len, get_character_cell_size

from kensho_tui.ui.drawing.sgr import PLAIN, Look

_JOINER, _EMOJI_STYLE = "\u200d", "\ufe0f"
# Marks, formats, private, unassigned (newer than our tables), lone halves, and separators.
_ODD_CATEGORIES = frozenset(("Mn", "Mc", "Me", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"))

Piece = tuple[str, Look]


class Row:
    """One row: `cells[x]` is what stands in column x, "" where the cluster left of it goes on.

    Every cluster and its continuation have the same look.
    """

    __slots__ = ("_odd", "cells", "looks")

    def __init__(self, cells: list[str], looks: list[Look], odd: bool | None = None) -> None:
        self.cells = cells
        self.looks = looks
        self._odd = odd

    @classmethod
    def blank(cls, width: int) -> "Row":
        return cls([" "] * width, [PLAIN] * width)

    def copy(self) -> "Row":
        return Row(self.cells[:], self.looks[:], self._odd)

    def same(self, other: "Row | None") -> bool:
        return other is not None and self.cells == other.cells and self.looks == other.looks

    @property
    def text(self) -> str:
        return "".join(self.cells)

    @property
    def odd(self) -> bool:
        """Whether terminals may lay it out otherwise than we do."""
        if self._odd is None:
            self._odd = is_odd_text(self.text)
        return self._odd

    def put(self, x: int, pieces: Iterable[Piece]) -> int:
        """Overwrite from column `x` on, as far as the row goes; returns the column after. Halves of what is
        cut become blanks."""
        cells, looks = lay_out(pieces)
        room = len(self.cells) - x
        if len(cells) > room:
            cut = cells[room]
            del cells[room:], looks[room:]
            if not cut:
                _blank_back(cells, len(cells) - 1)
        end = x + len(cells)
        if end == x:
            return x
        if not self.cells[x]:
            _blank_back(self.cells, x - 1)
        self.cells[x:end] = cells
        self.looks[x:end] = looks
        while end < len(self.cells) and not self.cells[end]:
            self.cells[end] = " "
            end += 1
        self._odd = None
        return x + len(cells)


def _blank_back(cells: list[str], x: int) -> None:
    """Blank the cluster that `x` is the last column of."""
    while not cells[x]:
        cells[x] = " "
        x -= 1
    cells[x] = " "


def lay_out(pieces: Iterable[Piece]) -> tuple[list[str], list[Look]]:
    """Cells and their looks. A mark at the beginning of a piece belongs to the piece before it."""
    cells: list[str] = []
    looks: list[Look] = []
    for text, look in pieces:
        if text.isascii() and text.isprintable():
            cells.extend(text)
        else:
            lead, more = clusters(text)
            if lead and cells:
                head = next(x for x in range(len(cells) - 1, -1, -1) if cells[x])
                cells[head] += lead
            cells.extend(more)
        looks.extend([look] * (len(cells) - len(looks)))
    return cells, looks


@lru_cache(maxsize=4096)
def clusters(text: str) -> tuple[str, tuple[str, ...]]:
    """Marks without a base at the beginning, and the cells of the rest, measured as Rich does.

    Control characters, which have no width, are dropped: none of them may reach the terminal.
    """
    lead = ""
    found: list[str] = []
    widths: list[int] = []
    characters = iter(text)
    for char in characters:
        if category(char) == "Cc":
            continue
        width = get_character_cell_size(char)
        if width:
            found.append(char)
            widths.append(width)
        elif not found:
            lead += char
        else:
            if char == _EMOJI_STYLE:
                widths[-1] += cell_len(found[-1] + char) > cell_len(found[-1])
            found[-1] += char + (next(characters, "") if char == _JOINER else "")
    if sum(widths) != cell_len(text):
        # Measured otherwise as a whole: keep it whole.
        found, widths = ["".join(found)], [cell_len(text)]
    parts = zip(found, widths, strict=True)
    return lead, tuple(part for cluster, width in parts for part in (cluster, *[""] * (width - 1)))


def is_odd_text(text: str) -> bool:
    """Whether terminals may lay `text` out otherwise than we do."""
    return not text.isascii() and any(is_odd_character(char) for char in set(text) if char > "\x7f")


@lru_cache(maxsize=4096)
def is_odd_character(char: str) -> bool:
    """Terminals disagree on its width, or join it to its neighbours."""
    regional_or_modifier = "\U0001f1e6" <= char <= "\U0001f1ff" or "\U0001f3fb" <= char <= "\U0001f3ff"
    return regional_or_modifier or category(char) in _ODD_CATEGORIES or not get_character_cell_size(char)
