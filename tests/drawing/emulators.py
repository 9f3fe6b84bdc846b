"""Terminals for tests: one that measures characters as we do, one that does not."""

from functools import lru_cache

import pyte
from pyte.screens import Char
from rich.cells import cell_len, get_character_cell_size

from kensho_tui.ui.drawing.cells import is_odd_character
from kensho_tui.ui.drawing.sgr import Look

_CODES = ("1", "2", "3", "4", "5", "6", "7", "8", "9", "21", "51", "52", "53")

Cell = tuple[str, tuple[object, ...]]
"""A cluster ("" where the one before goes on) and its attributes."""


def _attributes(char: Char) -> tuple[object, ...]:
    return char[1:]


@lru_cache
def attributes_of(look: Look) -> tuple[object, ...]:
    """What pyte makes of a look written from scratch."""
    screen = pyte.Screen(2, 1)
    pyte.Stream(screen).feed(f"\x1b[{codes_of(look)}mx")
    return _attributes(screen.buffer[0][0])


def codes_of(look: Look) -> str:
    """SGR codes that say all of a look."""
    bits = [code for place, code in enumerate(_CODES) if look.attributes & (1 << place)]
    return ";".join(["0", *bits, *filter(None, (look.foreground, look.background))])


class Emulator(pyte.Screen):
    """Draws without wrapping, as Textual asks for; lines that come in by scrolling are full of rubbish."""

    def __init__(self, columns: int, lines: int) -> None:
        super().__init__(columns, lines)
        self._stream = pyte.Stream(self)

    def feed(self, text: str) -> None:
        self._stream.feed(text)

    def spoil(self) -> None:
        """Leave nothing as it was: neither the cells, nor the cursor, nor its colours."""
        self.feed("\x1b[0;7;35m" + "".join(f"\x1b[{y + 1}H" + "?" * self.columns for y in range(self.lines)))

    def draw(self, data: str) -> None:
        for char in data:
            self._draw(char, get_character_cell_size(char))

    def _draw(self, char: str, width: int) -> None:
        line, x = self.buffer[self.cursor.y], self.cursor.x
        head = max((at for at in range(x) if line[at].data), default=0)
        before = line[head].data
        if width and not before.endswith("\u200d"):
            at = min(x, self.columns - width)
            self._put(at, self.cursor.attrs._replace(data=char))
            for more in range(1, width):
                self._put(at + more, self.cursor.attrs._replace(data=""))
            self.cursor.x = at + width
        elif x:
            line[head] = line[head]._replace(data=before + char)
            for more in range(x, min(self.columns, head + cell_len(before + char))):
                self._put(more, self.cursor.attrs._replace(data=""))
                self.cursor.x = more + 1

    def _put(self, x: int, char: Char) -> None:
        """Write a cell; what it cuts in half is blanked."""
        line = self.buffer[self.cursor.y]
        if line[x].data == "" and char.data:
            for at in range(x - 1, -1, -1):
                was, line[at] = line[at], line[at]._replace(data=" ")
                if was.data:
                    break
        line[x] = char
        for at in range(x + 1, self.columns):
            if line[at].data:
                break
            line[at] = line[at]._replace(data=" ")

    def delete_lines(self, count: int | None = None) -> None:
        super().delete_lines(count)
        self._rubbish()

    def insert_lines(self, count: int | None = None) -> None:
        super().insert_lines(count)
        self._rubbish()

    def _rubbish(self) -> None:
        for y in range(self.lines):
            if y not in self.buffer:
                for x in range(self.columns):
                    self.buffer[y][x] = Char("#", fg="red", bg="green", blink=True)

    def cells(self, y: int) -> list[Cell]:
        return [(self.buffer[y][x].data, _attributes(self.buffer[y][x])) for x in range(self.columns)]


class Contrary(Emulator):
    """Characters of which terminals disagree: what has a width for us has none here, and the reverse."""

    def draw(self, data: str) -> None:
        for char in data:
            if char > "\x7f" and is_odd_character(char):
                if not get_character_cell_size(char):
                    self._draw(char, 1)
            else:
                self._draw(char, get_character_cell_size(char))
