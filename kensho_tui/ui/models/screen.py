"""F3: models, as tabs over one table with the details of its highlighted row. What a tab shows is its own."""

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.content import Content
from textual.events import Resize
from textual.timer import Timer
from textual.widgets import Static

from kensho_tui.core.text import one_line
from kensho_tui.ui.filtered_table import FilteredTable
from kensho_tui.ui.keys import EarlyKeys
from kensho_tui.ui.lines import QUIET, Notice, SplitLine, key_rows, quiet, where
from kensho_tui.ui.models.downloads_tab import DownloadsTab
from kensho_tui.ui.models.hub_tab import HubTab
from kensho_tui.ui.models.inspector import Inspector
from kensho_tui.ui.models.local_tabs import InstalledTab, RunningTab
from kensho_tui.ui.models.sheet import DetailsPane
from kensho_tui.ui.models.tabs import Hints, Tab
from kensho_tui.ui.status_bar import StatusBar
from kensho_tui.ui.table import Table
from kensho_tui.ui.textual_fixes import SteadyScreen

if TYPE_CHECKING:
    from kensho_tui.ui.app import KenshoApp

BESIDE_FROM = 110
"""Columns of the terminal from which on the details stand beside the table; below, under it."""
ROOMY_FROM = 34
"""Rows of the terminal from which on blank ones may set things apart."""
HINT_MARGIN = 4
"""Cells beside the rows of keys."""


class ModelsScreen(EarlyKeys, SteadyScreen):
    """A table at the left, the details of its highlighted row at the right or below."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f2", "chat", show=False, priority=True),
        Binding("escape", "back", show=False),
    ]
    PLACE = "models"

    def __init__(self, app: "KenshoApp") -> None:
        super().__init__(id="models")
        self._kensho = app
        self._bindings = self._bindings.merge([self._bindings, app.screen_bindings(self.PLACE)])
        self._details = DetailsPane()
        inspector = Inspector(app, self._details)
        self._hub = HubTab(app, self._details, self)
        self._tabs: tuple[Tab, ...] = (
            InstalledTab(app, self._details, self, inspector),
            RunningTab(app, self._details, self, inspector),
            self._hub,
            DownloadsTab(app, self._details, self),
        )
        self._tab: Tab = self._tabs[0]
        self._table = Table(self._take, self._moved)
        self._shown = FilteredTable(
            lambda: self._tab, self._table, self.renew, self._show_frame, entered=self._entered
        )
        self._begun: Tab | None = None
        self._wanted = ""
        """The row that is highlighted when the tab begins."""
        self._rows_left: dict[str, str] = {}
        """By tab, the row that was highlighted there."""
        self._two_rows: set[tuple[str, int]] = set()
        """Tabs whose keys have two rows, by the terminal's width."""
        self._ticking: Timer | None = None
        self._header, self._titles_of_tabs = SplitLine(id="header"), SplitLine(id="tabs")
        self._about, self._instead = SplitLine(id="about"), Static(id="instead")
        self._hint, self._more = SplitLine(id="hint"), SplitLine(id="more-hints")
        self._status = StatusBar(id="status")

    def compose(self) -> ComposeResult:
        yield self._header
        yield self._titles_of_tabs
        yield self._shown.line
        yield self._about
        with Container(id="models-body"):
            with Vertical(id="models-left"):
                yield self._shown.titles
                yield self._instead
                yield self._table
            yield self._details
        yield Notice(id="notice")
        yield self._hint
        yield self._more
        yield self._status

    def on_mount(self) -> None:
        session = self._kensho.session
        self.take_keys(self._table)
        self.watch(self, "focused", self._show_frame)
        self._ticking = self.set_interval(0.5, self._tick, pause=True)
        session.watchers.append(self._changed)
        session.download_watchers.append(self._downloads_changed)

    def on_unmount(self) -> None:
        self._kensho.session.watchers.remove(self._changed)
        self._kensho.session.download_watchers.remove(self._downloads_changed)

    def on_screen_resume(self) -> None:
        self._begin()
        self._kensho.run_quietly(self._kensho.session.renew_models, "models")

    def on_resize(self, event: Resize) -> None:
        self.set_class(event.size.width >= BESIDE_FROM, "beside")
        self.set_class(event.size.height >= ROOMY_FROM, "roomy")
        self.call_after_refresh(self._show_frame)

    # --- what others ask for --------------------------------------------------------------------------

    @property
    def highlighted(self) -> str:
        """The name of the installed model that the highlighted row stands for; empty: there is none."""
        return self._tab.model(self.row)

    def open(self, tab: str, row: str = "") -> None:
        """This tab, by its title, with this row highlighted, among all it has."""
        found = next(one for one in self._tabs if one.title == tab)
        if row and not found.searches:
            found.typed = ""
        self._use(found, row)
        if self.is_mounted:
            self._table.highlight(row)
            self.set_focus(self._table)

    def open_hub(self, words: str = "") -> None:
        """The hub's tab; with `words` it asks for them."""
        if words:
            self._hub.search(words)
        self.open(HubTab.title)

    # --- what is shown --------------------------------------------------------------------------------

    @property
    def row(self) -> str:
        """The key of the highlighted row; empty: there is none."""
        return self._table.highlighted

    def shows(self, tab: Tab) -> bool:
        return tab is self._tab and self.is_mounted

    def renew(self, first: str | None = None) -> None:
        """The rows as they are now; with `first` another list begins, that row highlighted."""
        tab = self._tab
        if not self.is_mounted:
            return
        self._shown.show(tab.rows() if tab.instead() is None else None, tab.nothing(), first)
        self._table.highlight(tab.wanted())
        tab.look(self.row)
        self._show_frame()

    def _changed(self) -> None:
        if self._kensho.place == self.PLACE:
            if self._kensho.session.models_stale:
                self._kensho.run_quietly(self._kensho.session.renew_models, "models")
            self.renew()

    def _downloads_changed(self) -> None:
        if self._kensho.place == self.PLACE:
            self.renew()

    def _tick(self) -> None:
        if self._tab.waits:
            self._show_frame()

    def _moved(self, key: str) -> None:
        if self.is_mounted:
            self.move_on()
            self._tab.look(key)
            self._show_keys()

    def move_on(self) -> None:
        for notice in self.query(Notice):
            notice.move_on()

    def _show_frame(self) -> None:
        session, tab = self._kensho.session, self._tab
        if self._ticking is not None:
            if tab.waits:
                self._ticking.resume()
            else:
                self._ticking.pause()
        answers = quiet(f"{one_line(session.model, 60)} answers in the chat ") if session.model else ""
        self._header.show(where("Models"), answers)
        self._titles_of_tabs.show(
            Content("   ").join(self._title(number) for number in range(len(self._tabs))),
            quiet(f"{' · '.join(self._shown.words)} "),
        )
        if not self._shown.in_line:
            self._shown.begin()
        self._shown.line.display = tab.searches or bool(tab.typed) or self._shown.in_line
        self.set_class(tab.searches, "searches")
        self.set_class(tab.many_rows, "many-rows")
        instead = tab.instead()
        self._instead.display = instead is not None
        if instead is not None:
            self._instead.update(instead)
        self._shown.titles.display = instead is None
        self._about.show(tab.about())
        self._show_keys()
        ours = self._kensho.models.loading
        stops = "Esc" if ours and ours == session.model else ""
        self._status.update(session, self._kensho.problems, stops=stops)

    def _title(self, number: int) -> Content:
        tab = self._tabs[number]
        count = tab.count()
        said = f"{number + 1} {tab.title}" + (f" {count}" if count is not None else "")
        return Content.styled(said, "bold $primary" if tab is self._tab else QUIET)

    def _show_keys(self) -> None:
        first, second = key_rows(self._hints(), self.size.width - HINT_MARGIN)
        self._hint.show(first)
        self._more.show(second)
        # Where a tab has needed the second row once it stays: the table must not jump with the keys.
        if second:
            self._two_rows.add((self._tab.title, self.size.width))
        self._more.display = (self._tab.title, self.size.width) in self._two_rows

    def _hints(self) -> Hints:
        """The keys that matter here, the most important first."""
        if not self._shown.in_line:
            return self._tab.hints()
        if self._tab.searches:
            return [("Enter", "asks the hub"), ("Esc", "back"), ("↓", "to the table")]
        return [("Enter", "to the table"), ("Esc", "all rows")]

    # --- keys -----------------------------------------------------------------------------------------

    def _keys(self) -> dict[str, Callable[[], None]]:
        """Those of all tabs."""
        tabs = {str(number + 1): self._choosing(tab) for number, tab in enumerate(self._tabs)}
        return {**tabs, **self._shown.keys} | {
            "tab": lambda: self._step(1),
            "shift+tab": lambda: self._step(-1),
            "right": lambda: self._step(1),
            "left": lambda: self._step(-1),
            "space": self._details.page,
        }

    def key_question_mark(self) -> None:
        self._kensho.action_command("help")

    def _take(self, row: str) -> None:
        self._tab.take(row)

    def action_back(self) -> None:
        """Esc ends first what is waited for, then a filter, then what the tab shows besides its rows; then it
        leads to the chat."""
        if self._kensho.models.fetching.stop():
            return
        if self._tab.typed and not self._tab.searches:
            self._shown.end_line()
        elif not self._tab.leave():
            self._kensho.to_chat()

    def action_chat(self) -> None:
        if not self._tab.searches:
            self._shown.end_line()
        self._kensho.to_chat()

    def _step(self, step: int) -> None:
        at = self._tabs.index(self._tab) + step
        self._use(self._tabs[at % len(self._tabs)])

    def _choosing(self, tab: Tab) -> Callable[[], None]:
        return lambda: self._use(tab)

    def _use(self, tab: Tab, row: str = "") -> None:
        """Show this tab, with this row highlighted, else the one that was."""
        if tab is not self._tab:
            self._rows_left[self._tab.title] = self.row
            self._tab.left()
            self.move_on()
            self._tab = tab
            self._wanted = self._rows_left.get(tab.title) or self.row
        self._wanted = row or self._wanted
        self._begin()

    def _begin(self) -> None:
        """The tab has the table and the line from now on."""
        if not self.is_mounted:
            return
        self._table.keys = {**self._keys(), **self._tab.keys()}
        self._shown.begin()
        self._tab.entered()
        other = self._tab is not self._begun
        self._begun = self._tab
        self.renew(self._wanted if other or self._wanted else None)
        self._wanted = ""

    def _entered(self) -> None:
        """Enter in the line."""
        self._shown.to_table()
        if self._tab.searches:
            self._tab.search(self._shown.line.value)
