"""From runs by settings and day to figures by model, by model and settings, and by day (pure)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
from msgspec.structs import replace

from kensho_tui.core.metrics_contract import DayMetrics, Figures, ModelMetrics, SetupMetrics, Spread
from kensho_tui.core.spread import MILLIONTH, spread
from kensho_tui.storage.generations import PackedFigures, Setup

_NUMBERS = msgspec.json.Decoder(list[int])


def unpacked(texts: Iterable[str | None]) -> list[int]:
    """The numbers in texts of `PackedFigures`, in ascending order."""
    found = _NUMBERS.decode(f"[{','.join(filter(None, texts))}]")
    found.sort()
    return found


@dataclass
class _Values:
    """Figures of some runs in millionths, each list in ascending order; ``speeds``: by the bytes of active
    weights, the part of ``decode`` that ran with them.
    """

    runs: int = 0
    ttft: list[int] = field(default_factory=list)
    load: list[int] = field(default_factory=list)
    prompt: list[int] = field(default_factory=list)
    decode: list[int] = field(default_factory=list)
    speeds: dict[int, list[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, figures: Sequence[PackedFigures], active_weights: int) -> "_Values":
        """Of runs with one setup."""
        decode = unpacked(some.decode for some in figures)
        return cls(
            runs=sum(some.runs for some in figures),
            ttft=unpacked(some.ttft for some in figures),
            load=unpacked(some.load for some in figures),
            prompt=unpacked(some.prompt for some in figures),
            decode=decode,
            speeds={active_weights: decode},
        )

    @classmethod
    def together(cls, parts: Sequence["_Values"]) -> "_Values":
        """Of runs with several setups."""
        if len(parts) == 1:
            return parts[0]
        decode = _merged(part.decode for part in parts)
        weights = {some for part in parts for some in part.speeds}
        return cls(
            runs=sum(part.runs for part in parts),
            ttft=_merged(part.ttft for part in parts),
            load=_merged(part.load for part in parts),
            prompt=_merged(part.prompt for part in parts),
            decode=decode,
            speeds={
                some: decode if len(weights) == 1 else _merged(part.speeds.get(some, []) for part in parts)
                for some in weights
            },
        )

    def figures(self) -> Figures:
        return Figures(
            runs=self.runs,
            ttft=spread(self.ttft, MILLIONTH),
            load=spread(self.load, MILLIONTH),
            prompt=spread(self.prompt, MILLIONTH),
            decode=spread(self.decode, MILLIONTH),
            bandwidth=self._bandwidth(),
        )

    def _bandwidth(self) -> Spread | None:
        """Mostly all weights are the same, and a speed stands for its bandwidth."""
        known = {weights: speeds for weights, speeds in self.speeds.items() if weights}
        if len(known) == 1:
            [(weights, speeds)] = known.items()
            return spread(speeds, weights * MILLIONTH)
        return spread(
            _merged([speed * weights for speed in speeds] for weights, speeds in known.items()), MILLIONTH
        )


def by_model(
    figures: Iterable[PackedFigures],
    setups: Mapping[int, Setup],
    last: Mapping[int, str],
    given_again: Mapping[str, int] | None = None,
    days: int = 0,
) -> tuple[ModelMetrics, ...]:
    """The model that ran last comes first, with its settings, and a trend over its last ``days`` with runs
    where the figures are by day. ``last``: by setup, when the last run began.

    Of ``given_again`` (by name) each model has its own; of several with one name it is the newest.
    """
    found: dict[tuple[str, str], dict[int, list[PackedFigures]]] = {}
    for some in figures:
        setup = setups[some.setup]
        found.setdefault((setup.model, setup.quantisation), {}).setdefault(some.setup, []).append(some)
    models = [_model(by_setup, setups, last, days) for by_setup in found.values()]
    models.sort(key=lambda model: model.last, reverse=True)
    left = dict(given_again or {})
    return tuple(replace(model, from_cache=left.pop(model.model, 0)) for model in models)


def _model(
    by_setup: Mapping[int, Sequence[PackedFigures]],
    setups: Mapping[int, Setup],
    last: Mapping[int, str],
    days: int,
) -> ModelMetrics:
    """``by_setup``: what ran with settings that have model and quantisation in common."""
    values = {
        number: _Values.of(figures, setups[number].active_weights) for number, figures in by_setup.items()
    }
    settings = [_setup(setups[number], last.get(number, ""), some) for number, some in values.items()]
    settings.sort(key=lambda setup: setup.last, reverse=True)
    model = setups[next(iter(by_setup))]
    return ModelMetrics(
        model=model.model,
        quantisation=model.quantisation,
        last=settings[0].last,
        figures=_Values.together(list(values.values())).figures(),
        settings=tuple(settings),
        days=_trend([some for figures in by_setup.values() for some in figures], days),
    )


def _merged(parts: Iterable[list[int]]) -> list[int]:
    """Sorting is quick with what is in order piece by piece."""
    return sorted(value for part in parts for value in part)


def _setup(setup: Setup, last: str, values: _Values) -> SetupMetrics:
    return SetupMetrics(
        device=setup.device,
        gpu_layers=setup.gpu_layers,
        context=setup.context,
        kv_type=setup.kv_type,
        threads=setup.threads,
        threads_batch=setup.threads_batch,
        batch=setup.batch,
        flash=setup.flash,
        active_weights=setup.active_weights,
        last=last,
        figures=values.figures(),
    )


def _trend(figures: Sequence[PackedFigures], days: int) -> tuple[DayMetrics, ...]:
    newest = sorted({some.day for some in figures if some.day}, reverse=True)[:days]
    by_day: dict[str, list[PackedFigures]] = {day: [] for day in reversed(newest)}
    for some in figures:
        if some.day in by_day:
            by_day[some.day].append(some)
    return tuple(
        DayMetrics(
            day=day,
            runs=sum(some.runs for some in then),
            ttft=spread(unpacked(some.ttft for some in then), MILLIONTH),
            decode=spread(unpacked(some.decode for some in then), MILLIONTH),
        )
        for day, then in by_day.items()
    )
