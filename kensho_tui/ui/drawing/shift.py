"""Finds rows that only moved up or down."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from kensho_tui.ui.drawing.cells import Row

# Fewer rows spared are not worth the rows that must be written anew.
LEAST_SPARED = 3
_MOST_PLACES = 4


class Shift(NamedTuple):
    """Rows `top`..`bottom` (inclusive) move up by `rows`, down where it is negative."""

    top: int
    bottom: int
    rows: int

    @property
    def sequence(self) -> str:
        """Delete or insert lines within a scroll region. SU and SD are missing or wrong in some emulators."""
        count, letter = (self.rows, "M") if self.rows > 0 else (-self.rows, "L")
        return f"\x1b[{self.top + 1};{self.bottom + 1}r\x1b[{self.top + 1}H\x1b[{count}{letter}\x1b[r"

    def apply(self, rows: list[Row | None]) -> None:
        """Do to `rows` what the terminal does; what the rows that come in look like is unknown."""
        region = rows[self.top : self.bottom + 1]
        new: list[Row | None] = [None] * abs(self.rows)
        moved = region[self.rows :] + new if self.rows > 0 else new + region[: self.rows]
        rows[self.top : self.bottom + 1] = moved


def find_shift(
    wanted: Sequence[Row | None], shown: Sequence[Row | None], changed: Sequence[int]
) -> Shift | None:
    """The shift that spares most of the rows `changed`, if there is one worth it.

    Rows are matched by their text: what differs in colour only, as the column of a scroll bar, is mended
    afterwards.
    """
    if len(changed) < LEAST_SPARED:
        return None
    new = [row.text if row else None for row in wanted]
    old = [row.text if row else None for row in shown]
    votes = _votes(new, old, changed)
    before = [True] * len(new)
    for y in changed:
        before[y] = False
    best: tuple[int, Shift] | None = None
    for rows, count in votes.most_common(2):
        found = _region(new, old, before, rows) if count >= LEAST_SPARED else None
        if found is not None and found[0] >= LEAST_SPARED and (best is None or found[0] > best[0]):
            best = found
    return best[1] if best else None


def _votes(new: Sequence[str | None], old: Sequence[str | None], changed: Sequence[int]) -> Counter[int]:
    """How many rows each displacement explains. Blank rows say nothing."""
    places: dict[str, list[int]] = {}
    for y in changed:
        text = old[y]
        if text and not text.isspace():
            places.setdefault(text, []).append(y)
    votes: Counter[int] = Counter()
    for y in changed:
        text = new[y]
        if text:
            votes.update(place - y for place in places.get(text, ())[:_MOST_PLACES] if place != y)
    return votes


def _region(
    new: Sequence[str | None], old: Sequence[str | None], before: Sequence[bool], rows: int
) -> tuple[int, Shift] | None:
    """The run of rows in which the displacement `rows` wins most over rows that stand right already."""
    height = len(new)
    best = total = first = 0
    span = None
    for y in range(max(0, -rows), min(height, height - rows)):
        if total <= 0:
            total, first = 0, y
        total += (new[y] is not None and new[y] == old[y + rows]) - before[y]
        if total > best:
            best, span = total, (first, y)
    if span is None:
        return None
    return best, Shift(span[0] + min(rows, 0), span[1] + max(rows, 0), rows)
