"""The GPUs as the host tells of them while nobody takes samples, looked at beside the loop: drivers hang."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from kensho_tui.hardware.card import Gpu
from kensho_tui.hardware.gpu import gpus

if TYPE_CHECKING:
    from kensho_tui.metrics.aside import Aside

LATE_S = 1.0
"""A look that takes longer is one at a driver that hangs: what was seen before it is old by then."""


class CardLook:
    """What the last look saw. ``ended`` is called on the loop after each; `read` blocks."""

    def __init__(self, ended: Callable[[], None], read: Callable[[], tuple[Gpu, ...]] = gpus) -> None:
        self._tell = ended
        self._read = read
        self._aside: Aside[tuple[Gpu, ...]] | None = None
        self._seen: tuple[Gpu, ...] = ()
        self._began = 0.0
        self._ended = asyncio.Event()

    @property
    def cards(self) -> tuple[Gpu, ...]:
        """None while a driver does not answer."""
        return () if self._left <= 0 else self._seen

    @property
    def _left(self) -> float:
        """Seconds in which the look under way is not late yet."""
        looking = self._aside is not None and self._aside.busy
        return self._began + LATE_S - time.monotonic() if looking else LATE_S

    def begin(self) -> None:
        """Look once more, unless the last look goes on."""
        from kensho_tui.metrics.aside import Aside  # most hosts have no GPU

        self._aside = self._aside or Aside("a look at the cards")
        if self._aside.start(self._read, self._done):
            self._began = time.monotonic()
            self._ended.clear()

    async def fresh(self) -> tuple[Gpu, ...]:
        """The cards as they are now; none where a driver does not answer in time."""
        self.begin()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(self._left, 0)):
                await self._ended.wait()
        return self.cards

    def _done(self, found: tuple[Gpu, ...] | None) -> None:
        self._seen = found or ()
        if self._aside is not None:
            self._aside.rest()  # an idle host has no threads
        self._ended.set()
        self._tell()
