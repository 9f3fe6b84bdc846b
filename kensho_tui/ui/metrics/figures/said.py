"""Runs in words: a median with its spread and its count, side by side or in a column; how one ended. Pure."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from kensho_tui.core.metrics_contract import Generation, Spread

FEW = 5
"""Of fewer runs a median says little, and quartiles nothing."""
GIGA = 1e9  # as data sheets of memory have it
_ENDS = {"end": "ended by itself", "stop_sequence": "at a stop sequence", "length": "at the length limit",
         "context": "context full", "abort": "stopped", "error": "failed"}  # fmt: skip


class Parts(NamedTuple):
    """``median`` with what stands behind it; each may be empty."""

    median: str = ""
    around: str = ""
    runs: str = ""

    def together(self) -> str:
        return " ".join(part for part in self if part)


def few(spread: "Spread | None") -> bool:
    """Whether something was measured, and too little of it."""
    return spread is not None and spread.count < FEW


def wide(spread: "Spread | None") -> bool:
    """Whether the quartiles lie so far apart that a ± would be misread: they do not lie evenly around the
    median then."""
    return spread is not None and spread.count > 1 and spread.upper - spread.lower > spread.median


def _around(spread: "Spread", sign: str, unit: float, digits: int) -> str:
    """Of a single run nothing is said about spread."""
    if spread.count < 2:
        return ""
    if not wide(spread):
        return f"{sign}{spread.half / unit:,.{digits}f}"
    lower, upper = (f"{value / unit:,.{digits}f}" for value in (spread.lower, spread.upper))
    return f"[{lower}{'–' if sign == '±' else '-'}{upper}]"


def legend(sign: str, spreads: "Iterable[Spread | None]") -> str:
    """What stands beside the median of these."""
    far = ", [both quartiles] where they lie far apart" if any(map(wide, spreads)) else ""
    return f"median {sign} half the interquartile range{far}"


def parts(spread: "Spread | None", sign: str = "±", unit: float = 1.0) -> Parts:
    if spread is None:
        return Parts()
    median = spread.median / unit
    digits = 1 if median < 100 else 0
    return Parts(f"{median:,.{digits}f}", _around(spread, sign, unit, digits), f"({spread.count:,})")


def time_parts(spread: "Spread | None", sign: str = "±") -> Parts:
    """Seconds, from one on; below, thousandths of them."""
    if spread is None:
        return Parts()
    unit, name, digits = (1e-3, "ms", 0) if spread.median < 1 else (1.0, "s", 2)
    around = f"{_around(spread, sign, unit, digits)} {name}".lstrip()
    return Parts(f"{spread.median / unit:,.{digits}f}", around, f"({spread.count:,})")


def said(spread: "Spread | None", sign: str = "±", unit: float = 1.0) -> str:
    """``148 ±2 (31)``; empty for none."""
    return parts(spread, sign, unit).together()


def uncounted(spread: "Spread | None", sign: str = "±") -> str:
    """``148 ±2``, where the count stands elsewhere."""
    return parts(spread, sign)._replace(runs="").together()


def time_said(spread: "Spread | None", sign: str = "±") -> str:
    """``210 ±12 ms (34)``, ``2.31 ±0.40 s (34)``, ``284 [210–3,900] ms (34)``."""
    return time_parts(spread, sign).together()


def aligned(column: Sequence[Parts]) -> list[str]:
    """The texts of one column: medians under medians, counts under counts; empty for none."""
    widths = [max((len(row[at]) for row in column), default=0) for at in range(len(Parts._fields))]

    def text(row: Parts) -> str:
        if not row.runs:
            return ""
        padded = (
            row.median.rjust(widths[0]),
            row.around.ljust(widths[1]),
            row.runs.rjust(widths[2]),
        )
        return " ".join(part for part, width in zip(padded, widths, strict=True) if width)

    return [text(row) for row in column]


def ended(one: "Generation") -> str:
    """How a run ended, under a title that says so; of an answer given again that it came from the cache."""
    if one.from_cache:
        return "from cache"
    return (one.stop_reason or "").replace("_", " ") if one.state == "complete" else one.state


def how_it_ended(one: "Generation") -> str:
    """How a run ended, where no title stands."""
    return _ENDS.get(one.stop_reason or "", one.state)
