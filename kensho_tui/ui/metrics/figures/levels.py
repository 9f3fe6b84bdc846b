"""The figures of all models, and of the settings of one."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.content import Content

from kensho_tui.core import metrics_contract as mc
from kensho_tui.core.text import one_line
from kensho_tui.ui import format as fmt
from kensho_tui.ui.choice_list import Choice
from kensho_tui.ui.lines import quiet
from kensho_tui.ui.metrics.figures import differences, document, ran, rows
from kensho_tui.ui.metrics.figures.export import Wanted, once
from kensho_tui.ui.metrics.figures.level import Level
from kensho_tui.ui.metrics.figures.look import Look
from kensho_tui.ui.metrics.figures.measures import legend
from kensho_tui.ui.metrics.figures.periods import Period, by_date, every_date, from_to, last_days
from kensho_tui.ui.metrics.figures.runs import Runs, ran_with
from kensho_tui.ui.metrics.figures.said import said, time_said
from kensho_tui.ui.metrics.figures.spark import in_a_column, trend
from kensho_tui.ui.table import Listing

if TYPE_CHECKING:
    from kensho_tui.ui.app import KenshoApp

LABEL_CELLS = 14
"""What stands before a trend."""
MOST_DAYS = 3660
TREND_ROWS = 4
"""What the trends and the line above them take."""


class Models(Level):
    """All models that ever answered here."""

    opens: ClassVar[str] = "settings"
    others: ClassVar[str] = "generations"
    compares: ClassVar[bool] = True

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
        if self.bare:
            return
        self.renew()
        dates = last_days(now, rows.TREND_DAYS)
        lately = await call(mc.MODEL_METRICS, mc.ListModelMetrics(since=dates[0], days=rows.TREND_DAYS))
        self._dates = dates
        self._trends = {rows.model_key(model): model.days for model in lately.models}

    @property
    def bare(self) -> bool:
        return not self.found.models

    def ordered(self) -> list[mc.ModelMetrics]:
        return self.listing.ordered(self.found.models, self.sort)

    def rows(self, look: Look) -> list[Choice]:
        models = self.app.session.models
        installed = None if models is None else {model.name for model in models}
        return rows.model_rows(self.ordered(), self._trends, self._dates, installed, look)

    def model(self, key: str) -> mc.ModelMetrics | None:
        return next((model for model in self.found.models if rows.model_key(model) == key), None)

    def below(self, width: int, height: int, look: Look) -> Content:
        """What the figures mean."""
        if not self.found.models or height < 4:
            return Content()
        spread = legend([model.figures for model in self.found.models], look.sign)
        return Content("\n" * (height > 5)) + quiet(
            f"{spread} (runs measured); speeds are of runs that read {self.found.least_prompt} new tokens "
            f"and wrote {self.found.least_completion} at least; TTFT has loading in it, no time in the queue"
        )

    def take(self, key: str) -> Level | None:
        model = self.model(key)
        return Settings(self.app, self.renew, model.model, model.quantisation) if model is not None else None

    def model_of(self, key: str) -> str:
        model = self.model(key)
        return model.model if model is not None else ""

    def all_runs(self, key: str) -> Level | None:
        model = self.model(key)
        if model is None:
            return None
        return Runs(self.app, self.renew, model.model, f"{one_line(model.model, 60)}: generations")

    def wanted(self, keys: Sequence[str], period: Period) -> Wanted:
        found = {rows.model_key(model): model for model in self.found.models}
        models = [found[key] for key in keys if key in found]
        head: document.Document = {
            "since": period.since(self.app.now()),
            "least_prompt_tokens": self.found.least_prompt,
            "least_completion_tokens": self.found.least_completion,
        }
        return Wanted("models", head, once([document.model(model) for model in models]))

    def sides(self, first: str, second: str) -> tuple[differences.Side, differences.Side] | None:
        one, other = self.model(first), self.model(second)
        return (_side(one), _side(other)) if one is not None and other is not None else None


def _side(model: mc.ModelMetrics) -> differences.Side:
    quantisation = one_line(model.quantisation, 12)
    about = {"runs with": quantisation} if quantisation else {}
    whole = fmt.with_quantisation(model.model, model.quantisation)
    return differences.Side(one_line(model.model, 60), about, model.figures, whole)


class Settings(Level):
    """What one model ran with, and how that went over days."""

    opens: ClassVar[str] = "generations"
    others: ClassVar[str] = "all generations"
    compares: ClassVar[bool] = True

    def __init__(self, app: "KenshoApp", renew: Callable[[], None], model: str, quantisation: str) -> None:
        super().__init__(app, renew)
        self.model = model
        self.quantisation = quantisation
        self.found: mc.ModelMetrics | None = None

    @property
    def crumb(self) -> str:
        return fmt.with_quantisation(one_line(self.model, 60), one_line(self.quantisation, 12))

    @property
    def listing(self) -> Listing:
        return rows.settings_listing(self._settings)

    @property
    def _settings(self) -> Sequence[mc.SetupMetrics]:
        return self.found.settings if self.found is not None else ()

    async def load(self, period: Period) -> None:
        asked = mc.ListModelMetrics(since=period.since(self.app.now()), model=self.model, days=MOST_DAYS)
        found = await self.app.session.host.call(mc.MODEL_METRICS, asked)
        own = (model for model in found.models if model.quantisation == self.quantisation)
        self.found = next(own, None)
        self.loaded = True

    def ordered(self) -> list[mc.SetupMetrics]:
        return self.listing.ordered(self._settings, self.sort)

    def rows(self, look: Look) -> list[Choice]:
        return rows.setup_rows(self.ordered(), look)

    def below(self, width: int, height: int, look: Look) -> Content:
        """What all rows have in common, and trends over days, the last of them in words behind each."""
        days = self.found.days if self.found is not None else ()
        shared = ran.common(self._settings, width)
        if not days or height < TREND_ROWS + len(shared):
            return Content("\n").join(shared[:height])
        dates = every_date(days)
        found = by_date(days, dates)
        last = days[-1]
        decode = [day.decode if day is not None else None for day in found]
        ttft = [day.ttft if day is not None else None for day in found]
        runs = [float(day.runs) if day is not None else None for day in found]
        lines = (
            ("decode tok/s", _medians(decode), said(last.decode, look.sign)),
            ("TTFT", _medians(ttft), time_said(last.ttft, look.sign)),
            ("runs", runs, f"{last.runs:,}"),
        )
        room = width - LABEL_CELLS - max(len(words) for _, _, words in lines) - 2
        drawn = [(name, trend(values, room, look.graphs), words) for name, values, words in lines]
        return Content("\n").join(
            [
                *[Content()] * (height > TREND_ROWS + len(shared)),
                *shared,
                quiet(_axis(dates, in_a_column(len(dates), room), width, look)),
                *(
                    Content.assemble(quiet(name.ljust(LABEL_CELLS)), (line, "$primary"), quiet(f"  {words}"))
                    for name, line, words in drawn
                ),
            ]
        )

    def take(self, key: str) -> Level | None:
        setup = self._setup(key)
        if setup is None:
            return None
        apart = ran.words(setup, ran.differing(self._settings))
        crumb = f"{apart}: generations" if apart else "generations"
        return Runs(self.app, self.renew, self.model, crumb, ran_with(self.quantisation, setup))

    def model_of(self, key: str) -> str:
        return self.model

    def all_runs(self, key: str) -> Level | None:
        return Runs(self.app, self.renew, self.model, "all generations")

    @property
    def about(self) -> document.Document:
        return {"model": self.model, "quantisation": self.quantisation}

    def wanted(self, keys: Sequence[str], period: Period) -> Wanted:
        head: document.Document = {"since": period.since(self.app.now()), **self.about}
        if self.found is not None:
            whole = document.model(self.found)
            head |= {name: whole[name] for name in ("last", "from_cache", "days")}
        setups = [setup for key in keys if (setup := self._setup(key)) is not None]
        return Wanted("settings", head, once([document.setup(one) for one in setups]), self.model, self.about)

    def _setup(self, key: str) -> mc.SetupMetrics | None:
        return next((setup for setup in self._settings if rows.setup_key(setup) == key), None)

    def sides(self, first: str, second: str) -> tuple[differences.Side, differences.Side] | None:
        one, other = self._setup(first), self._setup(second)
        if one is None or other is None:
            return None
        apart, names = ran.differing([one, other]), ran.names(one, other)
        return (
            differences.Side(names[0], ran.facts(one, apart), one.figures),
            differences.Side(names[1], ran.facts(other, apart), other.figures),
        )


def _axis(dates: Sequence[str], days: int, width: int, look: Look) -> str:
    """What the columns of a trend are, so many ``days`` in each, and the words behind it."""
    step = "by day" if days == 1 else f"{days} days a column"
    last = f", at the right the last{' day' * (days > 1)}" if len(dates) > 1 else ""
    said = f"{step}, {from_to(dates, look.now)}{last}"
    heights = "; heights begin at 0"
    return said + heights if len(said + heights) <= width else said


def _medians(spreads: Sequence[mc.Spread | None]) -> list[float | None]:
    return [spread.median if spread is not None else None for spread in spreads]
