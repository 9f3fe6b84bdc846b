"""When frames may go, told with a clock of our own."""

from collections.abc import Callable

import pytest

from kensho_tui.ui.drawing.pacing import FRAME_S, FREE_INTERVAL_S, LEAST_BUDGET, PATIENCE_S, Pacer


@pytest.fixture
def pacer() -> Pacer:
    return Pacer()


def answer_after(pacer: Pacer, now: float, seconds: float, size: int) -> float:
    """One frame and its answer; returns when that came."""
    assert pacer.wait_s(now, 0) == 0
    pacer.sent(now, size)
    pacer.answered(now + seconds)
    return now + seconds


def test_the_first_frame_goes_at_once_and_the_next_after_its_answer(pacer: Pacer) -> None:
    assert pacer.wait_s(10.0, 0) == 0
    pacer.sent(10.0, 8000)
    assert pacer.wait_s(10.0, 0) == pytest.approx(PATIENCE_S)
    pacer.answered(10.3)
    assert pacer.paced
    assert pacer.wait_s(10.3, 0) == 0


def test_a_terminal_that_never_answers_gets_frames_at_a_fixed_rate(pacer: Pacer) -> None:
    pacer.sent(0.0, 8000)
    assert pacer.wait_s(1.9, 0) == pytest.approx(0.1)
    assert pacer.wait_s(2.0, 0) == 0
    pacer.sent(2.0, 50)
    assert pacer.wait_s(2.0, 0) == pytest.approx(FREE_INTERVAL_S)
    assert pacer.wait_s(2.125, 0) == 0
    assert not pacer.paced and pacer.budget is None


def test_a_late_first_answer_switches_pacing_on_once_all_have_come(pacer: Pacer) -> None:
    for at in (0.0, 2.0, 2.125):
        assert pacer.wait_s(at, 0) == 0
        pacer.sent(at, 100)
    pacer.answered(2.2)
    assert pacer.wait_s(2.25, 0) > 0
    pacer.answered(2.3)
    pacer.answered(2.4)
    assert pacer.wait_s(2.4, 0) == 0
    pacer.sent(2.4, 100)
    assert pacer.wait_s(2.6, 0) > 1


def test_a_lost_answer_delays_one_frame_and_leaves_pacing_on(pacer: Pacer) -> None:
    now = answer_after(pacer, 0.0, 0.01, 100)
    pacer.sent(now, 100)
    assert pacer.wait_s(now, 0) == pytest.approx(PATIENCE_S)
    assert pacer.wait_s(now + PATIENCE_S, 0) == 0
    pacer.sent(now + PATIENCE_S, 100)
    assert pacer.wait_s(now + PATIENCE_S, 0) == pytest.approx(PATIENCE_S)
    pacer.answered(now + PATIENCE_S + 0.01)
    assert pacer.wait_s(now + PATIENCE_S + 0.01, 0) == 0


def test_a_terminal_that_stops_answering_gets_a_frame_each_time_patience_ends(pacer: Pacer) -> None:
    now = answer_after(pacer, 0.0, 0.01, 100)
    for _ in range(5):
        pacer.sent(now, 100)
        assert pacer.wait_s(now + PATIENCE_S - 0.1, 0) > 0
        now += PATIENCE_S
        assert pacer.wait_s(now, 0) == 0


@pytest.mark.parametrize("answered", [True, False])
def test_no_frame_follows_while_the_line_has_not_taken_the_last(pacer: Pacer, answered: bool) -> None:
    now = answer_after(pacer, 0.0, 0.01, 100) if answered else 0.0
    pacer.sent(now, 100)
    assert pacer.wait_s(now + 3600, 1) > 0


def test_what_others_write_holds_no_frame_back(pacer: Pacer) -> None:
    now = answer_after(pacer, 0.0, 0.01, 100)
    assert pacer.wait_s(now, unwritten=10_000_000) == 0


def test_answers_that_nobody_asked_for_do_no_harm(pacer: Pacer) -> None:
    pacer.answered(1.0)
    pacer.answered(1.1)
    pacer.sent(2.0, 100)
    assert pacer.wait_s(2.1, 0) > 0


def test_restart_forgets_the_terminal(pacer: Pacer) -> None:
    answer_after(pacer, 0.0, 4.0, 8000)
    pacer.sent(5.0, 100)
    pacer.restart()
    assert pacer.wait_s(5.0, 0) == 0
    assert not pacer.paced and pacer.budget is None


def line(bytes_s: float, latency_s: float) -> Callable[[int], float]:
    return lambda size: latency_s + size / bytes_s


def run(pacer: Pacer, takes: Callable[[int], float], frames: list[int], now: float = 0.0) -> float:
    """Frames that would have `frames` bytes, cut to the budget; returns when the last was answered."""
    for wanted in frames:
        size = min(wanted, pacer.budget or wanted)
        now = answer_after(pacer, now, takes(size), size) + 0.001
    return now


def test_a_slow_line_gets_frames_that_keep_it_for_a_moment(pacer: Pacer) -> None:
    run(pacer, line(2000, 0.01), [8000, 60, 100, 8000, 300, 8000, 8000, 8000])
    assert pacer.budget is not None
    assert LEAST_BUDGET <= pacer.budget < 2 * FRAME_S * 2000


def test_a_backlog_for_minutes_does_not_make_frames_larger(pacer: Pacer) -> None:
    run(pacer, line(2000, 0.05), [8000] * 2000)
    assert pacer.budget is not None and pacer.budget < 2 * FRAME_S * 2000


@pytest.mark.parametrize("latency_s", [0.0, 0.02, 0.3, 1.5])
def test_a_fast_line_is_not_limited_however_far_it_goes(pacer: Pacer, latency_s: float) -> None:
    run(pacer, line(5_000_000, latency_s), [8000, 60, 100, 60, *[8000] * 8])
    assert pacer.budget is None


def test_a_way_that_becomes_longer_is_no_slow_line(pacer: Pacer) -> None:
    now = run(pacer, line(5_000_000, 0.01), [8000, 60, 60])
    now = run(pacer, line(5_000_000, 0.4), [60, 60, *[8000] * 4], now)
    assert pacer.budget is None


def test_one_stall_is_made_up_for(pacer: Pacer) -> None:
    now = run(pacer, line(5_000_000, 0.001), [8000, 60, 60])
    now = answer_after(pacer, now, 1.0, 2000)
    assert pacer.budget is not None
    run(pacer, line(5_000_000, 0.001), [60, *[8000] * 8], now)
    assert pacer.budget is None


def test_the_least_budget_is_kept_on_the_slowest_line(pacer: Pacer) -> None:
    run(pacer, line(100, 0.0), [8000, 8000, 8000])
    assert pacer.budget == LEAST_BUDGET
