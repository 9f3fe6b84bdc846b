"""F4: what this machine does now, above what its models did."""

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.events import Resize

from kensho_tui.ui.keys import EarlyKeys
from kensho_tui.ui.lines import Notice, SplitLine, key_rows, quiet, where
from kensho_tui.ui.metrics.bench.pane import BenchPane
from kensho_tui.ui.metrics.figures.pane import FiguresPane
from kensho_tui.ui.metrics.layout import HIGH
from kensho_tui.ui.metrics.now.pane import NowPane
from kensho_tui.ui.status_bar import StatusBar
from kensho_tui.ui.textual_fixes import SteadyScreen

if TYPE_CHECKING:
    from kensho_tui.ui.app import KenshoApp

HINT_MARGIN = 4
"""Cells beside the rows of keys."""


class MetricsScreen(EarlyKeys, SteadyScreen):
    """Gauges above, figures below. Reads nothing while another screen is seen."""

    DEFAULT_CSS = """
    MetricsScreen { layout: vertical; background: $background; }
    #metrics-top { height: auto; padding: 0 2 0 3; border-bottom: solid $border-blurred; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f2", "app.to_chat", show=False, priority=True),
        Binding("escape", "back", show=False),
        Binding("t", "span", show=False),
        Binding("b", "bench", show=False),
        Binding("question_mark", "app.command('help')", show=False),
    ]
    PLACE = "metrics"

    def __init__(self, app: "KenshoApp") -> None:
        super().__init__(id="metrics")
        self._kensho = app
        self._bindings = self._bindings.merge([self._bindings, app.screen_bindings(self.PLACE)])
        self.upper = NowPane(app)
        self._figures = FiguresPane(app, self.frame_changed, {"b": self.action_bench})
        self._header = SplitLine(id="header")
        self._hint, self._more = SplitLine(id="hint"), SplitLine(id="more-hints")
        self._status = StatusBar(id="status")
        self._bench = BenchPane(app, self.frame_changed)
        self._lower: FiguresPane | BenchPane = self._figures
        self._seen = False

    def compose(self) -> ComposeResult:
        yield self._header
        with Vertical(id="metrics-top"):
            yield self.upper
        yield self._figures
        yield self._bench
        yield Notice(id="notice")
        yield self._hint
        yield self._more
        yield self._status

    def on_mount(self) -> None:
        self._show_lower()
        self.take_keys(self.focused or self)
        self.watch(self, "focused", self.frame_changed)
        self._kensho.session.watchers.append(self._changed)

    def on_unmount(self) -> None:
        self.upper.left()
        self._kensho.session.watchers.remove(self._changed)

    def on_screen_resume(self) -> None:
        self._seen = True
        self.upper.entered()
        self._lower.entered()
        self.frame_changed()

    def on_screen_suspend(self) -> None:
        self._seen = False
        self.upper.left()
        self._lower.left()

    def on_resize(self, event: Resize) -> None:
        self.upper.shorten(self._lower is self._bench and event.size.height < HIGH)
        self.call_after_refresh(self.frame_changed)

    # --- what is shown --------------------------------------------------------------------------------

    def _changed(self) -> None:
        if self._seen:
            self.upper.host_changed()
            self.frame_changed()

    def frame_changed(self) -> None:
        """The keys that matter may be others now."""
        if not self.is_mounted:
            return
        session = self._kensho.session
        self._header.show(where("Metrics"), quiet(f"graphs: {self.upper.span.said} "))
        first, second = key_rows(self._keys(), self.size.width - HINT_MARGIN)
        self._hint.show(first)
        self._more.show(second)
        self._more.display = bool(second)
        self._status.update(session, self._kensho.problems)

    def _keys(self) -> list[tuple[str, str]]:
        if self._lower is self._bench:
            return self._bench.hints()
        return [*self._figures.hints(), ("t", "time of the graphs"), ("b", "benchmarks"), ("F2", "chat")]

    # --- keys -----------------------------------------------------------------------------------------

    def action_span(self) -> None:
        self.upper.next_span()
        self.frame_changed()

    def action_bench(self) -> None:
        """To the benchmarks, and back to the figures."""
        if self._lower is self._bench:
            self._use(self._figures)
        else:
            self.open_bench(self._figures.chosen)

    @property
    def chosen(self) -> str:
        """The model that the lower half is about; empty: none."""
        return self._lower.chosen

    def open_bench(self, model: str = "") -> None:
        """The benchmarks of this model (empty: of the one looked at last, else the chat's)."""
        self._bench.open(model)
        self._use(self._bench)

    def _use(self, pane: FiguresPane | BenchPane) -> None:
        """This is the lower half from now on."""
        self._lower.left()
        self._lower = pane
        if self.is_mounted:
            for notice in self.query(Notice):
                notice.give_way()  # what was said was said of the other one
            self._show_lower()
        if self._seen:
            pane.entered()
        self.frame_changed()

    def _show_lower(self) -> None:
        for pane in (self._figures, self._bench):
            pane.display = pane is self._lower
        self.upper.shorten(self._lower is self._bench and self.size.height < HIGH)
        self._lower.take_focus()

    def action_back(self) -> None:
        """Esc ends first what the lower half does or shows besides its table, then the benchmarks; then it
        leads to the chat."""
        if self._lower.leave():
            self.frame_changed()
        elif self._lower is self._bench:
            self._use(self._figures)
        else:
            self._kensho.to_chat()
