"""The GPUs as the host tells of them while nobody takes samples, looked at beside the loop."""

import asyncio
from collections.abc import Callable

from kensho_tui.hardware.card import Gpu
from kensho_tui.hardware.gpu import gpus


class CardLook:
    """``cards`` are what the last look saw; ``ended`` is called on the loop after each, `read` blocks."""

    def __init__(self, ended: Callable[[], None], read: Callable[[], tuple[Gpu, ...]] = gpus) -> None:
        self.cards: tuple[Gpu, ...] = ()
        self._tell = ended
        self._read = read
        self._looking: asyncio.Task[None] | None = None

    def begin(self) -> "asyncio.Task[None]":
        """Look once more, unless the last look goes on."""
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        return self._looking

    async def fresh(self) -> tuple[Gpu, ...]:
        """The cards as they are now; without sizes where a driver does not answer in time."""
        await asyncio.shield(self.begin())
        return self.cards

    async def _look(self) -> None:
        try:
            self.cards = await asyncio.to_thread(self._read)
        finally:
            self._looking = None
        self._tell()
