"""Wrapping plain text into rows of cells. Pure; the rows of a line joined again are the line."""

import re

from rich.cells import cell_len, get_character_cell_size

_WORDS = re.compile(r"\S+\s*|\s+")


def wrap(line: str, width: int) -> list[str]:
    """`line` (without line ends) in rows of at most `width` cells, broken between words where it can be.

    Blanks at a row's end may hang over. An empty line is one empty row.
    """
    if len(line) <= width and (line.isascii() or cell_len(line) <= width):
        return [line]
    rows: list[str] = []
    row: list[str] = []
    used = 0
    for word in _WORDS.findall(line):
        size, bare = cell_len(word), cell_len(word.rstrip())
        if used and used + bare > width:
            rows.append("".join(row))
            row, used = [], 0
        if bare > width:
            *full, word = fold(word, width)  # noqa: PLW2901 - the rest of a word too long for a row
            rows += full
            size = cell_len(word)
        row.append(word)
        used += size
    rows.append("".join(row))
    return rows


def fold(line: str, width: int) -> list[str]:
    """`line` in rows of exactly as many characters as fit: for code, and words longer than a row."""
    width = max(width, 2)
    if line.isascii():
        return [line[at : at + width] for at in range(0, len(line), width)] or [""]
    rows: list[str] = []
    start = used = 0
    for at, character in enumerate(line):
        size = get_character_cell_size(character)
        if used + size > width:
            rows.append(line[start:at])
            start, used = at, 0
        used += size
    return [*rows, line[start:]]


class GrowingLine:
    """One line that grows at its end, in rows; what is added costs what is new and the last row."""

    def __init__(self, width: int, *, words: bool) -> None:
        self.rows = [""]
        self._width = width
        self._break = wrap if words else fold

    def feed(self, text: str) -> None:
        self.rows[-1:] = self._break(self.rows[-1] + text, self._width)
