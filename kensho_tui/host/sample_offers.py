"""What the host offers on the bus about what this machine does now and did lately."""

import asyncio
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from kensho_tui.bus.endpoint import Endpoint, Peer
from kensho_tui.core import sample_contract as s
from kensho_tui.dialogue.response_cache import ResponseCache
from kensho_tui.dialogue.service import Dialogue
from kensho_tui.hardware.card import Gpu
from kensho_tui.host.model_rooms import ModelRooms
from kensho_tui.storage.database import Database
from kensho_tui.storage.files import family, size_of

if TYPE_CHECKING:
    from kensho_tui.metrics.sample import Counts
    from kensho_tui.metrics.sample_history import SampleKeeper
    from kensho_tui.metrics.sampler import Sampler

BEGIN_AFTER_S = 0.5
"""Nobody waits for the first sample of a turn, and somebody waits for its first word."""


@dataclass(kw_only=True)
class SampleOffers:
    """Handlers of the methods in `core.sample_contract`. Samples stay on disk for ``days``."""

    dialogue: Dialogue
    rooms: ModelRooms
    responses: ResponseCache
    database: Database
    days: float
    _beginning: asyncio.TimerHandle | None = None
    _closed: bool = False

    def register(self, bus: Endpoint) -> None:
        bus.register(s.SAMPLES, self._samples)
        bus.register(s.SAMPLE_HISTORY, self._history)

    @cached_property
    def _keeper(self) -> "SampleKeeper":
        from kensho_tui.metrics.sample_history import SampleKeeper
        from kensho_tui.storage.samples import SampleRows

        return SampleKeeper(SampleRows(self.database, self.days))

    @cached_property
    def _sampler(self) -> "Sampler":
        """Made when somebody asks, or something runs."""
        from kensho_tui.metrics.sampler import Sampler

        return Sampler(self._counts, lambda: _size(self.database.path), self._keeper)

    async def _samples(self, request: s.ReadSamples, peer: Peer) -> s.Samples:
        return await self._sampler.read(request)

    async def _history(self, request: s.ReadSampleHistory, peer: Peer) -> s.SampleHistory:
        return await self._keeper.history(request)

    # --- what the host tells it ----------------------------------------------------------------------

    @property
    def _working(self) -> bool:
        return bool(self.dialogue.streams or self.rooms.downloading or self.rooms.manager.loading is not None)

    def changed(self) -> None:
        """Something may have begun."""
        if self._beginning is not None or self._closed:
            return
        if self._working and not (self._made and self._sampler.running):
            self._beginning = asyncio.get_running_loop().call_later(BEGIN_AFTER_S, self._begin)

    def _begin(self) -> None:
        self._beginning = None
        if self._working:
            self._sampler.wake()

    @property
    def _made(self) -> bool:
        return "_sampler" in vars(self)

    @property
    def gpus(self) -> tuple[Gpu, ...] | None:
        """The cards as samples show them now; None: nobody looks at them."""
        return self._sampler.gpus if self._made else None

    async def prune(self) -> None:
        """Drop what is too old on disk; a full disk may keep it."""
        await self._keeper.prune()

    async def close(self) -> None:
        self._closed = True
        if self._beginning is not None:
            self._beginning.cancel()
        if self._made:
            await self._sampler.close()

    def _counts(self) -> "Counts":
        from kensho_tui.metrics.sample import Counts

        tally, cache, rooms = self.dialogue.tally(), self.responses, self.rooms
        measured = rooms.manager.measured
        downloading = rooms.downloading
        return Counts(
            workers=rooms.manager.workers(),
            working=self._working,
            streams=tally.streams,
            queued=tally.queued,
            written=tally.written + measured.written,
            read=tally.read + measured.read,
            downloads=downloading,
            download_rate=sum(view.rate for view in rooms.downloads.views()) if downloading else 0.0,
            cache_hits=cache.hits,
            cache_asked=cache.hits + cache.misses,
        )


def _size(path: Path) -> int:
    """Bytes of a database, its write-ahead log included."""
    return sum(size_of(part) for part in family(path))
