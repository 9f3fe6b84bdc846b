"""What a benchmark measured so far (pure): values by settings, condition and lengths, and points of them."""

import statistics
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kensho_tui.core.bench_contract import (
    STANDARD_ANSWER,
    STANDARD_PROMPT,
    BenchPoint,
    BenchSettings,
    Condition,
)
from kensho_tui.core.metrics_contract import Spread
from kensho_tui.core.spread import spread
from kensho_tui.models.bench.grid import CONDITIONS
from kensho_tui.models.bench.recommend import Found

EXCLUDED = 1.15
"""Whose best value is so much later than the median of the best is not measured again."""

HOPELESS = 2.5
LEAST_RUN_S = 1.5
"""A run that takes so many times as long as the quickest, and this at least, is not worth its end."""


class Length(NamedTuple):
    """Tokens asked for. ``reads``, ``writes``: whether the speed of that says something here."""

    prompt: int
    answer: int
    reads: bool = True
    writes: bool = True


class Speeds(NamedTuple):
    """Of one run: tokens that its prompt had, tok/s reading it, tok/s writing behind it (0: too few)."""

    prompt_tokens: int
    prompt_tok_s: float
    decode_tok_s: float
    took_s: float = 0.0

    def any_of(self, length: Length) -> bool:
        """Whether it has a speed that says something there: one that was cut short may have none."""
        return bool((length.reads and self.prompt_tok_s > 0) or (length.writes and self.decode_tok_s > 0))


_Key = tuple[Condition, BenchSettings, Length]


class Results:
    """Grows while a benchmark runs."""

    def __init__(self) -> None:
        self._runs: dict[_Key, list[Speeds]] = {}
        self._problems: dict[BenchSettings, str] = {}

    def add(self, condition: Condition, settings: BenchSettings, length: Length, speeds: Speeds) -> None:
        self._runs.setdefault((condition, settings, length), []).append(speeds)

    def fail(self, settings: BenchSettings, problem: str) -> None:
        """These settings cannot be used, whatever the condition."""
        self._problems[settings] = problem

    def failed(self, settings: BenchSettings) -> bool:
        return settings in self._problems

    def seconds(self, condition: Condition, settings: BenchSettings, length: Length) -> list[float]:
        """What a standard turn's part would take at the speeds of each run: the less the better."""
        runs = self._runs.get((condition, settings, length), ())
        return [
            (STANDARD_PROMPT / run.prompt_tok_s if length.reads else 0.0)
            + (STANDARD_ANSWER / run.decode_tok_s if length.writes else 0.0)
            for run in runs
            if (run.prompt_tok_s > 0 or not length.reads) and (run.decode_tok_s > 0 or not length.writes)
        ]

    def patience(self, condition: Condition, length: Length) -> float | None:
        """Seconds after which a run is plainly worse than another one was; None: there was none yet."""
        took = [
            run.took_s
            for (where, _, how), runs in self._runs.items()
            if (where, how) == (condition, length)
            for run in runs
        ]
        return max(min(took) * HOPELESS, LEAST_RUN_S) if took else None

    def ranked(
        self, condition: Condition, tried: Sequence[BenchSettings], length: Length
    ) -> list[tuple[float, BenchSettings]]:
        """Median seconds of those of ``tried`` that were measured, the soonest first."""
        found = [
            (statistics.median(seconds), settings)
            for settings in tried
            if not self.failed(settings) and (seconds := self.seconds(condition, settings, length))
        ]
        return sorted(found, key=lambda pair: pair[0])

    def promising(
        self, condition: Condition, tried: Sequence[BenchSettings], length: Length
    ) -> list[BenchSettings]:
        """Those of ``tried`` that may still be the best."""
        ranked = self.ranked(condition, tried, length)
        if not ranked:
            return []
        limit = ranked[0][0] * EXCLUDED
        return [each for _, each in ranked if min(self.seconds(condition, each, length)) <= limit]

    def found(self, condition: Condition, length: Length) -> list[Found]:
        """Median speeds of all that was measured with both speeds in ``condition`` at ``length``."""
        found = []
        for (where, settings, how), runs in self._runs.items():
            whole = [run for run in runs if run.prompt_tok_s > 0 and run.decode_tok_s > 0]
            if where == condition and how == length and whole and not self.failed(settings):
                prompt = statistics.median(run.prompt_tok_s for run in whole)
                decode = statistics.median(run.decode_tok_s for run in whole)
                found.append(Found(settings, prompt, decode))
        return found

    def tokens(self, condition: Condition, settings: BenchSettings, length: Length) -> int:
        """How many tokens its prompt really had."""
        runs = self._runs.get((condition, settings, length))
        return runs[-1].prompt_tokens if runs else length.prompt

    def points(self) -> tuple[BenchPoint, ...]:
        """One for each key, then one for each problem and condition it stands in the way of."""
        return (*(_point(key, runs) for key, runs in self._runs.items()), *self._troubles())

    def _troubles(self) -> list[BenchPoint]:
        return [
            BenchPoint(condition=condition, settings=settings, prompt_tokens=0, problem=problem)
            for settings, problem in self._problems.items()
            for condition in CONDITIONS
        ]


def _point(key: _Key, runs: Sequence[Speeds]) -> BenchPoint:
    condition, settings, length = key
    return BenchPoint(
        condition=condition,
        settings=settings,
        prompt_tokens=runs[-1].prompt_tokens,
        completion_tokens=length.answer if length.writes else 0,
        prompt=_spread(run.prompt_tok_s for run in runs) if length.reads else None,
        decode=_spread(run.decode_tok_s for run in runs) if length.writes else None,
        cut=not any(run.any_of(length) for run in runs),
    )


def _spread(values: Iterable[float]) -> Spread | None:
    """Of the speeds that were measured: 0 is none."""
    return spread(sorted(value for value in values if value > 0))
