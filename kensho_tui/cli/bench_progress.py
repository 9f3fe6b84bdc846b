"""How far a benchmark is: a line that is drawn anew on a terminal, else a plain line now and then."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from kensho_tui.cli.drawn_line import DrawnLine, can_redraw
from kensho_tui.cli.progress import EVERY_S, time_left
from kensho_tui.cli.table import cut
from kensho_tui.core.text import one_line

if TYPE_CHECKING:
    from kensho_tui.core.bench_contract import BenchRun


def progress_line(run: "BenchRun", columns: int) -> str:
    """``SmolLM2  34 %  42 s left  whole turns · shared · 2 threads`` in at most `columns` cells (pure)."""
    parts = [one_line(run.model, 40)]
    if run.total:
        parts.append(f"{100 * run.done // run.total} %")
    if run.eta_s is not None and run.done:
        parts.append(time_left(run.eta_s))
    return cut("  ".join([*parts, one_line(run.doing, 200)]).rstrip(), columns)


class Progress:
    """``drawn``: one line over itself, on a terminal; else a plain one every ten seconds."""

    def __init__(self, stream: TextIO, *, drawn: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._line = DrawnLine(stream) if drawn else None
        self._clock = clock
        self._at = float("-inf")

    @classmethod
    def on(cls, stream: TextIO) -> "Progress":
        return cls(stream, drawn=can_redraw(stream))

    def tell(self, run: "BenchRun") -> None:
        if self._line is not None:
            self._line.draw(progress_line(run, self._line.columns))
        elif self._clock() - self._at >= EVERY_S:
            self._at = self._clock()
            print(f"kensho-tui: {progress_line(run, 200)}", file=self._stream, flush=True)

    def clear(self) -> None:
        if self._line is not None:
            self._line.draw("")
