"""How long to wait before the next try, and when to stop trying (pure but for the dice)."""

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Patience:
    """Seconds. Waits double from ``first_s`` to ``most_s``, each drawn between half of it and all.

    ``stall_s`` without a byte ends a try; ``give_up_s`` without any gain ends the download, and so do
    ``fruitless`` answers in a row that brought nothing, or a server that wants ``asked_most_s`` or more.
    """

    first_s: float = 1.0
    most_s: float = 60.0
    stall_s: float = 30.0
    connect_s: float = 15.0
    give_up_s: float = 3600.0
    asked_most_s: float = 900.0
    fruitless: int = 8


class Tries:
    """The tries of one file since it last gained a byte."""

    def __init__(self, patience: Patience, draw: Callable[[], float] = random.random) -> None:
        self._patience = patience
        self._draw = draw
        self._failed = 0
        self._fruitless = 0
        self._since: float | None = None

    def gained(self) -> None:
        """Bytes came: everything begins anew."""
        self._failed = self._fruitless = 0
        self._since = None

    def next(self, now: float, *, asked_s: float | None = None, answered: bool = False) -> float | None:
        """Seconds to wait after a failure at `now`; None: enough tried.

        `asked_s`: what the server asked for. `answered`: it answered, and nothing came of it.
        """
        patience = self._patience
        self._since = now if self._since is None else self._since
        self._failed += 1
        self._fruitless += answered
        if now - self._since >= patience.give_up_s or self._fruitless >= patience.fruitless:
            return None
        backoff = min(patience.first_s * 2.0 ** min(self._failed - 1, 30), patience.most_s)
        wait = backoff * (0.5 + self._draw() / 2)
        if asked_s is None:
            return wait
        return None if asked_s >= patience.asked_most_s else max(asked_s, wait)
