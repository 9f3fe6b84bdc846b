"""Ctrl+L: another model for this chat, by a few letters or by Enter alone."""

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.timer import Timer

from kensho_tui.core import contract as c
from kensho_tui.core.errors import KenshoError
from kensho_tui.core.model_contract import PREFETCH, ModelRef
from kensho_tui.core.text import one_line
from kensho_tui.ui.filtered_list import FilteredList
from kensho_tui.ui.keys import EarlyKeys
from kensho_tui.ui.lines import Notice, SplitLine, key_row
from kensho_tui.ui.models.rows import COLUMNS, Workers, first_other, last_used_first, switch_rows
from kensho_tui.ui.picker import ABOVE, FRAME, SHARE

if TYPE_CHECKING:
    from kensho_tui.ui.app import KenshoApp

PREFETCH_AFTER_S = 2.0
"""A row that is highlighted for so long is probably wanted."""

SAID_S = 10.0

KEYS = (("Enter", "switch"), ("↓", "list"), ("Esc", "close"))
LIST_KEYS = (
    ("Enter", "switch"),
    ("p", "pin"),
    ("u", "unload"),
    ("f", "favourite"),
    ("i", "details"),
    ("Esc", "close"),
)


class Switcher(EarlyKeys, ModalScreen[None]):
    """Lists the models as they are now. A row that can be had is switched to; one that cannot says why."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", show=False)]

    def __init__(self, app: "KenshoApp", query: str = "") -> None:
        super().__init__()
        self._kensho = app
        self._asked: set[str] = set()
        self._resting: Timer | None = None
        commands = {"p": "pin", "u": "unload", "f": "favourite"}
        keys: dict[str, Callable[[], None]] = {key: self._doing(command) for key, command in commands.items()}
        self._rows = FilteredList(
            "Switch model",
            self._choose,
            query=query,
            list_keys={**keys, "i": self._details},
            columns=COLUMNS,
            moved=self._moved,
        )
        self._hint = SplitLine(id="dialog-hint")

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="wide"):
            yield self._rows
            yield Notice(id="dialog-notice")
            yield self._hint

    def on_mount(self) -> None:
        self._renew()
        self.take_keys(self._rows.filter)
        self.watch(self, "focused", self._show_keys)
        self._kensho.session.watchers.append(self._renew)
        self._kensho.run_quietly(self._kensho.session.renew_models, "models")

    def on_unmount(self) -> None:
        self._kensho.session.watchers.remove(self._renew)

    def on_resize(self) -> None:
        self._fit()
        self._show_keys()

    def _fit(self) -> None:
        room = self.app.size.height * SHARE // 100 - FRAME
        self._rows.styles.height = max(min(len(self._models) + ABOVE, room), ABOVE + 1)

    # --- what is shown --------------------------------------------------------------------------------

    @property
    def _models(self) -> tuple[c.ModelInfo, ...]:
        return self._kensho.session.models or ()

    def _renew(self) -> None:
        session = self._kensho.session
        if session.models_stale:
            self._kensho.run_quietly(session.renew_models, "models")
        models = last_used_first(self._models, session.choice.recent)
        self._rows.show(
            switch_rows(models, workers_of(self._kensho), session.model or ""),
            chosen=session.model or "",
            first=first_other(models, session.model),
            nothing="There is no model yet" if session.models is not None else "◌ waiting for the host",
        )
        self._fit()

    def _show_keys(self) -> None:
        keys = KEYS if self._rows.in_filter else LIST_KEYS
        self._hint.show(key_row(keys, self._hint.content_size.width))

    # --- what is done ---------------------------------------------------------------------------------

    def _model(self, name: str) -> c.ModelInfo | None:
        return next((model for model in self._models if model.name == name), None)

    def _choose(self, name: str) -> None:
        model = self._model(name)
        if model is None:
            return
        if model.problem:
            said = one_line(f"✗ {model.name} cannot be used: {model.problem}", 400)
            hint = "i in the list shows where the file is"
            self._kensho.say(said, hint, "$error", seconds=SAID_S)
        else:
            self.dismiss()
            self._kensho.models.use(model)

    def _details(self) -> None:
        if self._rows.highlighted:
            model = self._rows.highlighted
            self.dismiss()
            self._kensho.models.open_screen(model)

    def _doing(self, command: str) -> Callable[[], None]:
        def do() -> None:
            from kensho_tui.ui.commands.registry import BY_NAME

            if self._rows.highlighted:
                self._kensho.run_command(BY_NAME[command], self._rows.highlighted)

        return do

    def action_leave(self) -> None:
        if self._asked:
            self._kensho.run_quietly(lambda: self._prefetch(""), "prefetch")
        self.dismiss()

    # --- reading ahead --------------------------------------------------------------------------------

    def _moved(self, name: str) -> None:
        for notice in self.query(Notice):
            notice.move_on()
        if self._resting is not None:
            self._resting.stop()
        self._resting = self.set_timer(PREFETCH_AFTER_S, lambda: self._rested(name))

    def _rested(self, name: str) -> None:
        model = self._model(name)
        fits = model is not None and model.verdict is not None and model.verdict.kind == "fits"
        if not fits or name in self._asked or not self._kensho.settings.prefetch:
            return
        self._asked.add(name)
        self._kensho.run_quietly(lambda: self._prefetch(name), "prefetch")

    async def _prefetch(self, name: str) -> None:
        try:
            await self._kensho.session.host.call(PREFETCH, ModelRef(model=name))
        except KenshoError:
            pass  # nobody asked for it


def workers_of(app: "KenshoApp") -> Workers:
    """The host's workers as the app knows them now."""
    status = app.session.status
    workers = status.workers if status is not None else ()
    loads = ((worker.model, app.session.load_of(worker.model)) for worker in workers)
    return Workers(workers, {model: load.share for model, load in loads if load is not None})
