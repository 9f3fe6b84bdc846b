"""A canvas: how wide rows are, how they look, and what makes whole rows of drawn segments."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual.strip import Strip

from kensho_tui.ui.transcript.look import Look

# Longer rows are hard to read.
MAX_BODY = 114
RIGHT = 1

Row = Sequence[Segment]


@dataclass(frozen=True)
class Canvas:
    """Rows of `width` cells: a margin with a bar that tells the role, then a body."""

    LEFT: ClassVar[int] = 3  # a blank, the bar, a blank

    width: int
    look: Look

    @cached_property
    def body(self) -> int:
        """Cells for text."""
        return max(min(self.width - self.LEFT - RIGHT, MAX_BODY), 2)

    @cached_property
    def empty(self) -> Strip:
        """A row with nothing on it."""
        return Strip([Segment(" " * self.width, self.look.base)], self.width)

    def bar(self, role: str) -> Segment:
        """What stands at the left of every row of a message."""
        look = self.look
        if role == "user":
            return Segment("▌", look.person)
        return Segment("┃", look.model) if role == "assistant" else Segment("▌", look.border)

    def row(self, bar: Segment, body: Row) -> Strip:
        """A whole row; what is too long is cut."""
        base = self.look.base
        used = sum(cell_len(text) for text, _, _ in body)
        if used > self.body:
            body, used = Segment.adjust_line_length(list(body), self.body), self.body
        segments = [Segment(" ", base), bar, Segment(" ", base), *body]
        rest = max(self.width - self.LEFT - used, 0)
        if rest:
            segments.append(Segment(" " * rest, base))
        strip = Strip(segments, self.LEFT + used + rest)
        return strip if strip.cell_length == self.width else strip.crop(0, self.width)
