"""Figures by model, settings and day against brute force over single runs."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kensho_tui.core.metrics_contract import Spread
from kensho_tui.metrics.aggregate import by_model, unpacked
from kensho_tui.storage.generations import PackedFigures, Setup

SETUPS = {
    1: Setup("a", "Q4_0", 10**9, "CPU", 0, 8192, "f16", 3),
    2: Setup("a", "Q4_0", 10**9, "CUDA0", -1, 8192, "f16", 3),
    3: Setup("a", "Q8_0", 2 * 10**9, "CPU", 0, 8192, "f16", 3),
    4: Setup("b", "Q4_0", 0, "CPU", 0, 8192, "f16", 3),
}


@dataclass(frozen=True)
class Run:
    """None: not measured. In millionths."""

    setup: int
    day: str
    ttft: int | None
    load: int | None
    prompt: int | None
    decode: int | None


_FIGURE = st.none() | st.integers(1, 10**9)
RUNS = st.lists(
    st.builds(
        Run,
        st.sampled_from(sorted(SETUPS)),
        st.sampled_from([f"2026-03-{day:02}" for day in range(1, 6)]),
        _FIGURE,
        _FIGURE,
        _FIGURE,
        _FIGURE,
    ),
    max_size=40,
)


def present(values: Iterable[int | None]) -> list[int]:
    return [value for value in values if value is not None]


def packed(values: Iterable[int | None]) -> str | None:
    return ",".join(map(str, present(values))) or None


def grouped(runs: list[Run], by_day: bool = True) -> list[PackedFigures]:
    """As the database has them."""
    found = []
    for setup, day in sorted({(run.setup, run.day if by_day else "") for run in runs}):
        some = [run for run in runs if run.setup == setup and (run.day == day or not by_day)]
        texts = [packed(getattr(run, name) for run in some) for name in ("ttft", "load", "prompt", "decode")]
        found.append(PackedFigures(setup, day, len(some), *texts))
    return found


def last_of(runs: list[Run]) -> dict[int, str]:
    return {setup: max(run.day for run in runs if run.setup == setup) for setup in {r.setup for r in runs}}


def check(found: Spread | None, values: list[float]) -> None:
    if not values:
        assert found is None
        return
    assert found is not None
    assert (found.count, found.median) == (len(values), pytest.approx(statistics.median(values)))
    assert (found.least, found.most) == pytest.approx((min(values), max(values)))
    if len(values) > 1:
        lower, _, upper = statistics.quantiles(values, n=4, method="inclusive")
        assert (found.lower, found.upper) == pytest.approx((lower, upper))


@given(RUNS)
def test_figures_are_those_of_the_single_runs(runs: list[Run]) -> None:
    models = by_model(grouped(runs), SETUPS, last_of(runs), days=3)
    named = {(model.model, model.quantisation): model for model in models}
    assert len(named) == len(models)
    assert sum(model.figures.runs for model in models) == len(runs)
    for key, model in named.items():
        mine = [run for run in runs if (SETUPS[run.setup].model, SETUPS[run.setup].quantisation) == key]
        assert model.last == max(run.day for run in mine)
        assert model.figures.runs == len(mine) == sum(one.figures.runs for one in model.settings)
        for name in ("ttft", "load", "prompt", "decode"):
            values = [value / 1e6 for value in present(getattr(run, name) for run in mine)]
            check(getattr(model.figures, name), values)
        bandwidths = [
            run.decode / 1e6 * weights
            for run in mine
            if run.decode is not None and (weights := SETUPS[run.setup].active_weights)
        ]
        check(model.figures.bandwidth, bandwidths)
        for one in model.settings:
            same = [run for run in mine if SETUPS[run.setup].device == one.device]
            check(one.figures.decode, [value / 1e6 for value in present(run.decode for run in same)])
        days = sorted({run.day for run in mine})[-3:]
        assert [day.day for day in model.days] == days
        for day in model.days:
            then = [run for run in mine if run.day == day.day]
            assert day.runs == len(then)
            check(day.decode, [value / 1e6 for value in present(run.decode for run in then)])
            check(day.ttft, [value / 1e6 for value in present(run.ttft for run in then)])


@given(RUNS)
def test_by_day_or_not_the_sums_are_the_same(runs: list[Run]) -> None:
    whole = by_model(grouped(runs, by_day=False), SETUPS, last_of(runs), days=3)
    assert whole == by_model(grouped(runs), SETUPS, last_of(runs))


@given(st.lists(st.lists(st.integers(0, 10**12))))
def test_packed_numbers_come_back_in_order(lists: list[list[int]]) -> None:
    texts = [packed(values) for values in lists]
    assert unpacked(texts) == sorted(value for values in lists for value in values)


def some(setup: int) -> PackedFigures:
    return PackedFigures(setup, "", 1, "1", None, None, "1")


def test_who_ran_last_comes_first() -> None:
    models = by_model(
        [some(1), some(2), some(4)], SETUPS, {1: "2026-03-01", 2: "2026-03-02", 4: "2026-03-03"}
    )
    assert [model.model for model in models] == ["b", "a"]
    assert [one.device for one in models[1].settings] == ["CUDA0", "CPU"]
    assert models[1].last == "2026-03-02"


def test_answers_given_again_are_those_of_the_newest_of_a_name() -> None:
    models = by_model([some(1), some(3)], SETUPS, {1: "2026-03-01", 3: "2026-03-02"}, {"a": 5, "gone": 1})
    assert [(model.quantisation, model.from_cache) for model in models] == [("Q8_0", 5), ("Q4_0", 0)]


def test_without_runs_there_are_no_models() -> None:
    assert by_model([], SETUPS, {}, {"a": 5}) == ()
