"""How rows are drawn now: signs, the clock, and which of them are marked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

from kensho_tui.ui.choice_list import IDLE
from kensho_tui.ui.lines import QUIET
from kensho_tui.ui.metrics.graph import GLYPHS
from kensho_tui.ui.metrics.graph import Look as Graphs


class Mark(TypedDict):
    mark: str
    mark_style: str


@dataclass(frozen=True)
class Look:
    """``marked``: keys of rows that are to be compared."""

    now: datetime
    graphs: Graphs = "braille"
    marked: Sequence[str] = ()

    @property
    def sign(self) -> str:
        """Between a median and its spread."""
        return GLYPHS[self.graphs].sign

    def mark(self, key: str, otherwise: str = IDLE) -> Mark:
        """The sign before a row: A or B where it is marked."""
        if key not in self.marked:
            return Mark(mark=otherwise, mark_style=QUIET)
        return Mark(mark="AB"[self.marked.index(key)], mark_style="bold $primary")
