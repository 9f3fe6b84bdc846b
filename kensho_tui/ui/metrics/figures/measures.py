"""What is measured of models: what each measure is called, where it is, and how it is said. Pure."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from kensho_tui.core.metrics_contract import Figures, Spread
from kensho_tui.ui.metrics.figures import said


class Measure(NamedTuple):
    """``title`` on the screen, ``name`` in files. ``time``: seconds, of which fewer are better; all others
    are speeds, said in so many of their ``unit``."""

    title: str
    name: str
    of: Callable[[Figures], Spread | None]
    time: bool = False
    unit: float = 1.0

    def parts(self, spread: Spread | None, sign: str) -> said.Parts:
        """In words, with ``sign`` before the spread."""
        return said.time_parts(spread, sign) if self.time else said.parts(spread, sign, self.unit)


TTFT = Measure("TTFT", "ttft_s", lambda figures: figures.ttft, time=True)
LOAD = Measure("load", "load_s", lambda figures: figures.load, time=True)
PROMPT = Measure("prompt tok/s", "prompt_tok_s", lambda figures: figures.prompt)
DECODE = Measure("decode tok/s", "decode_tok_s", lambda figures: figures.decode)
BANDWIDTH = Measure("GB/s", "bandwidth", lambda figures: figures.bandwidth, unit=said.GIGA)
MEASURES = (TTFT, LOAD, PROMPT, DECODE, BANDWIDTH)
"""In the order of files."""


def legend(figures: Iterable[Figures], sign: str) -> str:
    """What stands beside the medians of these."""
    return said.legend(sign, (measure.of(one) for one in figures for measure in MEASURES))
