"""Which resident models to give up for another: the least loss that frees enough (pure)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

# Loads that differ by less feel the same to a person: the least recently used goes then.
STEP_S = 0.5
# Every set is looked at up to this many models, which are far more than anybody keeps in memory.
MOST = 12


@dataclass(frozen=True)
class Held:
    """An idle, unpinned resident: bytes that its end frees, seconds that loading it again takes, and the
    moment of its last use (monotonic)."""

    name: str
    frees: int
    reload_s: float
    last_used: float


def choose(held: Sequence[Held], deficit: int) -> tuple[Held, ...] | None:
    """The set that frees `deficit` bytes at the least cost to load again, LRU as tie-break.

    Empty when nothing has to go; None when all of them would not be enough.
    """
    if deficit <= 0:
        return ()
    candidates = sorted(held, key=lambda model: model.last_used)
    if sum(model.frees for model in candidates) < deficit:
        return None
    if len(candidates) > MOST:
        return _oldest(candidates, deficit)
    return min((found for found in _sets(candidates, deficit)), key=_loss)


def _sets(candidates: Sequence[Held], deficit: int) -> Iterator[tuple[Held, ...]]:
    for size in range(1, len(candidates) + 1):
        for found in combinations(candidates, size):
            if sum(model.frees for model in found) >= deficit:
                yield found


def _loss(found: tuple[Held, ...]) -> tuple[int, int, float, int]:
    cost = round(sum(model.reload_s for model in found) / STEP_S)
    newest = max(model.last_used for model in found)
    return cost, len(found), newest, sum(model.frees for model in found)


def _oldest(candidates: Sequence[Held], deficit: int) -> tuple[Held, ...]:
    freed, found = 0, []
    for model in candidates:
        found.append(model)
        freed += model.frees
        if freed >= deficit:
            break
    return tuple(found)
