"""What is learnt of a line, from frames on simulated ones."""

import random
import statistics
from collections.abc import Callable

import pytest

from kensho_tui.ui.drawing.line import FRAME_S, LEAST_BUDGET, Line

NO_LIMIT = 1 << 20


def stream(chance: random.Random) -> int:
    """Sizes of frames while an answer streams: words, rows, now and then a screen."""
    return chance.choice([40, 60, 80, 100, 120, 350]) if chance.random() < 0.97 else 5000


def backlog(_: random.Random) -> int:
    return 9000


def budgets(
    line: Line,
    bytes_s: float,
    way_s: float = 0.0,
    jitter_s: float = 0.0,
    wanted: Callable[[random.Random], int] = stream,
    count: int = 300,
) -> list[int]:
    """Budgets after each of `count` frames; the first has a whole screen."""
    chance = random.Random(4)
    found = []
    for number in range(count):
        size = min(wanted(chance) if number else 6000, line.budget or NO_LIMIT)
        line.measured(size, size / bytes_s + way_s + abs(chance.gauss(0, jitter_s)))
        found.append(line.budget or NO_LIMIT)
    return found


@pytest.mark.parametrize("wanted", [stream, backlog])
@pytest.mark.parametrize(("way_s", "jitter_s"), [(0.002, 0.001), (0.05, 0.005), (0.25, 0.01)])
@pytest.mark.parametrize("bytes_s", [2000, 10_000])
def test_a_slow_line_gets_frames_that_keep_it_for_a_moment(
    bytes_s: int, way_s: float, jitter_s: float, wanted: Callable[[random.Random], int]
) -> None:
    found = budgets(Line(), bytes_s, way_s, jitter_s, wanted)[10:]
    assert 0.8 * FRAME_S < statistics.median(found) / bytes_s < 1.2 * FRAME_S
    assert statistics.quantiles(found, n=20)[-1] / bytes_s < 2 * FRAME_S


@pytest.mark.parametrize("wanted", [stream, backlog])
@pytest.mark.parametrize(("way_s", "jitter_s"), [(0.001, 0.0), (0.03, 0.003), (0.3, 0.0), (1.5, 0.0)])
def test_a_fast_line_is_not_limited_however_far_it_goes(
    way_s: float, jitter_s: float, wanted: Callable[[random.Random], int]
) -> None:
    found = budgets(Line(), 5_000_000, way_s, jitter_s, wanted)
    assert statistics.median(found) == NO_LIMIT
    assert min(found[5:]) > 3000


def test_the_way_is_no_byte() -> None:
    line = Line()
    budgets(line, 2000, 0.2)
    assert line.way_s == pytest.approx(0.2, rel=0.1)
    assert line.bytes_s == pytest.approx(2000, rel=0.02)


def test_the_least_budget_is_kept_on_the_slowest_line() -> None:
    assert set(budgets(Line(), 100)) == {LEAST_BUDGET}


def test_a_line_that_becomes_slow_is_noticed() -> None:
    line = Line()
    budgets(line, 5_000_000, 0.08)
    assert line.bytes_s > 50_000
    assert budgets(line, 2000, 0.08, count=8)[-1] < 2 * FRAME_S * 2000
    assert line.bytes_s < 3000


@pytest.mark.parametrize("wanted", [stream, backlog])
def test_a_line_that_becomes_fast_is_noticed(wanted: Callable[[random.Random], int]) -> None:
    line = Line()
    budgets(line, 2000, 0.05, wanted=wanted)
    assert budgets(line, 5_000_000, 0.05, wanted=wanted, count=60)[-1] > 5000


def test_a_way_that_becomes_longer_is_no_slow_line() -> None:
    line = Line()
    budgets(line, 5_000_000, 0.01)
    assert min(budgets(line, 5_000_000, 0.4, count=30)) > 1000


@pytest.mark.parametrize("size", [60, 2000, 8000])
def test_after_one_stall_a_screen_is_drawn_in_a_few_frames(size: int) -> None:
    line = Line()
    budgets(line, 5_000_000, 0.001)
    line.measured(size, 1.0)
    left, count = 8000, 0
    while left > 0:
        sent = min(left, line.budget or left)
        line.measured(sent, sent / 5_000_000 + 0.001)
        left, count = left - sent, count + 1
    assert count <= 10
