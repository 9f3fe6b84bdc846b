"""From runs by settings and day to figures by model, by model and settings, and by day (pure)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from msgspec.structs import replace

from kensho_tui.core.metrics_contract import DayMetrics, Figures, ModelMetrics, SetupMetrics
from kensho_tui.metrics.spread import MILLIONTH, spread
from kensho_tui.storage.generations import DayFigures, Setup


@dataclass
class _Values:
    """Figures of some runs in millionths, each list in ascending order; ``bandwidth`` in bytes a second."""

    runs: int = 0
    last: str = ""
    ttft: list[int] = field(default_factory=list)
    load: list[int] = field(default_factory=list)
    prompt: list[int] = field(default_factory=list)
    decode: list[int] = field(default_factory=list)
    bandwidth: list[float] = field(default_factory=list)

    def add(self, more: "_Values | DayFigures") -> None:
        self.runs += more.runs
        self.last = max(self.last, more.last)
        self.ttft += more.ttft
        self.load += more.load
        self.prompt += more.prompt
        self.decode += more.decode

    def order(self) -> None:
        for values in (self.ttft, self.load, self.prompt, self.decode):
            values.sort()

    def figures(self) -> Figures:
        return Figures(
            runs=self.runs,
            ttft=spread(self.ttft, MILLIONTH),
            load=spread(self.load, MILLIONTH),
            prompt=spread(self.prompt, MILLIONTH),
            decode=spread(self.decode, MILLIONTH),
            bandwidth=spread(self.bandwidth),
        )


def by_model(
    figures: Iterable[DayFigures],
    setups: Mapping[int, Setup],
    given_again: Mapping[str, int] | None = None,
    days: int = 0,
) -> tuple[ModelMetrics, ...]:
    """The model that ran last comes first, with its settings, and a trend over its last ``days`` with runs.

    Of ``given_again`` (by name) each model has its own; of several with one name it is the newest.
    """
    found: dict[tuple[str, str], list[DayFigures]] = {}
    for some in figures:
        setup = setups[some.setup]
        found.setdefault((setup.model, setup.quantisation), []).append(some)
    models = [_model(*key, some, setups, days) for key, some in found.items()]
    models.sort(key=lambda model: model.last, reverse=True)
    left = dict(given_again or {})
    return tuple(_with_given_again(model, left.pop(model.model, 0)) for model in models)


def _with_given_again(model: ModelMetrics, count: int) -> ModelMetrics:
    return replace(model, from_cache=count) if count else model


def _model(
    name: str, quantisation: str, figures: Sequence[DayFigures], setups: Mapping[int, Setup], days: int
) -> ModelMetrics:
    whole = _Values()
    settings = []
    for number, some in groupby(sorted(figures, key=lambda each: each.setup), key=lambda each: each.setup):
        setup, values = setups[number], _Values()
        for each in some:
            values.add(each)
        values.order()
        if setup.active_weights:
            scale = setup.active_weights * MILLIONTH
            values.bandwidth = [speed * scale for speed in values.decode]
        whole.add(values)
        whole.bandwidth += values.bandwidth
        settings.append(_setup(setup, values))
    # Lists of several settings are runs in order already, which sorting is quick with.
    whole.order()
    whole.bandwidth.sort()
    return ModelMetrics(
        model=name,
        quantisation=quantisation,
        last=whole.last,
        figures=whole.figures(),
        settings=tuple(sorted(settings, key=lambda setup: setup.last, reverse=True)),
        days=_trend(figures, days),
    )


def _setup(setup: Setup, values: _Values) -> SetupMetrics:
    return SetupMetrics(
        device=setup.device,
        gpu_layers=setup.gpu_layers,
        context=setup.context,
        kv_type=setup.kv_type,
        threads=setup.threads,
        active_weights=setup.active_weights,
        last=values.last,
        figures=values.figures(),
    )


def _trend(figures: Sequence[DayFigures], days: int) -> tuple[DayMetrics, ...]:
    newest = sorted({some.day for some in figures}, reverse=True)[:days]
    by_day = {day: _Values() for day in reversed(newest)}
    for some in figures:
        if some.day in by_day:
            by_day[some.day].add(some)
    return tuple(
        DayMetrics(
            day=day,
            runs=values.runs,
            ttft=spread(sorted(values.ttft), MILLIONTH),
            decode=spread(sorted(values.decode), MILLIONTH),
        )
        for day, values in by_day.items()
    )
