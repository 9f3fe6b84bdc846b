"""Two rows of another level side by side."""

from collections.abc import Sequence
from typing import ClassVar

from textual.content import Content

from kensho_tui.core import metrics_contract as mc
from kensho_tui.ui.choice_list import Choice
from kensho_tui.ui.lines import quiet
from kensho_tui.ui.metrics.figures import differences, document
from kensho_tui.ui.metrics.figures.export import Wanted, once
from kensho_tui.ui.metrics.figures.level import Level
from kensho_tui.ui.metrics.figures.look import Look
from kensho_tui.ui.metrics.figures.measures import legend
from kensho_tui.ui.metrics.figures.periods import Period
from kensho_tui.ui.table import Listing

NOBODY = differences.Side("", {}, mc.Figures(runs=0))


class Comparison(Level):
    """Two rows of another level side by side."""

    typing = "nothing"
    line: ClassVar[str] = "not to be filtered: these are two rows"

    def __init__(self, of: Level, first: str, second: str) -> None:
        super().__init__(of.app, of.renew)
        self._of = of
        self._keys = first, second
        self._shown: list[Choice] = []

    @property
    def crumb(self) -> str:
        return "compared"

    def model_of(self, key: str) -> str:
        """Of two models the one marked first."""
        return self._of.model_of(self._keys[0])

    @property
    def _pair(self) -> tuple[differences.Side, differences.Side] | None:
        return self._of.sides(*self._keys)

    @property
    def listing(self) -> Listing:
        return differences.listing(*(self._pair or (NOBODY, NOBODY)), self._shown)

    async def load(self, period: Period) -> None:
        await self._of.load(period)
        self.loaded = True

    def rows(self, look: Look) -> list[Choice]:
        sides = self._pair
        self._shown = differences.rows(*sides, look) if sides is not None else []
        return self._shown

    def wanted(self, keys: Sequence[str], period: Period) -> Wanted:
        sides = self._pair
        items = [] if sides is None else differences.items(*sides)
        about = dict(self._of.about)
        of = self.model_of("") if about else ""
        if sides is not None:
            about |= {name: side.whole or side.name for name, side in zip("ab", sides, strict=True)}
        head: document.Document = {"since": period.since(self.app.now()), **about}
        return Wanted("differences", head, once(items), of, about)

    def nothing(self, period: Period) -> str:
        return "One of them has not answered in this time: p goes further back"

    def below(self, width: int, height: int, look: Look) -> Content:
        pair = self._pair
        if pair is None or height < 4:
            return Content()
        return Content("\n" * (height > 5)) + quiet(
            f"{legend([side.figures for side in pair], look.sign)} (runs measured); {differences.UNCLEAR}: "
            "the middle halves of both overlap, there is no clear difference"
        )
