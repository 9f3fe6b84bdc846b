"""Decode threads: all cores while that pays, and soon back to the safe number when it does not."""

from collections.abc import Callable

import pytest

from kensho_tui.worker.threads import WINDOW, DecodeThreads

Cost = Callable[[int, int], float]
"""Seconds that a token takes: number of the token, number of threads."""


def run(threads: DecodeThreads, tokens: int, cost: Cost) -> tuple[float, list[int]]:
    """Seconds that so many tokens take, and the threads that each was decoded with."""
    now, used = 100.0, []
    threads.begin()
    threads.token(now)
    for number in range(tokens):
        used.append(threads.count)
        now += cost(number, threads.count)
        threads.token(now)
    return now - 100.0, used


def quiet(number: int, count: int) -> float:
    return 0.013 / (1 + 0.45 * (count - 1))


def busy(number: int, count: int) -> float:
    return 0.013 if count == 1 else 0.14


def test_all_cores_are_taken_where_that_is_faster() -> None:
    took, used = run(DecodeThreads(1, 2), 400, quiet)
    assert used[-300:] == [2] * 300
    assert took < 1.05 * 400 * quiet(0, 2)


def test_a_busy_machine_costs_little() -> None:
    took, used = run(DecodeThreads(1, 2), 2000, busy)
    assert used.count(2) < 10
    assert took < 1.05 * 2000 * busy(0, 1)


def test_a_gain_that_is_none_is_not_kept() -> None:
    _, used = run(DecodeThreads(3, 4), 2000, lambda number, count: 0.02 if count == 3 else 0.0195)
    assert used.count(4) < 6 * WINDOW
    assert used[-1] == 3


def test_a_disturbance_is_left_at_once_and_forgiven_soon() -> None:
    def cost(number: int, count: int) -> float:
        return busy(number, count) if 300 <= number < 330 else quiet(number, count)

    _, used = run(DecodeThreads(1, 2), 800, cost)
    assert used[300:304].count(2) <= 2
    assert used[-200:] == [2] * 200


@pytest.mark.parametrize(("safe", "most"), [(1, 1), (7, 0), (4, 4)])
def test_nothing_is_tried_where_there_is_nothing_to_try(safe: int, most: int) -> None:
    _, used = run(DecodeThreads(safe, most), 500, quiet)
    assert set(used) == {safe}


def test_the_time_between_two_answers_counts_for_nothing() -> None:
    threads = DecodeThreads(1, 2)
    run(threads, 400, quiet)
    assert threads.count == 2
    threads.begin()
    assert not threads.token(10_000.0)
    assert not threads.token(10_000.0 + quiet(0, 2))
    assert threads.count == 2


def test_a_safe_time_of_long_ago_is_not_believed() -> None:
    """Measured in a disturbance, it would let the slower number stay for ever."""

    def cost(number: int, count: int) -> float:
        if number < 60:
            return 0.1 if count == 1 else 0.05
        return 0.05 if count == 1 else 0.075

    _, used = run(DecodeThreads(1, 2), 6000, cost)
    assert used[40:60] == [2] * 20
    assert used[-3000:].count(1) > 2900
