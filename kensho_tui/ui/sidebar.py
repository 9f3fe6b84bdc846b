"""The sidebar: the saved chats by day, with a line to search them, beside the open chat."""

from collections.abc import Callable, Sequence
from datetime import date, datetime

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.events import Key
from textual.widget import Widget

from kensho_tui.core import contract as c
from kensho_tui.ui.choice_list import Choice
from kensho_tui.ui.choices import chat_choices
from kensho_tui.ui.filtered_list import FilteredList
from kensho_tui.ui.keys import handed_on
from kensho_tui.ui.lines import SplitLine, quiet

BESIDE_FROM = 90
"""Columns of the terminal from which on the sidebar stands beside the transcript; below, it lies over it."""


class Sidebar(Vertical, can_focus=True):
    """`choose` gets the id of a chat, `leave` gives the focus back to the prompt.

    Both must move the focus at once, so that the next key goes where it belongs. Lying over the transcript
    it is there only as long as it has the focus. It is mounted when it is opened first, and takes the keys
    itself until its filter is there.
    """

    def __init__(
        self,
        choose: Callable[[str], None],
        leave: Callable[[], None],
        *,
        now: Callable[[], datetime],
        key: Callable[[], str],
    ) -> None:
        super().__init__(id="sidebar")
        self._leave = leave
        self._now = now
        self._key = key
        # Esc ends the search, Tab keeps it.
        keys = {"escape": self._end_search, "tab": leave, "shift+tab": leave}
        self._list = FilteredList("Chats", choose, keys=keys)
        self._hint = SplitLine(classes="list-hint")
        self._chats: Sequence[c.ChatSummary] = ()
        self._open_chat = ""
        self._nothing = ""
        self._built: tuple[Sequence[c.ChatSummary], date] | None = None
        self._choices: Sequence[Choice] = ()
        self._query = ""
        self._takes_keys = True
        self._wanted = False
        self._over = False
        self._inside = False

    def compose(self) -> ComposeResult:
        yield self._list
        yield self._hint

    def on_mount(self) -> None:
        if self._inside:
            self._enter()
        self.can_focus = False
        self.watch(self.screen, "focused", self._focus_moved)
        self.call_later(self._taken)

    def on_key(self, event: Key) -> None:
        if self._takes_keys:
            handed_on(self, event)

    def _taken(self) -> None:
        """The keys that came before the filter was there have been handed on; others only bubble up here."""
        self._takes_keys = False

    # --- opened and closed ----------------------------------------------------------------------------

    def toggle(self, query: str = "") -> None:
        """Open it, search with `query`, go to it when it is open; close it when one is in it already."""
        if self._inside and not query:
            self.close()
            return
        self._query = query
        self._wanted = self._inside = self.display = True
        if self.is_mounted:
            self._enter()
        else:
            self.screen.set_focus(self)

    def _enter(self) -> None:
        self._renew()
        if self._query:
            self._list.search(self._query)
        self._list.focus_filter(select=not self._query)

    def close(self) -> None:
        """Close it and forget the filter."""
        self._wanted = False
        self._forget()
        self._leave()
        self._arrange()

    def _end_search(self) -> None:
        self._forget()
        self._leave()

    def _forget(self) -> None:
        if self.is_mounted:
            self._list.search("")

    def fit(self, columns: int) -> None:
        """The terminal is this wide now."""
        self._over = columns < BESIDE_FROM
        self.set_class(self._over, "over")
        self._arrange()

    def _focus_moved(self, focused: Widget | None) -> None:
        # None: the terminal itself lost the focus, which says nothing of where it will be in the app.
        if focused is None:
            return
        was_inside, self._inside = self._inside, self in focused.ancestors_with_self
        if was_inside and not self._inside and self._over:
            self._wanted = False
            self._forget()
        self._arrange()

    def _arrange(self) -> None:
        self.display = self._wanted and (self._inside or not self._over)
        back = "close" if self._over else "back"
        keys = [("Enter", "open"), ("Esc", back), (self._key(), "close")]
        if not self._inside:
            keys = [(self._key(), "search")]
        elif self._over:
            del keys[-1]
        words = [Content.assemble((key, "bold"), quiet(f" {does}")) for key, does in keys]
        self._hint.show(quiet(" · ").join(words))

    # --- the chats ------------------------------------------------------------------------------------

    def renew(self, chats: Sequence[c.ChatSummary], open_chat: str | None, *, connected: bool) -> None:
        """The chats as they are now; drawn when it is open and something changed."""
        self._chats, self._open_chat = chats, open_chat or ""
        self._nothing = "No chats yet" if connected else "◌ waiting for the host"
        if self.display and self.is_mounted:
            self._renew()

    def _renew(self) -> None:
        built = (self._chats, self._now().astimezone().date())
        if built != self._built:
            self._built = built
            self._choices = chat_choices(*built)
        self._list.show(self._choices, chosen=self._open_chat, nothing=self._nothing)
