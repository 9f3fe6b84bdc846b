"""Pacing on simulated lines: what is on its way never takes long, and no line is kept idle for nothing."""

import random
import statistics
from collections import deque
from dataclasses import dataclass, field

import pytest

from kensho_tui.ui.drawing.pacing import Pacer

STEP_S = 0.002
MOST_WANTED = 9000


@dataclass
class Simulation:
    """A stream, so many updates a second. Frames take all that is wanted, up to the budget."""

    updates_s: int = 12
    pacer: Pacer = field(default_factory=Pacer)
    now: float = 0.0
    wanted: int = 6000

    def run(self, seconds: float, bytes_s: float, way_s: float) -> list[float]:
        """Seconds from each frame to its answer."""
        chance = random.Random(3)
        free = next_update = self.now
        answers: deque[tuple[float, float]] = deque()
        delays = []
        end = self.now + seconds
        while self.now < end:
            if self.now >= next_update:
                next_update += 1 / self.updates_s
                self.wanted = min(MOST_WANTED, self.wanted + chance.choice([40, 60, 80, 100, 120, 300]))
            while answers and answers[0][0] <= self.now:
                answered, sent = answers.popleft()
                self.pacer.answered(answered)
                delays.append(answered - sent)
            while self.wanted > 0 and self.pacer.wait_s(self.now, 0) == 0:
                size = min(self.wanted, self.pacer.budget or self.wanted)
                self.wanted -= size
                self.pacer.sent(self.now, size)
                free = max(free, self.now) + size / bytes_s
                answers.append((free + way_s, self.now))
            self.now += STEP_S
        for answered, _ in answers:
            self.pacer.answered(answered)
        return delays


def p95(delays: list[float]) -> float:
    return statistics.quantiles(delays, n=20)[-1]


@pytest.mark.parametrize(("way_s", "longest_s"), [(0.005, 0.16), (0.1, 0.26), (0.2, 0.36)])
@pytest.mark.parametrize("fast_before", [True, False])
def test_nothing_queues_on_a_slow_line(way_s: float, longest_s: float, fast_before: bool) -> None:
    simulation = Simulation()
    simulation.run(5, 5_000_000 if fast_before else 2000, way_s)
    simulation.run(3, 2000, way_s)
    assert p95(simulation.run(20, 2000, way_s)) < longest_s


@pytest.mark.parametrize("way_s", [0.001, 0.05, 0.2, 0.4])
def test_each_update_goes_at_once_on_a_fast_line(way_s: float) -> None:
    delays = Simulation().run(20, 5_000_000, way_s)
    assert len(delays) > 0.9 * 20 * 12
    assert p95(delays) < way_s + 0.01


def test_a_line_that_turns_slow_and_fast_again_is_used_as_it_is() -> None:
    simulation = Simulation()
    for _ in range(3):
        simulation.run(2, 5_000_000, 0.01)
        assert p95(simulation.run(10, 5_000_000, 0.01)) < 0.02
        simulation.run(2, 2000, 0.01)
        assert p95(simulation.run(10, 2000, 0.01)) < 0.2


@pytest.mark.parametrize("fast_s", [0.2, 1.0, 5.0])
def test_a_line_that_turns_slow_under_more_than_it_carries_is_noticed_at_once(fast_s: float) -> None:
    simulation = Simulation(updates_s=30)
    simulation.run(fast_s, 5_000_000, 0.001)
    simulation.wanted += 7000
    simulation.run(0.2, 5_000_000, 0.001)
    assert max(simulation.run(4, 2000, 0.005)) < 0.4
