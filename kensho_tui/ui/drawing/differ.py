"""Frame differ: what must be written so that a terminal shows what is wanted.

It keeps two pictures: `wanted`, what was composed, and `shown`, a shadow of the terminal.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from kensho_tui.ui.drawing.cells import Piece, Row
from kensho_tui.ui.drawing.sgr import Look, transition
from kensho_tui.ui.drawing.shift import find_shift

# Unchanged cells between two changed ones that are written again instead of moving the cursor.
_BRIDGED_BYTES = 4

Position = tuple[int, int]
"""Column and row, from 0."""


class Frame(NamedTuple):
    """`text` to write ("" when nothing differs), how many rows it changes, whether it moves rows, and
    whether the terminal shows everything wanted after it."""

    text: str
    rows: int
    moved: bool
    complete: bool


class FrameDiffer:
    """Two pictures of `width` × `height` cells and what leads from one to the other."""

    def __init__(self, width: int, height: int) -> None:
        self.resize(width, height)

    def resize(self, width: int, height: int) -> None:
        """Begin anew: nothing is known of the terminal, and nothing wanted of a row until it is put."""
        self.width, self.height = width, height
        self._wanted: list[Row | None] = [None] * height
        self.forget()

    def forget(self) -> None:
        """The terminal may show anything and be in any state; all that is wanted will be written."""
        self._shown: list[Row | None] = [None] * self.height
        self._touched = set(range(self.height))
        self._first = 0
        self._look: Look | None = None
        self._at: Position | None = None

    def forget_state(self) -> None:
        """Somebody else wrote: the picture stands, but colours and cursor may not."""
        self._look = self._at = None

    def put_row(self, y: int, pieces: Iterable[Piece]) -> None:
        """All of row `y`; blank where the pieces end early."""
        if 0 <= y < self.height:
            row = Row.blank(self.width)
            row.put(0, pieces)
            self._wanted[y] = row
            self._touched.add(y)

    def put(self, x: int, y: int, pieces: Iterable[Piece]) -> None:
        """A part of row `y` from column `x` on; nothing where the row was never put."""
        row = self._wanted[y] if 0 <= y < self.height else None
        if row is not None and 0 <= x < self.width:
            row.put(x, pieces)
            self._touched.add(y)

    def frame(self, cursor: Position, budget: int | None = None, urgent: range = range(0)) -> Frame:
        """What makes the terminal show what is wanted, with its cursor at `cursor`.

        `budget` limits it to about so many bytes: rows of `urgent` first, the rest in the next frames.
        """
        changed = self._changed()
        shift = find_shift(self._wanted, self._shown, list(changed))
        parts: list[str] = []
        if shift is not None:
            parts.append(shift.sequence)
            self._at = None
            shift.apply(self._shown)
            self._touched.update(range(shift.top, shift.bottom + 1))
            changed = self._changed()
        written = self._write_rows(changed, budget, urgent, parts)
        self._move(*cursor, parts)
        return Frame("".join(parts), written, shift is not None, complete=written == len(changed))

    def _changed(self) -> dict[int, Row]:
        """Wanted rows that the terminal does not show, from top to bottom."""
        changed = {}
        for y in sorted(self._touched):
            row = self._wanted[y]
            if row is not None and not row.same(self._shown[y]):
                changed[y] = row
        self._touched = set(changed)
        return changed

    def _write_rows(self, rows: dict[int, Row], budget: int | None, urgent: range, parts: list[str]) -> int:
        """Write `rows` until the budget is spent, one at least; returns how many.

        Urgent rows come first, the others in turn: each frame begins where the last one stopped, or rows that
        change all the time would keep those below them from ever being written.
        """
        first = self._first
        order = list(rows)
        if budget is not None:
            order.sort(key=lambda y: (y not in urgent, y < first))
        size = 0
        for count, y in enumerate(order):
            before = self._look, self._at
            row = self._row(y, rows[y])
            size += 0 if budget is None else sum(len(part.encode("utf-8", "replace")) for part in row)
            if budget is not None and count and size > budget:
                self._look, self._at = before
                self._first = y
                return count
            parts += row
            self._shown[y] = rows[y].copy()
            self._touched.discard(y)
        return len(rows)

    def _row(self, y: int, new: Row) -> list[str]:
        """What makes row `y` show `new`."""
        parts: list[str] = []
        old = self._shown[y]
        if old is None or old.odd or new.odd:
            self._move(0, y, parts)
            if new.odd:
                # Wherever the terminal takes its text to end, the rest is of the row's own colour.
                self._turn(new.looks[-1], parts)
                parts.append("\x1b[2K")
            self._write_cells(new, 0, self.width, parts)
            # A cluster measured otherwise takes the cursor elsewhere.
            self._at = None
        else:
            for start, end in _runs(new, old):
                self._move(start, y, parts)
                self._write_cells(new, start, end, parts)
                self._at = (end, y)
        return parts

    def _write_cells(self, row: Row, start: int, end: int, parts: list[str]) -> None:
        cells, looks = row.cells, row.looks
        x = start
        while x < end:
            look, first = looks[x], x
            while x < end and looks[x] is look:
                x += 1
            self._turn(look, parts)
            parts.append("".join(cells[first:x]))

    def _turn(self, look: Look, parts: list[str]) -> None:
        if look is not self._look:
            parts.append(transition(self._look, look))
            self._look = look

    def _move(self, x: int, y: int, parts: list[str]) -> None:
        """Put the cursor there; columns are always told absolutely, widths may be measured otherwise."""
        at, self._at = self._at, (x, y)
        if at == (x, y):
            return
        if at is not None and at[1] == y:
            parts.append("\r" if x == 0 else f"\x1b[{x + 1}G")
        else:
            parts.append(f"\x1b[{y + 1}H" if x == 0 else f"\x1b[{y + 1};{x + 1}H")


def _runs(new: Row, old: Row) -> Iterator[tuple[int, int]]:
    """Changed columns as (start, end), whole clusters, joined where that is shorter than moving."""
    rows = zip(new.cells, old.cells, new.looks, old.looks, strict=True)
    changed = [x for x, (a, b, c, d) in enumerate(rows) if a != b or (c is not d and c != d)]
    start = end = -1
    for x in changed:
        if start >= 0 and not _bridged(new, end, x):
            yield start, end
            start = x
        elif start < 0:
            start = x
        end = x + 1
        while end < len(new.cells) and not new.cells[end]:
            end += 1
    if start >= 0:
        yield start, end


def _bridged(row: Row, start: int, end: int) -> bool:
    """Whether the unchanged cells between two runs are cheaper written than skipped."""
    if end <= start:
        return True
    if end - start > _BRIDGED_BYTES:
        return False
    looks = row.looks[start - 1 : end]
    if looks.count(looks[0]) < len(looks):
        return False
    return len("".join(row.cells[start:end]).encode("utf-8", "replace")) <= _BRIDGED_BYTES
