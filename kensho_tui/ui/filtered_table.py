"""A table, its titles and the line above it, which filters its rows. What is shown says a `Tabular`."""

from collections.abc import Callable
from typing import ClassVar, Literal

from kensho_tui.core.text import one_line
from kensho_tui.ui.choice_list import Choice
from kensho_tui.ui.filtered_list import Keys, ranked
from kensho_tui.ui.fuzzy import Query
from kensho_tui.ui.table import Line, Listing, Sort, Table, Titles


class Tabular:
    """Rows of one kind, how they are sorted, and what is typed into the line above them."""

    typing: ClassVar[Literal["filters", "asks", "searches", "nothing"]] = "filters"
    """What it does: rows are filtered by each letter, or by the host when the line is left (``asks``; it
    sorts them, too), or Enter asks for others."""
    line: ClassVar[str] = "type to filter"
    """What is said in the line while it is empty."""

    def __init__(self) -> None:
        self.typed = ""
        """What is in the line."""
        self._sorts: dict[tuple[str, ...], Sort] = {}

    @property
    def listing(self) -> Listing:
        """The kind of rows it shows now."""
        raise NotImplementedError

    @property
    def sort(self) -> Sort:
        return self.sort_of(self.listing)

    def sort_of(self, listing: Listing) -> Sort:
        """How rows of this kind are sorted here."""
        return self._sorts.get(tuple(listing.sorts), listing.first())

    def sort_by(self, sort: Sort) -> None:
        self._sorts[tuple(self.listing.sorts)] = sort

    def unsearched(self) -> str:
        """What is in the line when Esc leaves it."""
        return ""


class FilteredTable:
    """The three widgets, wherever they stand, and what their keys do. They show one `Tabular` at a time."""

    def __init__(
        self,
        now: Callable[[], Tabular],
        table: Table,
        renew: Callable[[str | None], None],
        changed: Callable[[], None],
        *,
        entered: Callable[[], None] | None = None,
    ) -> None:
        """`now`: what is shown. `renew` draws it, asking the host first where that filters and sorts; with a
        key another list begins, with that row highlighted.
        `changed` is told when the keys go elsewhere; `entered` is done at Enter in the line."""
        self._now = now
        self._renew = renew
        self._changed = changed
        self._drawn: object = None
        self.rows: list[Choice] = []
        """Those that the filter lets through."""
        self.table = table
        self.titles = Titles(table)
        keys = {"enter": entered or self.to_table, "down": self.to_table, "escape": self.end_line}
        self.line = Line(keys, self._read_line)

    # --- what is shown --------------------------------------------------------------------------------

    def begin(self) -> None:
        """Another one is shown."""
        shown = self._now()
        self.line.serve(shown.line, shown.typed)

    def show(self, rows: list[Choice] | None, nothing: str, first: str | None = None) -> None:
        """Draw `rows` (None: nobody knows yet) where anything of them is another; `nothing` is said where
        there are none. With `first` another list begins, with that row highlighted."""
        shown = self._now()
        query = Query(shown.typed if shown.typing == "filters" else "")
        if rows is None:
            rows, nothing = [], ""
        elif query:
            nothing = "nothing found"
        listing, sort = shown.listing, shown.sort
        drawn = (id(shown), listing.columns, sort, shown.typed, nothing, rows)
        if drawn == self._drawn and first is None:
            return
        self._drawn = drawn
        self.table.use(listing.shown(sort))
        self.table.measure(rows)
        self.rows = ranked(rows, query)
        if first is None:
            self.table.renew(self.rows, query, nothing)
        else:
            self.table.show(self.rows, query, nothing)
            self.table.highlight(first)
        self.titles.show(listing, sort)

    @property
    def words(self) -> list[str]:
        """What it is filtered and sorted by."""
        shown = self._now()
        listing, sort = shown.listing, shown.sort
        typed = f"/{one_line(shown.typed, 40)}" if shown.typed and shown.typing in ("filters", "asks") else ""
        plain = shown.typing == "asks" and sort == listing.first()  # its title says it, and crumbs need room
        by = f"by {sort.by} {listing.arrow(sort)}" if len(listing.sorts) > 1 and not plain else ""
        return [part for part in (typed, by) if part]

    @property
    def in_line(self) -> bool:
        """Whether keys go into the line, and not into the table."""
        return self.line.is_attached and self.line.screen.focused is self.line

    # --- keys -----------------------------------------------------------------------------------------

    @property
    def keys(self) -> Keys:
        """Those that sort, and lead to the line."""
        return {"s": self._next_sort, "S": self._turn_sort, "slash": self.to_line}

    def _next_sort(self) -> None:
        shown = self._now()
        self._sort_by(shown.listing.next(shown.sort))

    def _turn_sort(self) -> None:
        sort = self._now().sort
        self._sort_by(Sort(sort.by, not sort.turned))

    def _sort_by(self, sort: Sort) -> None:
        shown = self._now()
        if len(shown.listing.sorts) > 1:
            shown.sort_by(sort)
            self._renew(None)

    def to_line(self) -> None:
        """Also where nothing is filtered: letters that are meant for it must not be taken for keys."""
        self.line.display = True
        if self._now().typing == "searches":
            self.line.action_select_all()
        else:
            self.line.action_end()
        self.line.screen.set_focus(self.line)
        self._changed()

    def to_table(self) -> None:
        """With what the line lets through: the message that it changed may be behind the next key."""
        self._read_line()
        shown = self._now()
        if shown.typing == "asks" and self.line.value != shown.typed:
            shown.typed = self.line.value
            self._renew("")
        self.table.screen.set_focus(self.table)
        self._changed()

    def end_line(self) -> None:
        self.line.value = self._now().unsearched()
        self.to_table()

    def _read_line(self) -> None:
        shown = self._now()
        if shown.typing == "nothing":
            self.line.value = ""
        elif shown.typing != "asks" and self.line.value != shown.typed:
            shown.typed = self.line.value
            if shown.typing == "filters":
                self._renew("")
