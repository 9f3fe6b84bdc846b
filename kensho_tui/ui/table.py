"""A table: columns with their titles, sorted by any of them, and the line above it in which one types."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from textual.content import Content
from textual.events import Click, Key
from textual.widget import Widget
from textual.widgets import Input

from kensho_tui.ui.choice_list import ChoiceList
from kensho_tui.ui.columns import Column, joined
from kensho_tui.ui.filtered_list import Filter, Keys
from kensho_tui.ui.keys import done, handed_on
from kensho_tui.ui.lines import QUIET

MAX_TYPED = 4096
"""Characters that may be pasted: an address or a path is taken whole."""


@dataclass(frozen=True)
class Sort:
    """By which column, and whether from its other end."""

    by: str
    turned: bool = False


@dataclass(frozen=True)
class Listing:
    """A kind of rows: their columns, and how they may be sorted (the first is how they are at first).

    A sort named in ``falling`` begins with the greatest.
    """

    columns: tuple[Column, ...]
    sorts: Mapping[str, Callable[[Any], Any]]
    falling: frozenset[str] = field(default_factory=frozenset)

    def next(self, sort: Sort) -> Sort:
        names = list(self.sorts)
        return Sort(names[(names.index(sort.by) + 1) % len(names)])

    def first(self) -> Sort:
        return Sort(next(iter(self.sorts)))

    def falls(self, sort: Sort) -> bool:
        return (sort.by in self.falling) != sort.turned

    def ordered(self, items: Iterable[Any], sort: Sort) -> list[Any]:
        return sorted(items, key=self.sorts[sort.by], reverse=self.falls(sort))

    def shown(self, sort: Sort) -> tuple[Column, ...]:
        """Its columns; the one that somebody sorted them by is left out of no row."""
        if sort.by == self.first().by:
            return self.columns
        return tuple(replace(one, rank=0) if one.title == sort.by else one for one in self.columns)

    def arrow(self, sort: Sort) -> str:
        return "▼" if self.falls(sort) else "▲"


NOTHING = Listing((Column("name"),), {"name": str})


class Table(ChoiceList):
    """One table, which has the keys: what is in `keys` is done, the others move."""

    titled: ClassVar[bool] = True
    keys: Keys

    def __init__(self, choose: Callable[[str], object], moved: Callable[[str], object]) -> None:
        super().__init__(choose, columns=NOTHING.columns, moved=moved)
        self.keys = {}
        self.light(True)

    def use(self, columns: tuple[Column, ...]) -> None:
        """Other columns, and so other rows."""
        self._columns = columns

    def on_click(self, event: Click) -> None:
        """A click highlights, a second one takes."""
        event.prevent_default()  # what a list does otherwise
        at = self._row_of(event)
        if at is not None:
            self._go(at)
            if event.chain > 1:
                self.choose()

    def on_key(self, event: Key) -> None:
        if handed_on(self, event):
            return
        if event.key in self.keys:
            done(event)
            self.keys[event.key]()
        elif self.press(event.key):
            done(event)


class Titles(Widget):
    """The columns' names above the table, the one it is sorted by marked."""

    ALLOW_SELECT = False

    def __init__(self, table: Table) -> None:
        super().__init__(id="titles")
        self._table = table
        self._listing = NOTHING
        self._sort = NOTHING.first()

    def show(self, listing: Listing, sort: Sort) -> None:
        self._listing, self._sort = listing, sort
        self.refresh()

    def render(self) -> Content:
        columns = self._listing.columns
        widths = self._table.widths(self._table.scrollable_content_region.width)
        return Content.assemble("   ", joined(columns, widths, [self._title(column) for column in columns]))

    def _title(self, column: Column) -> Content:
        if column.title != self._sort.by:
            return Content.styled(column.title, QUIET)
        return Content.styled(f"{column.title} {self._listing.arrow(self._sort)}", "$primary")


class Line(Filter):
    """The line above a table: a filter, or what is asked of the hub. It serves several tables in turn."""

    most = MAX_TYPED

    def __init__(self, keys: Keys, changed: Callable[[], None]) -> None:
        """`changed` is called when something else is in it."""
        super().__init__("", keys)
        self._changed = changed
        self.display = False

    def serve(self, purpose: str, text: str) -> None:
        """For another table: what is said while it is empty, and what is in it."""
        self.placeholder = purpose
        self.value = text
        self.action_end()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._changed()
