"""When frames may go, told with a clock of our own."""

from collections.abc import Callable

import pytest

from kensho_tui.ui.drawing.pacing import FREE_INTERVAL_S, MOST_TOGETHER, PATIENCE_S, Pacer


@pytest.fixture
def pacer() -> Pacer:
    return Pacer()


def answer_after(pacer: Pacer, now: float, seconds: float, size: int) -> float:
    """One frame and its answer; returns when that came."""
    assert pacer.wait_s(now, 0) == 0
    pacer.sent(now, size)
    pacer.answered(now + seconds)
    return now + seconds


def line(bytes_s: float, latency_s: float) -> Callable[[int], float]:
    return lambda size: latency_s + size / bytes_s


def run(pacer: Pacer, takes: Callable[[int], float], frames: list[int], now: float = 0.0) -> float:
    """Frames that would have `frames` bytes, cut to the budget; returns when the last was answered."""
    for wanted in frames:
        size = min(wanted, pacer.budget or wanted)
        now = answer_after(pacer, now, takes(size), size) + 0.001
    return now


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
    now = run(pacer, line(1_000_000, 0.01), [8000, 100, 100])
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


def open_frames(pacer: Pacer, now: float, size: int, most: int = 100) -> int:
    """How many frames go without an answer."""
    count = 0
    while count < most and pacer.wait_s(now + count / 1000, 0) == 0:
        pacer.sent(now + count / 1000, size)
        count += 1
    return count


@pytest.mark.parametrize("way_s", [0.1, 0.3])
def test_frames_go_together_on_a_line_that_is_far_but_fast(pacer: Pacer, way_s: float) -> None:
    now = run(pacer, line(5_000_000, way_s), [8000, 60, 60])
    assert 2 <= open_frames(pacer, now, 100) <= MOST_TOGETHER
    for number in range(pacer.unanswered):
        pacer.answered(now + way_s + number / 100)
    assert pacer.unanswered == 0
    now = run(pacer, line(5_000_000, way_s), [60, *[8000] * 6], now + 1)
    assert pacer.budget is None
    assert open_frames(pacer, now, 100) == MOST_TOGETHER


@pytest.mark.parametrize(
    "takes", [line(5_000_000, 0.002), line(2000, 0.01), line(2000, 0.2), line(4000, 0.5)]
)
def test_frames_go_one_by_one_on_a_line_that_is_near_or_slow(
    pacer: Pacer, takes: Callable[[int], float]
) -> None:
    now = run(pacer, takes, [8000, 60, 100, 8000, 30, 8000, 300, 8000])
    assert open_frames(pacer, now, 120) == 1


def test_frames_go_together_only_as_far_as_their_bytes_are_through_soon(pacer: Pacer) -> None:
    now = run(pacer, line(5_000_000, 0.2), [60, *[8000] * 6])
    assert open_frames(pacer, now, 6000) == 1
