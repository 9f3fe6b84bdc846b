"""Values over days in one row of cells. Pure."""

from collections.abc import Sequence
from statistics import median

from kensho_tui.ui.metrics.graph import Look, graph

BROADEST = 3
"""Cells that one value has at most."""


def sparkline(values: Sequence[float | None], look: Look) -> str:
    """A cell for each value, as high as it is beside the greatest; None: a gap.

    It begins at nought, so that what scatters by some per cent looks as steady as it is.
    """
    top = max((value for value in values if value is not None), default=0.0)
    if top <= 0:
        return ""
    # In one row eight heights in a cell say more than two values in it.
    return graph(values, len(values), 1, top, "ascii" if look == "ascii" else "blocks")[0]


def trend(values: Sequence[float | None], width: int, look: Look) -> str:
    """All of them in `width` cells at most; a few are broad."""
    found = squeezed(values, width)
    broad = min(max(width // max(len(found), 1), 1), BROADEST)
    return sparkline([value for value in found for _ in range(broad)], look)


def in_a_column(count: int, columns: int) -> int:
    """How many of so many values a column holds."""
    return max(-(-count // max(columns, 1)), 1)


def squeezed(values: Sequence[float | None], columns: int) -> list[float | None]:
    """As many values as there are columns at most: medians of equally many, the first of what is left."""
    if columns <= 0:
        return []
    many, found = in_a_column(len(values), columns), list[float | None]()
    for end in range(len(values), 0, -many):
        some = [value for value in values[max(end - many, 0) : end] if value is not None]
        found.append(median(some) if some else None)
    return found[::-1]
