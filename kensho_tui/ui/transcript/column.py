"""Messages stacked in a column: where rows are, and what is drawn of them.

Only what is looked at is drawn; the heights of the rest are estimates. A `Place` names a row by message and
part, so it stays where it is whatever becomes of the rows above.
"""

from collections.abc import Collection, Sequence

from textual.strip import Strip

from kensho_tui.core import contract as c
from kensho_tui.ui.transcript.canvas import Canvas
from kensho_tui.ui.transcript.extent import Extent
from kensho_tui.ui.transcript.message import MessageItem
from kensho_tui.ui.transcript.place import START, Place, Words

# Messages whose rows are kept when nobody looks at them any more.
KEPT_OPEN = 60


class Column:
    """The messages of a chat in rows of `canvas`."""

    def __init__(self, canvas: Canvas, words: Words) -> None:
        self.canvas = canvas
        self._words = words
        self.items: list[MessageItem] = []
        self._extent = Extent()
        self._open: dict[MessageItem, None] = {}

    def show(self, messages: Sequence[c.Message], live: Collection[str]) -> bool:
        """Keep what is known, add what is new, drop what is gone; whether anything looks different.

        Those named in `live` take their text from `grow` alone.
        """
        known = {item.message.id: item for item in self.items}
        items = []
        changed = [message.id for message in messages] != list(known)
        for at, message in enumerate(messages, 1):
            item = known.get(message.id) or MessageItem(message, self._words, self.canvas)
            changed |= item.show(message, live=message.id in live, last=at == len(messages))
            items.append(item)
        if changed:
            self.items = items
            self._extent = Extent(item.height for item in items)
            kept = set(items)
            self._open = {item: None for item in self._open if item in kept}
        return changed

    @property
    def height(self) -> int:
        return self._extent.total

    def index(self, message_id: str) -> int | None:
        """Where a message stands; looked for from the end."""
        for at in range(len(self.items) - 1, -1, -1):
            if self.items[at].message.id == message_id:
                return at
        return None

    def measure(self, item: int) -> None:
        """Its height may have changed."""
        self._extent.set(item, self.items[item].height)

    def top(self, item: int) -> int:
        return self._extent.top(item)

    # --- places -------------------------------------------------------------------------------------

    def row_of(self, place: Place) -> int:
        """The row of the column that `place` is, as far as the heights above are known."""
        return self._extent.top(place.item) + self.items[place.item].top(place.part) + place.row

    def place_at(self, row: int) -> Place:
        """The place at `row`, through estimates: for jumps."""
        if not self.items:
            return START
        item, inside = self._extent.find(row)
        guessed = max(self._extent[item], 1)
        self._enter(item)
        inside = inside * self.items[item].height // guessed
        part, inside = self.items[item].find(inside)
        guessed = max(self.items[item].parts[part].height, 1)
        height = self._draw(item, part)
        return Place(item, part, min(inside * height // guessed, max(height - 1, 0)))

    def moved(self, place: Place, rows: int) -> Place:
        """The place `rows` further down (up when negative), counted in true rows; stops at either end."""
        item, part, row = place
        row += rows
        while row < 0:
            before = self._before(item, part)
            if before is None:
                return START
            item, part = before
            row += self._draw(item, part)
        while row >= (height := self._draw(item, part)):
            after = self._after(item, part)
            if after is None:
                return Place(item, part, max(height - 1, 0))
            row -= height
            item, part = after
        return Place(item, part, row)

    def end(self, height: int) -> Place:
        """The first place of the last `height` rows."""
        if not self.items:
            return START
        last = len(self.items) - 1
        self._enter(last)
        part = len(self.items[last].parts) - 1
        return self.moved(Place(last, part, self._draw(last, part) - 1), 1 - height)

    def settle(self, place: Place, height: int) -> Place:
        """Draw the `height` rows from `place` on; the place to show, which is higher where too few follow."""
        if not self.items:
            return START
        item, part, row = self._valid(place)
        below = self._draw(item, part) - row
        while below < height:
            after = self._after(item, part)
            if after is None:
                return self.end(height)
            item, part = after
            below += self._draw(item, part)
        self._fold_far(place.item, item)
        return self._valid(place)

    def paragraph(self, row: int) -> tuple[int, int]:
        """The first and last of the rows around `row` that have text."""
        first = last = row
        while self._has_text(first - 1):
            first -= 1
        while self._has_text(last + 1):
            last += 1
        return first, last

    def _has_text(self, row: int) -> bool:
        return 0 <= row < self.height and bool(self.strip(row).text[self.canvas.LEFT :].strip())

    def resize(self, canvas: Canvas, place: Place) -> Place:
        """Another width or look; the same place in it."""
        place = self._valid(place) if self.items else START
        share = place.row / max(self._draw(place.item, place.part), 1) if self.items else 0.0
        self.canvas = canvas
        for item in self.items:
            item.resize(canvas)
        self._extent = Extent(item.height for item in self.items)
        if not self.items:
            return START
        return self._valid(Place(place.item, place.part, round(share * self._draw(place.item, place.part))))

    # --- rows ---------------------------------------------------------------------------------------

    def strip(self, row: int) -> Strip:
        """A row that was settled before; nothing where there is none."""
        if not 0 <= row < self.height:
            return self.canvas.empty
        at, inside = self._extent.find(row)
        item = self.items[at]
        if not item.parts:
            return self.canvas.empty
        part, inside = item.find(inside)
        rows = item.parts[part].rows(self.canvas)
        return rows[inside] if inside < len(rows) else self.canvas.empty

    def _valid(self, place: Place) -> Place:
        item = min(place.item, len(self.items) - 1)
        self._enter(item)
        part = min(place.part, len(self.items[item].parts) - 1)
        return Place(item, part, min(place.row, max(self._draw(item, part) - 1, 0)))

    def _enter(self, item: int) -> None:
        found = self.items[item]
        self._open.pop(found, None)
        self._open[found] = None
        found.unfold()
        self.measure(item)

    def _draw(self, item: int, part: int) -> int:
        height = self.items[item].draw(part)
        self.measure(item)
        return height

    def _before(self, item: int, part: int) -> tuple[int, int] | None:
        if part > 0:
            return item, part - 1
        if item == 0:
            return None
        self._enter(item - 1)
        return item - 1, len(self.items[item - 1].parts) - 1

    def _after(self, item: int, part: int) -> tuple[int, int] | None:
        if part + 1 < len(self.items[item].parts):
            return item, part + 1
        if item + 1 == len(self.items):
            return None
        self._enter(item + 1)
        return item + 1, 0

    def _fold_far(self, first: int, last: int) -> None:
        """Forget the rows of messages nobody has looked at for long; their heights are kept."""
        shown = set(self.items[first : last + 1])
        for item in list(self._open)[: max(len(self._open) - KEPT_OPEN, 0)]:
            if item not in shown:
                item.fold()
                del self._open[item]
