"""A list with a filter above it: the filter has the focus, Down goes to the list, letters go back."""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input

from kensho_tui.core.text import one_line
from kensho_tui.ui.choice_list import Choice, ChoiceList
from kensho_tui.ui.columns import Column
from kensho_tui.ui.fuzzy import Query
from kensho_tui.ui.keys import did_binding, done, handed_on
from kensho_tui.ui.lines import SplitLine, quiet

Keys = Mapping[str, Callable[[], None]]
NO_KEYS: Keys = {}


def ranked(choices: Sequence[Choice], query: Query) -> list[Choice]:
    """The choices that match, best first; equal ones and all of them without a query keep their order."""
    if not query:
        return list(choices)
    found = [(rank, choice) for choice in choices if (rank := _rank(choice, query)) is not None]
    return [choice for _, choice in sorted(found, key=lambda pair: pair[0], reverse=True)]


def _rank(choice: Choice, query: Query) -> tuple[bool, float] | None:
    """How well it matches: what is in the label comes before what is only in the words besides it."""
    match = query.match(choice.label)
    if match is not None:
        return True, match.score
    more = query.match(f"{choice.label} {choice.also}") if choice.also else None
    return (False, more.score) if more is not None else None


def grouped(choices: Sequence[Choice]) -> list[Choice | str]:
    """The choices with the name of each group above it, and a blank line between groups."""
    rows: list[Choice | str] = []
    for group, members in groupby(choices, key=lambda choice: choice.group):
        if group:
            rows += ["", group] if rows else [group]
        rows += members
    return rows


class Filter(Input):
    """The line to type in. `keys` are done when they come, before the next key is looked at."""

    most: ClassVar[int] = 200
    """Characters that may be pasted."""

    def __init__(self, text: str, keys: Keys) -> None:
        super().__init__(text, placeholder="type to filter", compact=True, select_on_focus=False)
        self._keys = keys
        self.cursor_blink = False

    async def on_key(self, event: events.Key) -> None:
        if handed_on(self, event):
            return
        if event.key in self._keys:
            done(event)
            self._keys[event.key]()
        else:
            await did_binding(self, event)

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        self.replace(one_line(event.text, self.most), *self.selection)


class FilterableList(ChoiceList):
    """Letters go back to the filter, but those of `keys`; so does Up on the first row."""

    def __init__(
        self,
        choose: Callable[[str], object],
        back: Callable[[str], None],
        keys: Keys,
        *,
        columns: Sequence[Column] = (),
        moved: Callable[[str], object] | None = None,
    ) -> None:
        super().__init__(choose, columns=columns, moved=moved)
        self._back = back
        self._keys = keys

    def on_key(self, event: events.Key) -> None:
        if handed_on(self, event):
            return
        if event.key in self._keys:
            self._keys[event.key]()
        elif event.key == "up" and self.at_first:
            self._back("")
        elif event.key == "backspace":
            self._back("\b")
        elif event.is_printable and event.character is not None:
            self._back(event.character)
        elif not self.press(event.key):
            return
        done(event)


class FilteredList(Vertical):
    """Title with a count, filter, list. `choose` is called with the key of the row that was taken.

    `keys` are more that are done at once, in the filter as in the list; `list_keys` in the list alone.
    """

    def __init__(
        self,
        title: str,
        choose: Callable[[str], object],
        *,
        query: str = "",
        keys: Keys = NO_KEYS,
        list_keys: Keys = NO_KEYS,
        columns: Sequence[Column] = (),
        moved: Callable[[str], object] | None = None,
    ) -> None:
        super().__init__()
        self._title = Content.styled(title, "bold")
        self._line = SplitLine(self._title, classes="list-title")
        own = {"enter": self._take, "down": self._down, "pagedown": self._down}
        self.filter = Filter(query, {**own, **keys})
        self._list = FilterableList(choose, self._back, {**keys, **list_keys}, columns=columns, moved=moved)
        self._choices: Sequence[Choice] = ()
        self._first = ""
        self._nothing = ""
        self._query = query

    def compose(self) -> ComposeResult:
        yield self._line
        yield self.filter
        yield self._list

    def show(
        self, choices: Sequence[Choice], *, chosen: str = "", first: str | None = None, nothing: str = ""
    ) -> None:
        """Offer `choices`, the one with the key `chosen` marked; `nothing` is said when there are none.

        Without a query the highlighted row is `first` (None: what is chosen), until somebody moves. The
        filter, the highlighted row and what is in sight stay. Costs nothing when nothing changed.
        """
        self._list.mark(chosen)
        self._first = chosen if first is None else first
        if choices == self._choices and nothing == self._nothing:
            return
        new = not self._choices
        self._choices, self._nothing = choices, nothing
        self._list.measure(choices)
        self._fill(self._list.show if new else self._list.renew)
        if new and not self._query:
            self._list.highlight(self._first)

    @property
    def in_filter(self) -> bool:
        """Whether keys go into the filter, and not into the list."""
        return self.screen.focused is not self._list

    @property
    def highlighted(self) -> str:
        """The key of the highlighted row; empty: there is none."""
        return self._list.highlighted

    def search(self, query: str) -> None:
        """Another filter, with the cursor behind it."""
        self.filter.value = query
        self.filter.cursor_position = len(query)
        self._refill()

    def focus_filter(self, *, select: bool = False) -> None:
        """The next key goes into the filter; with `select` it begins another one, from what is chosen now."""
        self.screen.set_focus(self.filter)
        if select:
            self.filter.action_select_all()
            if not self._query:
                self._list.highlight(self._first)

    def on_descendant_focus(self) -> None:
        self._list.light(self.has_focus_within)

    def on_descendant_blur(self) -> None:
        self._list.light(self.has_focus_within)

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._refill()

    def _refill(self) -> None:
        """Show what the filter lets through now."""
        if self.filter.value != self._query:
            self._query = self.filter.value
            self._fill(self._list.show)
            if not self._query:
                self._list.highlight(self._first)

    def _fill(self, show: Callable[[Sequence[Choice | str], Query, str], None]) -> None:
        query = Query(self._query)
        found = ranked(self._choices, query)
        show(found if query else grouped(found), query, "nothing found" if self._choices else self._nothing)
        total = len(self._choices)
        self._line.show(self._title, quiet(f"{len(found)} of {total}" if query else f"{total or ''}"))

    # --- keys -----------------------------------------------------------------------------------------

    def _take(self) -> None:
        self._refill()
        self._list.choose()

    def _down(self) -> None:
        self._refill()
        if self._list.highlighted:
            self.screen.set_focus(self._list)
            self._list.press("down")

    def _back(self, typed: str) -> None:
        self.focus_filter()
        if typed == "\b":
            self.filter.action_delete_left()
        elif typed:
            self.filter.insert_text_at_cursor(typed)
