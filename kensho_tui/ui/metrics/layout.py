"""How many rows each part of the metrics screen has. Pure."""

from typing import NamedTuple

LOW, HIGH, HIGHER = 24, 34, 46
"""Rows of the terminal below which everything is as short as can be, and from which on it is roomy."""


class Heights(NamedTuple):
    """Rows of the graphs, of the GPUs and of the workers at most, and whether blank rows set parts apart."""

    graph: int
    devices: int
    workers: int
    roomy: bool


def heights(rows: int) -> Heights:
    """For a terminal of so many rows; enough of them are left for the figures below."""
    if rows < LOW:
        return Heights(1, 1, 1, roomy=False)
    if rows < HIGH:
        return Heights(2 if rows < 28 else 3, 4, 2 if rows < 28 else 3, roomy=False)
    more = rows >= HIGHER
    return Heights(min(3 + (rows - HIGH) // 8, 7), 8 if more else 4, 6 if more else 3, roomy=True)
