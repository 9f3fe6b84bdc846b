"""What the pane shows: models, the settings of one, its generations, two side by side.

Each is a level: it loads what it shows and makes rows of it; the pane draws them, and knows none by name.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.content import Content

from kensho_tui.core import metrics_contract as mc
from kensho_tui.core.text import one_line
from kensho_tui.ui import format as fmt
from kensho_tui.ui.choice_list import Choice
from kensho_tui.ui.lines import quiet
from kensho_tui.ui.metrics.figures import compare, rows
from kensho_tui.ui.metrics.figures.look import Look
from kensho_tui.ui.metrics.figures.periods import Period, by_date, every_date, last_days
from kensho_tui.ui.metrics.figures.said import said, time_said
from kensho_tui.ui.metrics.figures.spark import trend
from kensho_tui.ui.models.table import Listing, Sort

if TYPE_CHECKING:
    from kensho_tui.ui.app import KenshoApp

LABEL_CELLS = 8
"""What stands before a trend."""
MOST_DAYS = 3660
PAGE = 200
AHEAD = 60
"""So many rows before the last one the next page is asked for."""


class Level:
    """A table of one kind, asked of the host."""

    filters: ClassVar[bool] = True
    """Whether typing may filter its rows."""
    compares: ClassVar[bool] = False
    """Whether two of its rows can be put side by side."""

    def __init__(self, app: "KenshoApp", renew: Callable[[], None]) -> None:
        """`renew` draws the level anew, when more of it has come."""
        self.app = app
        self.renew = renew
        self.typed = ""
        self.marked: list[str] = []
        self.loaded = False
        self._sort: Sort | None = None

    @property
    def crumb(self) -> str:
        """What it is, in a word or two."""
        raise NotImplementedError

    @property
    def listing(self) -> Listing:
        raise NotImplementedError

    @property
    def sort(self) -> Sort:
        return self._sort or self.listing.first()

    @sort.setter
    def sort(self, sort: Sort) -> None:
        self._sort = sort

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
        """What is said under the table in so much room; empty: nothing."""
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
        """The marked rows side by side; where one is marked, it and the highlighted one. None: it takes two."""
        keys = self.marked if len(self.marked) == 2 else [*self.marked, highlighted]
        if not self.compares or len(set(keys)) != 2 or not all(map(self.side, keys)):
            return None
        return Comparison(self, keys[0], keys[1])

    def side(self, key: str) -> compare.Side | None:
        """A row as one of two that are compared; None: it is gone."""
        return None

    def near_end(self, key: str) -> bool:
        """Whether more must be asked for, now that this row is highlighted."""
        return False

    async def more(self, period: Period) -> None:
        """Ask for it."""


class Models(Level):
    """All models that ever answered here."""

    compares = True

    def __init__(self, app: "KenshoApp", renew: Callable[[], None]) -> None:
        super().__init__(app, renew)
        self.found = mc.ModelMetricsList(models=(), least_prompt=0, least_completion=0)
        self._trends: dict[str, tuple[mc.DayMetrics, ...]] = {}
        self._dates: list[str] = []

    @property
    def crumb(self) -> str:
        return "Models"

    @property
    def listing(self) -> Listing:
        return rows.MODELS

    async def load(self, period: Period) -> None:
        """The figures first; the days, which take longer, once those are seen."""
        now = self.app.now()
        call = self.app.session.host.call
        self.found = await call(mc.MODEL_METRICS, mc.ListModelMetrics(since=period.since(now)))
        self.loaded = True
        self.renew()
        if self.found.models:
            dates = last_days(now, rows.TREND_DAYS)
            asked = mc.ListModelMetrics(since=dates[0], days=rows.TREND_DAYS)
            lately = await call(mc.MODEL_METRICS, asked)
            self._dates = dates
            self._trends = {rows.model_key(model): model.days for model in lately.models}

    def ordered(self) -> list[mc.ModelMetrics]:
        return self.listing.ordered(self.found.models, self.sort)

    def rows(self, look: Look) -> list[Choice]:
        models = self.app.session.models
        installed = None if models is None else {model.name for model in models}
        return rows.model_rows(self.ordered(), self._trends, self._dates, installed, look)

    def model(self, key: str) -> mc.ModelMetrics | None:
        return next((model for model in self.found.models if rows.model_key(model) == key), None)

    def below(self, width: int, height: int, look: Look) -> Content:
        """What the figures mean; above all else there must be room for the rows."""
        if not self.found.models or height < 10:
            return Content()
        return quiet(
            f"median {look.sign} half the interquartile range (runs measured); speeds are of runs that read "
            f"{self.found.least_prompt} new tokens and wrote {self.found.least_completion} at least"
        )

    def take(self, key: str) -> Level | None:
        model = self.model(key)
        return Settings(self.app, self.renew, model.model, model.quantisation) if model is not None else None

    def side(self, key: str) -> compare.Side | None:
        model = self.model(key)
        if model is None:
            return None
        return compare.Side(one_line(model.model, 60), one_line(model.quantisation, 12), model.figures)


class Settings(Level):
    """What one model ran with, and how that went over days."""

    compares = True

    def __init__(self, app: "KenshoApp", renew: Callable[[], None], model: str, quantisation: str) -> None:
        super().__init__(app, renew)
        self.model = model
        self.quantisation = quantisation
        self.found: mc.ModelMetrics | None = None

    @property
    def crumb(self) -> str:
        return " ".join(part for part in (one_line(self.model, 60), one_line(self.quantisation, 12)) if part)

    @property
    def listing(self) -> Listing:
        return rows.SETTINGS

    async def load(self, period: Period) -> None:
        asked = mc.ListModelMetrics(since=period.since(self.app.now()), model=self.model, days=MOST_DAYS)
        found = await self.app.session.host.call(mc.MODEL_METRICS, asked)
        own = (model for model in found.models if model.quantisation == self.quantisation)
        self.found = next(own, None)
        self.loaded = True

    def ordered(self) -> list[mc.SetupMetrics]:
        return self.listing.ordered(self.found.settings if self.found is not None else (), self.sort)

    def rows(self, look: Look) -> list[Choice]:
        return rows.setup_rows(self.ordered(), look)

    def below(self, width: int, height: int, look: Look) -> Content:
        days = self.found.days if self.found is not None else ()
        if not days or height < 8:
            return Content()
        high = 3 if height >= 18 else 1
        dates = every_date(days)
        found = by_date(days, dates)
        lines = [
            quiet(f"{len(days)} days with runs, {_day(dates[0])} to {_day(dates[-1])}; heights begin at 0")
        ]
        decode = [day.decode if day is not None else None for day in found]
        ttft = [day.ttft if day is not None else None for day in found]
        lines += _trend_lines(
            "decode", decode, width, high, look, lambda one: f"{said(one, look.sign)} tok/s"
        )
        lines += _trend_lines("TTFT", ttft, width, high, look, lambda one: time_said(one, look.sign))
        return Content("\n").join(lines)

    def take(self, key: str) -> Level | None:
        setup = self._setup(key)
        return Runs(self.app, self.renew, self.model, self.quantisation, setup) if setup is not None else None

    def _setup(self, key: str) -> mc.SetupMetrics | None:
        settings = self.found.settings if self.found is not None else ()
        return next((setup for setup in settings if rows.setup_key(setup) == key), None)

    def side(self, key: str) -> compare.Side | None:
        setup = self._setup(key)
        return compare.Side(rows.setup_words(setup), "", setup.figures) if setup is not None else None


def _day(date: str) -> str:
    when = fmt.parse_date(f"{date}T12:00:00Z")
    return f"{when.day} {when.strftime('%b')}" if when is not None else date


def _trend_lines(
    name: str,
    spreads: Sequence[mc.Spread | None],
    width: int,
    height: int,
    look: Look,
    words: Callable[[mc.Spread], str],
) -> list[Content]:
    """A trend of medians with its name, and behind it its last day in words."""
    last = next((one for one in reversed(spreads) if one is not None), None)
    if last is None:
        return []
    said_last = words(last)
    cells = width - LABEL_CELLS - len(said_last) - 2
    drawn = trend([one.median if one is not None else None for one in spreads], cells, height, look.graphs)
    lines = []
    for at, line in enumerate(drawn):
        bottom = at == len(drawn) - 1
        label = name.ljust(LABEL_CELLS) if bottom else " " * LABEL_CELLS
        tail = quiet(f"  {said_last}") if bottom else Content()
        lines.append(Content.assemble(quiet(label), (line, "$primary"), tail))
    return lines


class Runs(Level):
    """The generations of a model, the newest first; pages come as one goes down."""

    filters = False

    def __init__(
        self,
        app: "KenshoApp",
        renew: Callable[[], None],
        model: str,
        quantisation: str,
        setup: mc.SetupMetrics,
    ) -> None:
        super().__init__(app, renew)
        self.model = model
        self.quantisation = quantisation
        self.setup = setup
        self.found: list[mc.Generation] = []
        self._places: dict[str, int] = {}
        self._next = ""

    @property
    def crumb(self) -> str:
        return "generations"

    @property
    def listing(self) -> Listing:
        return rows.GENERATIONS

    def request(self, period: Period, cursor: str = "", limit: int = PAGE) -> mc.ListGenerations:
        since = period.since(self.app.now())
        return mc.ListGenerations(since=since, model=self.model, limit=limit, cursor=cursor)

    async def load(self, period: Period) -> None:
        page = await self.app.session.host.call(mc.GENERATIONS, self.request(period))
        known = next((at for at, one in enumerate(page.generations) if one.id in self._places), None)
        if self.loaded and known is not None and page.generations[known].id == self.found[0].id:
            self._take([*page.generations[:known], *self.found], self._next)
        else:
            self._take(list(page.generations), page.next)
        self.loaded = True

    def _take(self, generations: list[mc.Generation], following: str) -> None:
        self.found, self._next = generations, following
        self._places = {one.id: at for at, one in enumerate(generations)}

    def rows(self, look: Look) -> list[Choice]:
        return rows.generation_rows(self.found, look)

    def near_end(self, key: str) -> bool:
        return bool(self._next) and self._places.get(key, 0) >= len(self.found) - AHEAD

    async def more(self, period: Period) -> None:
        page = await self.app.session.host.call(mc.GENERATIONS, self.request(period, self._next))
        self._take([*self.found, *page.generations], page.next)

    def generation(self, key: str) -> mc.Generation | None:
        return self.found[self._places[key]] if key in self._places else None


class Comparison(Level):
    """Two rows of another level side by side."""

    filters = False

    def __init__(self, of: Level, first: str, second: str) -> None:
        super().__init__(of.app, of.renew)
        self._of = of
        self._keys = first, second
        self._shown: list[Choice] = []

    @property
    def crumb(self) -> str:
        return "compared"

    @property
    def sides(self) -> tuple[compare.Side, compare.Side] | None:
        first, second = map(self._of.side, self._keys)
        return (first, second) if first is not None and second is not None else None

    @property
    def listing(self) -> Listing:
        return compare.listing(*(self.sides or (NOBODY, NOBODY)), self._shown)

    async def load(self, period: Period) -> None:
        await self._of.load(period)
        self.loaded = True

    def rows(self, look: Look) -> list[Choice]:
        sides = self.sides
        self._shown = compare.rows(*sides, look) if sides is not None else []
        return self._shown

    def nothing(self, period: Period) -> str:
        return "One of them has not answered in this time: p goes further back"

    def below(self, width: int, height: int, look: Look) -> Content:
        if self.sides is None or height < 12:
            return Content()
        return quiet(
            f"median {look.sign} half the interquartile range (runs measured); {compare.UNCLEAR}: the middle "
            "halves of both overlap, there is no clear difference"
        )


NOBODY = compare.Side("", "", mc.Figures(runs=0))
