"""Values over days in one row of cells, and on a few. Pure."""

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from kensho_tui.ui.metrics.graph import GLYPHS, Look, graph

BROADEST = 4
"""Cells that one value has at most."""


def sparkline(values: Sequence[float | None], look: Look) -> str:
    """A cell for each value, as high as it is beside the greatest; None: a gap.

    It begins at nought, so that what scatters by some per cent looks as steady as it is.
    """
    top = max((value for value in values if value is not None), default=0.0)
    if top <= 0:
        return ""
    return graph(values, len(values), 1, top, _blocks(look))[0]


def _blocks(look: Look) -> Look:
    """In few rows eight heights in a cell say more than two values in it."""
    return "ascii" if look == "ascii" else "blocks"


def trend(values: Sequence[float | None], width: int, height: int, look: Look) -> list[str]:
    """All of them on `height` rows of `width` cells at most, from nought to the greatest; a few are broad.

    One row has eight heights in a cell, several have two values.
    """
    look = _blocks(look) if height == 1 else look
    columns = max(width, 0) * GLYPHS[look].columns
    broad = min(max(columns // max(len(values), 1), 1), BROADEST * GLYPHS[look].columns)
    shown = [value for value in squeezed(values, columns) for _ in range(broad)]
    top = max((value for value in shown if value is not None), default=0.0)
    cells = -(-len(shown) // GLYPHS[look].columns)
    return graph(shown, cells, height, top, look) if top > 0 else [" " * cells] * height


def squeezed(values: Sequence[float | None], columns: int) -> list[float | None]:
    """As many values as there are columns at most, each the median of about equally many."""
    if len(values) <= columns:
        return list(values)
    bounds = [at * len(values) // columns for at in range(columns + 1)] if columns > 0 else []
    found: list[float | None] = []
    for first, end in pairwise(bounds):
        some = [value for value in values[first:end] if value is not None]
        found.append(median(some) if some else None)
    return found
