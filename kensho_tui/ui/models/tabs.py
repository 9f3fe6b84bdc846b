"""What a tab of the models screen is. The screen draws it, and knows no tab by name."""

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Protocol

from textual.content import Content

from kensho_tui.ui.choice_list import Choice
from kensho_tui.ui.commands.registry import BY_NAME
from kensho_tui.ui.filtered_list import Keys
from kensho_tui.ui.filtered_table import Tabular
from kensho_tui.ui.models.sheet import DetailsPane

if TYPE_CHECKING:
    from kensho_tui.ui.app import KenshoApp, Work

Hints = list[tuple[str, str]]


class Stage(Protocol):
    """What a tab may ask of the screen it is on."""

    @property
    def row(self) -> str:
        """The key of the highlighted row; empty: there is none."""

    def shows(self, tab: "Tab") -> bool:
        """Whether it is this tab that is seen."""

    def renew(self, first: str | None = None) -> None:
        """Draw what the tab shows now. The highlighted row stays, unless other rows begin: then it is the
        one with the key `first`, else the uppermost."""

    def move_on(self) -> None:
        """Somebody does something: what was said is over."""

    def open(self, tab: str, row: str = "") -> None:
        """Another tab, by its title, with this row highlighted."""


class Tab(Tabular):
    """A table with its keys, and what the details pane says of its highlighted row.

    Where typing searches, the line is always in sight.
    """

    title: ClassVar[str]
    many_rows: ClassVar[bool] = False
    """In a narrow terminal the rows get half of the room, and not less than the details."""

    def __init__(self, app: "KenshoApp", pane: DetailsPane, stage: Stage) -> None:
        super().__init__()
        self.app = app
        self.pane = pane
        self.stage = stage

    # --- what is shown --------------------------------------------------------------------------------

    @property
    def searches(self) -> bool:
        return self.typing == "searches"

    def rows(self) -> list[Choice]:
        raise NotImplementedError

    def count(self) -> int | None:
        """What stands beside its title."""
        return None

    def nothing(self) -> str:
        """Said where there are no rows."""
        return ""

    def about(self) -> Content:
        """One line above the rows."""
        return Content()

    def instead(self) -> Content | None:
        """What stands in place of the rows: what is awaited, or what went wrong."""
        return None

    @property
    def waits(self) -> bool:
        """Whether something is shown that changes with time alone."""
        return False

    def look(self, row: str) -> None:
        """This row is highlighted (again): say what is known of it in the pane."""
        raise NotImplementedError

    def wanted(self) -> str:
        """The key of a row that is to be highlighted, said once it is there; empty: none."""
        return ""

    def model(self, row: str) -> str:
        """The name of the installed model that a row stands for; empty: none."""
        return ""

    # --- what is done ---------------------------------------------------------------------------------

    def entered(self) -> None:
        """It comes into sight."""

    def left(self) -> None:
        """Another tab has the table and the pane."""

    def take(self, row: str) -> None:
        """Enter on a row."""
        raise NotImplementedError

    def search(self, text: str) -> None:
        """Enter in the line, where it `searches`."""

    def leave(self) -> bool:
        """Esc: end what it shows besides its rows. False: there is nothing to end."""
        return False

    def keys(self) -> Keys:
        """Its own keys; those of all tabs are the screen's."""
        return {}

    def hints(self) -> Hints:
        """The keys that matter here, the most important first."""
        return []

    # --- helpers --------------------------------------------------------------------------------------

    @property
    def help(self) -> tuple[str, str]:
        """The key of the help among the hints."""
        return self.app.key_label("help"), "help"

    def asking(self, work: "Work", group: str) -> Callable[[], None]:
        """A key that does `work` beside the app's own."""

        def do() -> None:
            self.stage.move_on()
            self.app.run_quietly(work, group)

        return do

    def commanding(self, name: str, *, needs_model: bool = False) -> Callable[[], None]:
        """A key for a command; `needs_model`: it gets the name of the highlighted row's."""

        def do() -> None:
            self.stage.move_on()
            model = self.model(self.stage.row) if needs_model else ""
            if model or not needs_model:
                self.app.run_command(BY_NAME[name], model)

        return do
