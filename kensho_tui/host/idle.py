"""When to unload an unused model, and when the host has nothing left to do."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

FIRST_CONTACT_S = 10.0


@dataclass(frozen=True)
class Use:
    """What keeps a host busy: open connections (who connects may be about to ask), unfinished answers,
    downloads, which need no model, and benchmarks.
    """

    connections: int
    unfinished: int
    downloads: int = 0
    benches: int = 0

    @property
    def models_idle(self) -> bool:
        return self.connections == 0 and self.unfinished == 0 and self.benches == 0

    @property
    def idle(self) -> bool:
        return self.models_idle and self.downloads == 0


class Idleness:
    """Two timers: `unload` after `keep_alive_s` without use, `end` after `linger_s` without anybody."""

    def __init__(
        self, keep_alive_s: float, linger_s: float, unload: Callable[[], None], end: Callable[[], None]
    ) -> None:
        self._keep_alive_s = keep_alive_s
        self._linger_s = linger_s
        self._unload = unload
        self._end = end
        self._unload_timer: asyncio.TimerHandle | None = None
        self._contacted = False
        # Nobody has connected yet: whoever started us is about to.
        self._end_timer: asyncio.TimerHandle | None = asyncio.get_running_loop().call_later(
            max(linger_s, FIRST_CONTACT_S), end
        )

    def update(self, use: Use) -> None:
        """Start or cancel the timers for what is in use now."""
        self._contacted = self._contacted or use.connections > 0
        unused = use.models_idle and self._contacted
        self._unload_timer = self._plan(self._unload_timer, unused, self._keep_alive_s, self._unload)
        self._end_timer = self._plan(self._end_timer, use.idle, self._linger_s, self._end)

    @staticmethod
    def _plan(
        timer: asyncio.TimerHandle | None, wanted: bool, seconds: float, action: Callable[[], None]
    ) -> asyncio.TimerHandle | None:
        if not wanted:
            if timer is not None:
                timer.cancel()
            return None
        return timer or asyncio.get_running_loop().call_later(seconds, action)

    def close(self) -> None:
        for timer in (self._unload_timer, self._end_timer):
            if timer is not None:
                timer.cancel()
