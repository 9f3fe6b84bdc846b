"""What is recommended of what was measured, and what is measured again: rules that hold for all figures."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from kensho_tui.core.bench_contract import STANDARD_ANSWER, STANDARD_PROMPT, BenchSettings
from kensho_tui.models.bench.recommend import (
    FLOOR,
    TIE,
    WORTH,
    Found,
    choose,
    recommendation,
)
from kensho_tui.models.bench.results import EXCLUDED, Length, Results, Speeds

BEFORE = BenchSettings(threads=0, threads_batch=2, batch=256, flash=True, kv_type="f16", gpu_layers=-1)
WHOLE = Length(512, 64)

settings = st.builds(
    BenchSettings,
    threads=st.integers(0, 3),
    threads_batch=st.integers(1, 2),
    batch=st.sampled_from([128, 256]),
    flash=st.booleans(),
    kv_type=st.sampled_from(["f16", "q8_0", "q4_0"]),
    gpu_layers=st.just(-1),
)
# Near each other, so that ties are met, and far from each other.
speeds = st.one_of(st.floats(95, 105), st.floats(10, 1000))
found = st.lists(
    st.builds(Found, settings, speeds, speeds), min_size=1, max_size=8, unique_by=lambda f: f.settings
)


def at(turn_s: float, **changes: object) -> Found:
    """One whose standard turn takes so long, reading at 1,000 tok/s."""
    return Found(replace(BEFORE, **changes), 1000.0, STANDARD_ANSWER / (turn_s - STANDARD_PROMPT / 1000.0))


@given(found, settings)
def test_never_slower_than_the_best_by_more_than_is_said(found: list[Found], before: BenchSettings) -> None:
    chosen = choose(found, before)
    assert chosen in found and chosen is not None
    assert min(one.turn_s for one in found) / chosen.turn_s >= FLOOR - 1e-9


@given(found, settings)
def test_what_is_in_use_stays_where_nothing_is_plainly_sooner(
    found: list[Found], before: BenchSettings
) -> None:
    used = next((one for one in found if one.settings == before), None)
    if used is not None and used.turn_s <= min(one.turn_s for one in found) * TIE:
        assert choose(found, before) == used


@given(found)
def test_a_quantised_cache_is_worth_its_loss(found: list[Found]) -> None:
    chosen = choose(found, BEFORE)
    exact = [one.turn_s for one in found if one.settings.kv_type == "f16"]
    assert chosen is not None
    if exact and chosen.settings.kv_type != "f16":
        assert chosen.turn_s * WORTH <= min(exact) * TIE + 1e-9


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ([at(2.0, threads=2)], BEFORE),
        ([at(1.97, threads=2)], BEFORE),
        ([at(1.9, threads=2)], replace(BEFORE, threads=2)),
        ([at(1.92, kv_type="q8_0")], BEFORE),
        ([at(1.8, kv_type="q8_0")], replace(BEFORE, kv_type="q8_0")),
        ([at(1.8, kv_type="q8_0"), at(1.75, kv_type="q4_0")], replace(BEFORE, kv_type="q8_0")),
        ([at(1.50, threads=2, flash=False), at(1.51, threads=2)], replace(BEFORE, threads=2)),
    ],
    ids=["as fast", "a tie", "sooner", "quantised", "worth it", "not worth more", "plainer"],
)
def test_rules(others: list[Found], expected: BenchSettings) -> None:
    chosen = choose([*others, at(2.0)], BEFORE)
    assert chosen is not None and chosen.settings == expected


def test_the_gain_is_that_of_a_standard_turn() -> None:
    made = recommendation("shared", [at(2.0), at(1.6, threads=2)], BEFORE)
    assert made is not None
    assert (made.condition, made.settings.threads) == ("shared", 2)
    assert made.gain == pytest.approx(2.0 / 1.6)
    assert recommendation("quiet", [], BEFORE) is None


@given(
    st.dictionaries(settings, st.lists(st.floats(1, 1000), min_size=1, max_size=4), min_size=1, max_size=6)
)
def test_only_those_that_cannot_be_the_best_are_given_up(
    runs: dict[BenchSettings, list[float]],
) -> None:
    results = Results()
    length = Length(32, 64, reads=False)
    for each, values in runs.items():
        for value in values:
            results.add("quiet", each, length, Speeds(32, 0.0, value))
    left = results.promising("quiet", list(runs), length)
    best = min(statistics.median(1 / value for value in values) for values in runs.values())
    for each, values in runs.items():
        over = min(1 / value for value in values) / (best * EXCLUDED)
        assert abs(over - 1) < 1e-9 or (each in left) == (over < 1)
    assert results.seconds("shared", next(iter(runs)), length) == []


def test_points_tell_speeds_lengths_and_problems() -> None:
    results = Results()
    results.add("quiet", BEFORE, WHOLE, Speeds(520, 400.0, 90.0, 3.0))
    results.add("quiet", BEFORE, WHOLE, Speeds(520, 420.0, 94.0, 2.9))
    results.fail(replace(BEFORE, batch=512), "that does not fit")
    point, *troubles = results.points()
    assert (point.prompt_tokens, point.completion_tokens) == (520, 64)
    assert point.prompt is not None and (point.prompt.count, point.prompt.median) == (2, 410.0)
    assert [one.problem for one in troubles] == ["that does not fit"] * 2
    assert results.patience("shared", WHOLE) is None
    assert results.patience("quiet", WHOLE) == pytest.approx(2.9 * 2.5)
    assert [one.settings for one in results.found("quiet", WHOLE)] == [BEFORE]
