"""What the pane shows is a level: a table of one kind, asked of the host. The pane knows none by name."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.content import Content

from kensho_tui.ui.choice_list import Choice
from kensho_tui.ui.filtered_table import Tabular
from kensho_tui.ui.metrics.figures import differences
from kensho_tui.ui.metrics.figures.document import Document
from kensho_tui.ui.metrics.figures.export import Wanted
from kensho_tui.ui.metrics.figures.look import Look
from kensho_tui.ui.metrics.figures.periods import Period

if TYPE_CHECKING:
    from kensho_tui.ui.app import KenshoApp


class Level(Tabular):
    """A table of one kind, asked of the host."""

    opens: ClassVar[str] = ""
    """What Enter on a row shows, in a word or two."""
    others: ClassVar[str] = ""
    """What `all_runs` shows."""
    compares: ClassVar[bool] = False
    """Whether two of its rows can be put side by side."""

    def __init__(self, app: "KenshoApp", renew: Callable[[], None]) -> None:
        """`renew` draws the level anew, when more of it has come."""
        super().__init__()
        self.app = app
        self.renew = renew
        self.marked: list[str] = []
        self.loaded = False

    @property
    def crumb(self) -> str:
        """What it is, in a word or two."""
        raise NotImplementedError

    @property
    def bare(self) -> bool:
        """Whether there is nothing at all in this time."""
        return False

    async def load(self, period: Period) -> None:
        """Ask for what it shows. Raises `KenshoError`."""
        raise NotImplementedError

    def rows(self, look: Look) -> list[Choice]:
        raise NotImplementedError

    def nothing(self, period: Period) -> str:
        """Said where there are no rows."""
        when = "" if not period.days else f" in the last {period.name}" if period.days > 1 else " today"
        return f"No model has answered{when or ' yet'}"

    def below(self, width: int, height: int, look: Look) -> Content:
        """What is said under the table in so many columns and rows; empty: nothing."""
        return Content()

    def take(self, key: str) -> "Level | None":
        """Enter on a row: what it leads to."""
        return None

    def mark(self, key: str) -> None:
        """Mark a row, or not any more; of three the one that was marked first goes."""
        if key in self.marked:
            self.marked.remove(key)
        elif key:
            self.marked = [*self.marked, key][-2:]

    def compared(self, highlighted: str) -> "Level | None":
        """The marked rows side by side, else the one that is marked and the highlighted one. None: it takes
        two."""
        keys = self.marked if len(self.marked) == 2 else [*self.marked, highlighted]
        if not self.compares or len(set(keys)) != 2 or self.sides(keys[0], keys[1]) is None:
            return None
        from kensho_tui.ui.metrics.figures.comparison import Comparison  # it is a level itself

        return Comparison(self, keys[0], keys[1])

    def sides(self, first: str, second: str) -> tuple[differences.Side, differences.Side] | None:
        """Two rows to be compared; None: one of them is gone."""
        return None

    def model_of(self, key: str) -> str:
        """The model that this row is of, or that the whole level is of; empty: of none."""
        return ""

    def all_runs(self, key: str) -> "Level | None":
        """The generations of this row's model, whatever they ran with."""
        return None

    async def leads_to(self, key: str) -> tuple[str, str] | None:
        """The chat a row is of, and the message in it. Raises `NotFoundError`."""
        return None

    @property
    def about(self) -> Document:
        """What all of its rows are of, as files say it."""
        return {}

    def wanted(self, keys: Sequence[str], period: Period) -> Wanted:
        """What is written of the rows with these keys, in their order."""
        raise NotImplementedError

    def near_end(self, key: str) -> bool:
        """Whether more must be asked for, now that this row is highlighted."""
        return False

    async def more(self, period: Period) -> None:
        """Ask for it."""
