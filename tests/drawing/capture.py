"""tmux as a test terminal: it says in SGR what stands in its panes."""

import os
import re
import sys
from pathlib import Path

from tests.drawing.emulators import Cell
from tests.support.tmux import Tmux

# Copies frames to its terminal, one at a time, and tells when the terminal has answered.
_COPIER = """
import os, struct, sys, tty
tty.setraw(0)
source = open(sys.argv[1], "rb")
told = os.open(sys.argv[2], os.O_WRONLY)
while size := source.read(4):
    os.write(1, source.read(struct.unpack(">I", size)[0]) + b"\\x1b[6n")
    answer = b""
    while not answer.endswith(b"R"):
        answer += os.read(0, 100)
    os.write(told, answer + b"\\n")
"""
_SGR = re.compile(r"\x1b\[([0-9;:]*)m|(\x1b[^m]*m)|(.)", re.DOTALL)
_OFF = {"22": (1, 2), "23": (3,), "24": (4,), "25": (5, 6), "27": (7,), "28": (8,), "29": (9,), "55": (53,)}


class Style:
    """Colours and attributes as SGR sequences leave them."""

    def __init__(self) -> None:
        self.on: frozenset[int] = frozenset()
        self.colours = {"3": "", "4": ""}

    def take(self, codes: str) -> None:
        rest = codes.split(";")
        while rest:
            code = rest.pop(0) or "0"
            if code == "0":
                self.__init__()  # type: ignore[misc]
            elif code in _OFF:
                self.on -= frozenset(_OFF[code])
            elif code in ("38", "48"):
                count = 2 if rest[0] == "5" else 4
                self.colours[code[0]] = ";".join(rest[:count])
                del rest[:count]
            elif code in ("39", "49"):
                self.colours[code[0]] = ""
            elif (len(code) == 2 and code[0] in "34") or (code[0] == "9" and len(code) == 2):
                self.colours["3" if code[0] == "9" else code[0]] = code
            elif code.startswith("10"):
                self.colours["4"] = code
            else:
                self.on |= {21 if code == "4:2" else int(code)}

    @property
    def attributes(self) -> tuple[object, ...]:
        return (self.on, self.colours["3"], self.colours["4"])


def attributes_of(codes: str) -> tuple[object, ...]:
    style = Style()
    style.take(codes)
    return style.attributes


def parse(line: str, style: Style) -> list[Cell]:
    """One line of `capture-pane -e`; marks are left out of the cells, wide characters go over one only."""
    cells: list[Cell] = []
    for codes, other, char in _SGR.findall(line):
        if char:
            cells.append((char, style.attributes))
        elif not other:
            style.take(codes)
    return cells


class Pane:
    """A pane of tmux that frames are written to."""

    def __init__(self, folder: Path) -> None:
        frames, told = folder / "frames", folder / "told"
        os.mkfifo(frames)
        os.mkfifo(told)
        copier = folder / "copier.py"
        copier.write_text(_COPIER)
        self.tmux = Tmux(folder, 20, 10)
        self.tmux.start(sys.executable, str(copier), str(frames), str(told))
        self._frames = frames.open("wb", buffering=0)
        self._told = told.open("rb", buffering=0)
        self.position = (0, 0)

    def fresh(self, columns: int, lines: int) -> "Pane":
        self.columns, self.lines = columns, lines
        self.tmux("resize-window", "-x", str(columns), "-y", str(lines))
        self.feed("\x1b[0m\x1b[r\x1b[2J\x1b[?7l")
        return self

    def feed(self, text: str) -> None:
        """Write and wait until tmux has worked it off."""
        data = text.encode()
        self._frames.write(len(data).to_bytes(4, "big") + data)
        row, column = self._told.readline().strip(b"\x1b[R\n").split(b";")
        self.position = (int(column) - 1, int(row) - 1)

    def spoil(self) -> None:
        self.feed("\x1b[0;7;35m" + "".join(f"\x1b[{y + 1}H" + "?" * self.columns for y in range(self.lines)))

    def rows(self) -> list[list[Cell]]:
        """Cells of each row; blanks at its end, which tmux leaves out, may be missing."""
        style = Style()
        return [parse(line, style) for line in self.tmux.capture()]

    def close(self) -> None:
        self._frames.close()
        self._told.close()
        self.tmux.close()
