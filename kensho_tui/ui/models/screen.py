"""F3: the models of this machine, what fits, what runs, and all that can be done with them."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.content import Content
from textual.events import Resize
from textual.timer import Timer
from textual.widgets import Input

from kensho_tui.core.text import one_line
from kensho_tui.ui.choice_list import Choice
from kensho_tui.ui.commands.registry import BY_NAME
from kensho_tui.ui.filtered_list import Filter, ranked
from kensho_tui.ui.fuzzy import Query
from kensho_tui.ui.keys import EarlyKeys
from kensho_tui.ui.lines import QUIET, Notice, SplitLine, key_rows, quiet, where
from kensho_tui.ui.models.details import DetailsPane
from kensho_tui.ui.models.inspector import Inspector
from kensho_tui.ui.models.switcher import workers_of
from kensho_tui.ui.models.table import (
    RUNNING_TAB,
    TABS,
    Sort,
    Tab,
    Table,
    Titles,
    installed_rows,
    running_rows,
)
from kensho_tui.ui.status_bar import StatusBar
from kensho_tui.ui.textual_fixes import SteadyScreen

if TYPE_CHECKING:
    from kensho_tui.ui.app import KenshoApp, Work

BESIDE_FROM = 110
"""Columns of the terminal from which on the details stand beside the table; below, under it."""
HINT_MARGIN = 4
"""Cells beside the rows of keys."""
COMMANDS = {
    "l": "load",
    "u": "unload",
    "p": "pin",
    "f": "favourite",
    "t": "tags",
    "d": "defaults",
    "D": "delete-model",
    "z": "restore-model",
}
Show = Callable[[Sequence[Choice], Query, str], None]
ABOUT_THE_ROW = ("load", "unload", "pin", "favourite", "defaults", "delete-model")
"""Commands that get the highlighted row's name."""


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
        self._inspector = Inspector(app, self._details)
        self._table = Table(self._use, self._moved, self._keys())
        self._titles = Titles(self._table)
        self._filter = Filter(
            "", {"enter": self._to_table, "down": self._to_table, "escape": self._end_filter}
        )
        self._tab: Tab = TABS[0]
        self._sorts = {tab.title: tab.first() for tab in TABS}
        self._query = ""
        self._wanted = ""
        self._drawn: object = None
        self._ticking: Timer | None = None
        self._header, self._tabs = SplitLine(id="header"), SplitLine(id="tabs")
        self._hint, self._more = SplitLine(id="hint"), SplitLine(id="more-hints")
        self._status = StatusBar(id="status")

    def compose(self) -> ComposeResult:
        yield self._header
        yield self._tabs
        yield self._filter
        with Container(id="models-body"):
            with Vertical(id="models-left"):
                yield self._titles
                yield self._table
            yield self._details
        yield Notice(id="notice")
        yield self._hint
        yield self._more
        yield self._status

    def on_mount(self) -> None:
        self._filter.display = False
        self.take_keys(self._table)
        self.watch(self, "focused", self._show_frame)
        self._ticking = self.set_interval(0.5, self._show_frame, pause=True)
        self._kensho.session.watchers.append(self._changed)

    def on_unmount(self) -> None:
        self._kensho.session.watchers.remove(self._changed)

    def on_screen_resume(self) -> None:
        self._renew()
        if self._wanted:
            self._table.highlight(self._wanted)
        self._kensho.run_quietly(self._kensho.session.renew_models, "models")

    def on_resize(self, event: Resize) -> None:
        self.set_class(event.size.width >= BESIDE_FROM, "beside")
        self.call_after_refresh(self._show_frame)

    # --- what is shown --------------------------------------------------------------------------------

    @property
    def highlighted(self) -> str:
        """The name of the highlighted row's model; empty: there is none."""
        return self._table.highlighted

    def look_at(self, model: str) -> None:
        """Highlight this model, among all that are installed."""
        self._wanted = model
        if self.is_mounted:
            self._end_filter()
            self._to_tab(TABS[0])
            self._table.highlight(model)

    def _changed(self) -> None:
        if self._kensho.place == self.PLACE:
            if self._kensho.session.models_stale:
                self._kensho.run_quietly(self._kensho.session.renew_models, "models")
            self._renew()

    def _renew(self, show: Show | None = None) -> None:
        """The rows as they are now. The highlighted one stays, unless `show` begins with the first."""
        query, rows = Query(self._query), self._rows()
        drawn = (rows, self._query, self._tab.title, self._sort, self._nothing())
        if drawn != self._drawn:
            self._drawn = drawn
            self._table.measure(rows)
            (show or self._table.renew)(ranked(rows, query), query, self._nothing())
            self._titles.show(self._tab, self._sort)
        self._inspect()
        self._show_frame()

    @property
    def _sort(self) -> Sort:
        return self._sorts[self._tab.title]

    def _rows(self) -> list[Choice]:
        session, workers = self._kensho.session, workers_of(self._kensho)
        if self._tab is RUNNING_TAB:
            return running_rows(
                session.status.workers if session.status is not None else (), workers, self._sort
            )
        answers = session.model or ""
        return installed_rows(session.models or (), workers, self._sort, self._kensho.now(), answers)

    def _nothing(self) -> str:
        if self._query:
            return "nothing found"
        if self._kensho.session.models is None:
            return "◌ waiting for the host"
        return (
            "No model is loaded"
            if self._tab is RUNNING_TAB
            else "There is no model yet: ^N shows how to get one"
        )

    def _inspect(self) -> None:
        models = self._kensho.session.models or ()
        found = next((model for model in models if model.name == self.highlighted), None)
        self._inspector.look_at(found, workers_of(self._kensho))

    def _moved(self, key: str) -> None:
        if self.is_mounted:
            self._move_on()
            self._inspect()

    def _move_on(self) -> None:
        for notice in self.query(Notice):
            notice.move_on()

    def _show_frame(self) -> None:
        session = self._kensho.session
        if self._ticking is not None:
            if session.progress is not None:
                self._ticking.resume()
            else:
                self._ticking.pause()
        answers = quiet(f"{one_line(session.model, 60)} answers in the chat ") if session.model else ""
        self._header.show(where("Models"), answers)
        counts = (len(session.models or ()), len(session.status.workers) if session.status is not None else 0)
        tabs = [
            Content.styled(f"{tab.title} {count}", "bold $primary" if tab is self._tab else QUIET)
            for tab, count in zip(TABS, counts, strict=True)
        ]
        arrow = "▼" if self._tab.falls(self._sort) else "▲"
        found = f"/{one_line(self._query, 40)} · " if self._query else ""
        self._tabs.show(Content("   ").join(tabs), quiet(f"{found}by {self._sort.by} {arrow} "))
        first, second = key_rows(self._hints(), self.size.width - HINT_MARGIN)
        self._hint.show(first)
        self._more.show(second)
        self._more.display = bool(second)
        ours = self._kensho.models.loading
        self._status.update(session, self._kensho.problems, esc=bool(ours) and ours == session.model)

    def _hints(self) -> list[tuple[str, str]]:
        """The keys that matter here, the most important first."""
        if self.focused is self._filter:
            return [("Enter", "to the table"), ("Esc", "all models")]
        other = ("Tab", "installed" if self._tab is RUNNING_TAB else "running")
        actions = self._kensho.models
        undo = [("z", "undo the deletion")] if actions.can_restore else []
        undo += [("Esc", "cancel the load")] if actions.loading else []
        back = ("Esc", "all models") if self._query else ("F2", "chat")
        if not self.highlighted:
            return [*undo, back, other, ("F1", "help")]
        use = ("Enter", "use")
        most = [("u", "unload"), ("p", "pin"), ("/", "filter"), ("s", "sort")]
        if self._tab is RUNNING_TAB:
            return [*undo, use, back, *most, other, ("x", "exact"), ("F1", "help")]
        try_ = [("[ ]", "context"), ("k", "KV"), ("x", "exact")]
        last = [("t", "tags"), ("D", "delete"), ("F1", "help"), other, ("f", "favourite")]
        return [*undo, use, back, ("l", "load"), *most, ("d", "defaults"), *try_, *last]

    # --- keys -----------------------------------------------------------------------------------------

    def _keys(self) -> dict[str, Callable[[], None]]:
        inspector = self._inspector
        keys: dict[str, Callable[[], None]] = {key: self._commanding(name) for key, name in COMMANDS.items()}
        asks: dict[str, Work] = {
            "left_square_bracket": lambda: inspector.wider(-1),
            "right_square_bracket": lambda: inspector.wider(1),
            "minus": lambda: inspector.wider(-1),
            "plus": lambda: inspector.wider(1),
            "k": inspector.other_kv,
            "x": inspector.exact,
            "w": inspector.keep,
        }
        keys |= {key: self._asking(work) for key, work in asks.items()}
        return keys | {
            "s": self._next_sort,
            "S": self._turn_sort,
            "slash": self._to_filter,
            "tab": self._next_tab,
            "shift+tab": self._next_tab,
            "left": self._next_tab,
            "right": self._next_tab,
            "space": self._details.page,
        }

    def _commanding(self, name: str) -> Callable[[], None]:
        def do() -> None:
            self._move_on()
            about = self.highlighted if name in ABOUT_THE_ROW else ""
            if about or name not in ABOUT_THE_ROW:
                self._kensho.run_command(BY_NAME[name], about)

        return do

    def _asking(self, work: "Work") -> Callable[[], None]:
        def do() -> None:
            self._move_on()
            self._kensho.run_quietly(work, "model-try")

        return do

    def key_question_mark(self) -> None:
        self._kensho.action_command("help")

    def _use(self, name: str) -> None:
        self._kensho.run_command(BY_NAME["model"], name)

    def action_back(self) -> None:
        """Esc ends the filter first, then a load that was asked for here."""
        if self._query:
            self._end_filter()
        elif self._kensho.models.loading:
            self._kensho.run_quietly(self._kensho.models.cancel, "cancel-load")
        else:
            self._kensho.to_chat()

    def action_chat(self) -> None:
        self._end_filter()
        self._kensho.to_chat()

    def _next_sort(self) -> None:
        self._sorts[self._tab.title] = self._tab.next(self._sort)
        self._renew()

    def _turn_sort(self) -> None:
        self._sorts[self._tab.title] = Sort(self._sort.by, not self._sort.turned)
        self._renew()

    def _next_tab(self) -> None:
        self._to_tab(TABS[(TABS.index(self._tab) + 1) % len(TABS)])

    def _to_tab(self, tab: Tab) -> None:
        self._tab = tab
        self._table.use(tab.columns)
        self._renew()

    # --- the filter -----------------------------------------------------------------------------------

    def _to_filter(self) -> None:
        self._filter.display = True
        self.set_focus(self._filter)

    def _to_table(self) -> None:
        """With what the filter lets through: the message that it changed may be behind the next key."""
        self._refilter()
        self._filter.display = bool(self._filter.value)
        self.set_focus(self._table)

    def _end_filter(self) -> None:
        self._filter.value = ""
        self._to_table()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._refilter()

    def _refilter(self) -> None:
        if self._filter.value != self._query:
            self._query = self._filter.value
            self._renew(self._table.show)
