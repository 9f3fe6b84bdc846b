"""The tabs of what is on this machine: models that are installed, workers that run."""

from typing import TYPE_CHECKING, ClassVar

from kensho_tui.core import contract as c
from kensho_tui.ui.choice_list import Choice
from kensho_tui.ui.commands.registry import BY_NAME
from kensho_tui.ui.filtered_list import Keys
from kensho_tui.ui.models.inspector import Inspector
from kensho_tui.ui.models.local_rows import INSTALLED, RUNNING, installed_rows, running_rows
from kensho_tui.ui.models.sheet import DetailsPane
from kensho_tui.ui.models.switcher import workers_of
from kensho_tui.ui.models.tabs import Hints, Stage, Tab
from kensho_tui.ui.table import Listing

if TYPE_CHECKING:
    from kensho_tui.ui.app import KenshoApp, Work

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
ABOUT_THE_ROW = ("load", "unload", "pin", "favourite", "defaults", "delete-model")
"""Commands that get the highlighted row's name."""
WAITING = "◌ waiting for the host"


class LocalTab(Tab):
    """Rows are models of this machine, by name."""

    def __init__(self, app: "KenshoApp", pane: DetailsPane, stage: Stage, inspector: Inspector) -> None:
        super().__init__(app, pane, stage)
        self._inspector = inspector

    def model(self, row: str) -> str:
        return row

    @property
    def waits(self) -> bool:
        return self.app.session.progress is not None

    def left(self) -> None:
        self._inspector.rest()

    def look(self, row: str) -> None:
        models = self.app.session.models or ()
        found = next((model for model in models if model.name == row), None)
        self._inspector.look_at(found, workers_of(self.app))

    def take(self, row: str) -> None:
        self.app.run_command(BY_NAME["model"], row)

    def leave(self) -> bool:
        """Esc cancels a load that was asked for here."""
        if not self.app.models.loading:
            return False
        self.app.run_quietly(self.app.models.cancel, "cancel-load")
        return True

    def keys(self) -> Keys:
        inspector = self._inspector
        asks: dict[str, Work] = {
            "left_square_bracket": lambda: inspector.wider(-1),
            "right_square_bracket": lambda: inspector.wider(1),
            "minus": lambda: inspector.wider(-1),
            "plus": lambda: inspector.wider(1),
            "k": inspector.other_kv,
            "x": inspector.exact,
            "w": inspector.keep,
        }
        keys = {
            key: self.commanding(name, needs_model=name in ABOUT_THE_ROW) for key, name in COMMANDS.items()
        }
        return keys | {key: self.asking(work, "model-try") for key, work in asks.items()}

    def hints(self) -> Hints:
        actions = self.app.models
        undo = [("z", "undo the deletion")] if actions.can_restore else []
        undo += [("Esc", "cancel the load")] if actions.loading else []
        back = ("Esc", "all models") if self.typed else ("F2", "chat")
        if not self.stage.row:
            return [*undo, *self.without_rows(), back, ("Tab", "tabs"), self.help]
        return [*undo, ("Enter", "use"), back, *self.more_hints()]

    def without_rows(self) -> Hints:
        return []

    def more_hints(self) -> Hints:
        raise NotImplementedError


MOST = [("u", "unload"), ("p", "pin"), ("/", "filter"), ("s", "sort")]


class InstalledTab(LocalTab):
    title: ClassVar[str] = "Installed"

    @property
    def listing(self) -> Listing:
        return INSTALLED

    def count(self) -> int:
        return len(self.app.session.models or ())

    def rows(self) -> list[Choice]:
        session, workers = self.app.session, workers_of(self.app)
        return installed_rows(session.models or (), workers, self.sort, self.app.now(), session.model or "")

    def nothing(self) -> str:
        if self.app.session.models is None:
            return WAITING
        return "There is no model yet: 3 shows good ones, and searches the hub"

    def without_rows(self) -> Hints:
        return [("3", "get a model")] if self.app.session.models is not None and not self.typed else []

    def more_hints(self) -> Hints:
        try_ = [("[ ]", "context"), ("k", "KV"), ("x", "exact")]
        last = [("t", "tags"), ("D", "delete"), self.help, ("Tab", "tabs"), ("f", "favourite")]
        return [("l", "load"), *MOST, ("d", "defaults"), *try_, *last]


class RunningTab(LocalTab):
    title: ClassVar[str] = "Running"

    @property
    def listing(self) -> Listing:
        return RUNNING

    def _workers(self) -> tuple[c.WorkerInfo, ...]:
        status = self.app.session.status
        return status.workers if status is not None else ()

    def count(self) -> int:
        return len(self._workers())

    def rows(self) -> list[Choice]:
        return running_rows(self._workers(), workers_of(self.app), self.sort)

    def nothing(self) -> str:
        return "No model is loaded" if self.app.session.models is not None else WAITING

    def more_hints(self) -> Hints:
        return [*MOST, ("Tab", "tabs"), ("x", "exact"), self.help]
