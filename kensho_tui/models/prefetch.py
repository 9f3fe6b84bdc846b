"""Prefetch: a worker without a model reads the file of the row a person looks at into the page cache."""

import asyncio
import logging
from collections.abc import Sequence

from kensho_tui.core.errors import KenshoError
from kensho_tui.core.frames import Prefetch
from kensho_tui.models.spawn import spawn_worker
from kensho_tui.models.worker_process import WorkerProcess

log = logging.getLogger(__name__)

KEPT_S = 60.0


class Prefetcher:
    """At most one worker in advance; it ends when nobody takes it within `KEPT_S`."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._worker: WorkerProcess | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._turn = 0

    def turn(self) -> int:
        """A number for each wish: what one needs to know may come later than the next wish."""
        self._turn += 1
        return self._turn

    def is_newest(self, turn: int) -> bool:
        return turn == self._turn

    async def start(self, path: str) -> None:
        """Read the file at `path`; what was read before goes on no further."""
        if self._worker is None or self._worker.ended.is_set():
            self._worker = WorkerProcess(spawn_worker(self._command))
        self._plan_end()
        try:
            await self._worker.send(Prefetch(path=path))
        except KenshoError as error:
            log.info("reading ahead did not work out: %s", error)

    def take(self) -> WorkerProcess | None:
        """The worker, for a load: it ends what it reads when that is another file."""
        worker, self._worker = self._worker, None
        self._cancel_timer()
        return worker if worker is not None and not worker.ended.is_set() else None

    async def stop(self) -> None:
        worker, self._worker = self._worker, None
        self._cancel_timer()
        if worker is not None:
            await worker.close()
        if self._stopping is not None:
            await asyncio.wait([self._stopping])

    def _plan_end(self) -> None:
        self._cancel_timer()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(KEPT_S, self._expire)

    def _expire(self) -> None:
        worker, self._worker = self._worker, None
        self._timer = None
        if worker is not None:
            self._stopping = asyncio.get_running_loop().create_task(worker.close())

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
