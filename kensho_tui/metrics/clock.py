"""The time as a sampler sees it, so that tests can have one of their own."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    def cancel(self) -> None: ...


class Clock(Protocol):
    """``unix`` and ``monotonic`` in seconds; ``later`` calls back after so many."""

    def unix(self) -> float: ...

    def monotonic(self) -> float: ...

    def later(self, seconds: float, callback: Callable[[], None]) -> Timer: ...


class LoopClock:
    """The system's clocks, and the timers of the running event loop."""

    def unix(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        return asyncio.get_running_loop().call_later(seconds, callback)
