"""Measurements in words: a median with its spread and its count, side by side or in a column. Pure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from kensho_tui.core.metrics_contract import Spread

FEW = 5
"""Of fewer runs a median says little, and quartiles nothing."""
GIGA = 1e9  # as data sheets of memory have it


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


def _count(spread: "Spread", only: str) -> str:
    return f"({only if few(spread) else ''}{spread.count:,})"


def parts(spread: "Spread | None", sign: str = "±", unit: float = 1.0, only: str = "") -> Parts:
    """Of a single run nothing is said about spread. ``only`` stands before the count of few."""
    if spread is None:
        return Parts()
    median, half = spread.median / unit, spread.half / unit
    digits = 1 if median < 100 else 0
    around = f"{sign}{half:.{digits}f}" if spread.count > 1 else ""
    return Parts(f"{median:,.{digits}f}", around, _count(spread, only))


def time_parts(spread: "Spread | None", sign: str = "±", only: str = "") -> Parts:
    """Seconds, from one on; below, thousandths of them."""
    if spread is None:
        return Parts()
    unit, name, digits = (1e-3, "ms", 0) if spread.median < 1 else (1.0, "s", 2)
    around = f"{sign}{spread.half / unit:.{digits}f} {name}" if spread.count > 1 else name
    return Parts(f"{spread.median / unit:.{digits}f}", around, _count(spread, only))


def said(spread: "Spread | None", sign: str = "±", unit: float = 1.0, only: str = "") -> str:
    """``148 ±2 (31)``; empty for none."""
    return parts(spread, sign, unit, only).together()


def time_said(spread: "Spread | None", sign: str = "±", only: str = "") -> str:
    """``210 ±12 ms (34)``, ``2.31 ±0.40 s (34)``."""
    return time_parts(spread, sign, only).together()


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
