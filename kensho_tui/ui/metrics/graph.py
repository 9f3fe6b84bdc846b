"""Values over time as lines of text: in braille, in blocks, or in plain ASCII. Pure."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from kensho_tui.config.settings import Settings
from kensho_tui.ui.drawing.display import PLAIN, VARIABLE
from kensho_tui.ui.format import bar

Look = Literal["braille", "blocks", "ascii"]
Values = Sequence[float | None]
"""One for each column, the oldest first; None: nothing is known of that time."""

BLOCKS = " ▁▂▃▄▅▆▇█"
ASCII = " .:#"
# The dots of a braille cell from its bottom row up, of its left and of its right column.
LEFT, RIGHT = (0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08)
BRAILLE = 0x2800
DOTS = 4


@dataclass(frozen=True)
class Glyphs:
    """What a look draws with: bars full and empty, the phases of an answer, and one that took no time."""

    look: Look
    full: str
    empty: str
    phases: tuple[str, str, str, str]
    none: str

    @property
    def sign(self) -> str:
        """Between a median and its spread."""
        return "+-" if self.look == "ascii" else "±"

    @property
    def columns(self) -> int:
        """How many values one cell shows side by side."""
        return 2 if self.look == "braille" else 1

    def bar(self, share: float, width: int) -> str:
        return bar(share, width, self.full, self.empty)


PHASES = ("░", "▒", "▓", "█")
GLYPHS: Mapping[Look, Glyphs] = {
    "braille": Glyphs("braille", "▓", "░", PHASES, "▏"),
    "blocks": Glyphs("blocks", "▓", "░", PHASES, "▏"),
    "ascii": Glyphs("ascii", "#", ".", (".", ":", "=", "#"), "|"),
}


def glyphs_for(
    settings: Settings, environment: Mapping[str, str] | None = None, encoding: str = ""
) -> Glyphs:
    """As the settings say; by themselves braille, ASCII where drawing is plain or the terminal takes no
    UTF-8, blocks on the console of Linux, whose fonts have no braille."""
    environment = os.environ if environment is None else environment
    encoding = encoding or getattr(sys.__stdout__, "encoding", None) or "utf-8"
    if settings.graphs != "auto":
        return GLYPHS[settings.graphs]
    if PLAIN in (settings.drawing, environment.get(VARIABLE)) or "utf" not in encoding.lower():
        return GLYPHS["ascii"]
    return GLYPHS["blocks" if environment.get("TERM") == "linux" else "braille"]


def graph(values: Values, width: int, height: int, top: float, look: Look = "braille") -> list[str]:
    """`height` lines of `width` cells; the newest value is at the right edge, `top` fills a column.

    A value leaves a trace however small it is, a time without one stays blank. Braille has two values in a
    cell, the others one. Older values than there is room for are left out.
    """
    columns = width * GLYPHS[look].columns
    shown = [None] * max(columns - len(values), 0) + list(values[max(len(values) - columns, 0) :])
    if not columns:
        return [""] * height
    steps = {"braille": DOTS, "blocks": len(BLOCKS) - 1, "ascii": len(ASCII) - 1}[look]
    levels = [_level(value, top, height * steps) for value in shown]
    lines = []
    for row in reversed(range(height)):
        filled = [min(max(level - row * steps, 0), steps) for level in levels]
        if look == "braille":
            pairs = zip(filled[::2], filled[1::2], strict=True)
            lines.append("".join(_cell(left, right) for left, right in pairs))
        else:
            ramp = BLOCKS if look == "blocks" else ASCII
            lines.append("".join(ramp[one] for one in filled))
    return lines


def _level(value: float | None, top: float, most: int) -> int:
    """How many of `most` steps a column is high; 0: there is no value."""
    if value is None:
        return 0
    share = min(max(value / top, 0.0), 1.0) if top > 0 else 0.0
    return max(round(share * most), 1)


def _cell(left: int, right: int) -> str:
    dots = sum(LEFT[:left]) + sum(RIGHT[:right])
    return chr(BRAILLE + dots) if dots else " "


def round_top(most: float, least: float = 1.0) -> float:
    """The next 1, 2 or 5 times a power of ten above `most`: a scale that does not change with every value."""
    top = least
    steps = (2.0, 2.5, 2.0)
    at = 0
    while top < most and top < 1e18:
        top *= steps[at % 3]
        at += 1
    return top


@dataclass(frozen=True)
class Window:
    """The time that a graph shows, in columns of ``step_s`` that do not move with the newest value."""

    until: float
    step_s: float
    columns: int

    @classmethod
    def of(cls, until: float, span_s: float, columns: int, least_step_s: float) -> "Window":
        return cls(until, max(span_s / max(columns, 1), least_step_s), columns)

    @property
    def last(self) -> int:
        """The number of the newest column, counted from the beginning of Unix time."""
        return int(self.until // self.step_s)

    def values(self, points: Sequence[tuple[float, float | None]], joined_s: float) -> list[float | None]:
        """The highest of what falls into each column, from `points` of (Unix seconds, value), oldest first.

        Points no further apart than `joined_s` belong together: columns between them have the later value.
        """
        found: list[float | None] = [None] * self.columns
        first = self.last - self.columns + 1
        before = float("-inf")
        for at, value in points:
            column = int(at // self.step_s) - first
            begin = column
            if at - before <= joined_s:
                begin = min(int(before // self.step_s) - first + 1, column)
            before = at if value is not None else float("-inf")
            if value is None:
                continue
            for number in range(max(begin, 0), min(column, self.columns - 1) + 1):
                old = found[number]
                found[number] = value if old is None else max(old, value)
        return found
