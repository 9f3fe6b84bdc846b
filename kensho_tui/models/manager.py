"""ModelManager: the model asked for is in memory, whatever was there before.

One model at a time for now. Asking for the one that is there does nothing; a load under way is joined;
turns use the worker one after the other, in the order they came.
"""

import asyncio
import logging
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kensho_tui.bus.codec import HEADER, FrameDecoder, encode, payload_size
from kensho_tui.core.contract import ModelInfo, Phase, WorkerInfo
from kensho_tui.core.errors import KenshoError, ProtocolError
from kensho_tui.core.frames import Load, ToWorker
from kensho_tui.models.ahead import Spare, keep_frame
from kensho_tui.models.catalogue import check_file
from kensho_tui.models.resident import Resident
from kensho_tui.models.spawn import WORKER_COMMAND, spawn_worker
from kensho_tui.models.worker_process import WorkerProcess

log = logging.getLogger(__name__)

OnPhase = Callable[[Phase], None]
_LOADS: FrameDecoder[ToWorker] = FrameDecoder(ToWorker)


@dataclass(frozen=True)
class EngineOptions:
    """What a model is loaded with. ``context`` in tokens, an upper bound (0: all it was trained for)."""

    context: int
    threads: int
    threads_most: int
    threads_batch: int
    gpu_layers: int = -1


@dataclass
class _LoadJob:
    """A load that any number of turns wait for; the last one that gives up cancels it."""

    resident: Resident
    task: asyncio.Task[None]
    waiting: int = 0
    listeners: set[OnPhase] = field(default_factory=set)


class ModelManager:
    """Holds at most one `Resident`. `changed` is called whenever `workers` would read otherwise."""

    def __init__(
        self,
        options: EngineOptions,
        changed: Callable[[], None],
        command: Sequence[str] = WORKER_COMMAND,
        cache: Path | None = None,
    ) -> None:
        self.options = options
        self._changed = changed
        self._command = command
        self._cache = cache
        self._resident: Resident | None = None
        self._job: _LoadJob | None = None
        self._turns = asyncio.Lock()
        self._ending: set[asyncio.Task[None]] = set()
        self._spare: Spare | None = None

    @property
    def busy(self) -> bool:
        return self._turns.locked()

    @property
    def resident(self) -> Resident | None:
        return self._resident if self._resident is not None and self._resident.alive else None

    def workers(self) -> tuple[WorkerInfo, ...]:
        resident = self._job.resident if self._job is not None else self.resident
        return (resident.info(),) if resident is not None and resident.alive else ()

    def adopt(self, spare: Spare) -> None:
        """Take a worker that was started in advance: idle, or with a load under way if that is ours."""
        self._spare = spare
        if not spare.frame:
            return
        try:
            whole = payload_size(spare.frame[: HEADER.size]) == len(spare.frame) - HEADER.size
            sent = _LOADS.decode(spare.frame[HEADER.size :]) if whole else None
        except (ProtocolError, struct.error):
            sent = None
        if not isinstance(sent, Load) or sent != self._request(sent.path):
            self._drop_spare()
            return
        name = Path(sent.path).stem
        self._start(ModelInfo(name=name, path=sent.path, size=0, source="path"))

    @asynccontextmanager
    async def use(self, model: ModelInfo, on_phase: OnPhase) -> AsyncIterator[Resident]:
        """The model's worker for one turn, loaded first if need be; other turns wait.

        Cancelling it while it loads cancels the load, unless another turn waits for the same.
        """
        on_phase(Phase(name="queued"))
        async with self._turns:
            yield await self._ensure(model, on_phase)

    async def prepare(self, model: ModelInfo) -> None:
        """Load `model` ahead of a turn, never disturbing one; a failure is left to the turn to tell."""
        if self.busy or self._job is not None or self._holds(model):
            return
        try:
            await asyncio.shield(self._start_checked(model).task)
        except (KenshoError, asyncio.CancelledError) as error:
            log.info("loading %s ahead did not work out: %s", model.name, error)

    async def unload_unused(self) -> None:
        """End the worker unless a turn uses it or waits for it."""
        if not self.busy and (self._job is None or self._job.waiting == 0):
            await self._unload()

    async def _unload(self) -> None:
        """End the worker; its memory is free when this returns. A load under way is cancelled."""
        if self._job is not None:
            self._job.task.cancel()
            await asyncio.wait([self._job.task])
        resident, self._resident = self._resident, None
        if resident is not None:
            await resident.close()
        self._changed()

    async def close(self) -> None:
        await self._unload()
        await asyncio.gather(*self._ending)
        self._drop_spare()

    def _holds(self, model: ModelInfo) -> bool:
        resident = self.resident
        return resident is not None and resident.model.path == model.path and resident.loaded is not None

    async def _ensure(self, model: ModelInfo, on_phase: OnPhase) -> Resident:
        while not self._holds(model):
            job = self._job or self._start_checked(model)
            if job.resident.model.path != model.path:
                job.task.cancel()
                await asyncio.wait([job.task])
                continue
            await self._join(job, on_phase)
        resident = self.resident
        if resident is None:
            raise self._died()
        return resident

    def _died(self) -> KenshoError:
        return KenshoError("the model's worker ended before it could be used", hint="Ask again")

    async def _join(self, job: _LoadJob, on_phase: OnPhase) -> None:
        job.waiting += 1
        job.listeners.add(on_phase)
        on_phase(job.resident.phase or Phase(name="starting"))
        try:
            await asyncio.shield(job.task)
        except asyncio.CancelledError:
            if not job.task.done() and job.waiting == 1:
                job.task.cancel()
                await asyncio.wait([job.task])
            if job.task.cancelled() and not _is_cancelling():
                raise KenshoError("loading was cancelled", hint="Ask again to load it") from None
            raise
        finally:
            job.waiting -= 1
            job.listeners.discard(on_phase)

    def _start_checked(self, model: ModelInfo) -> _LoadJob:
        check_file(model)
        return self._start(model)

    def _start(self, model: ModelInfo) -> _LoadJob:
        old, self._resident = self._resident, None
        spare, self._spare = self._spare, None
        worker = WorkerProcess(spare.spawned if spare is not None else spawn_worker(self._command))
        job: _LoadJob | None = None

        def changed() -> None:
            if job is not None and resident.phase is not None and self._job is job:
                for listener in list(job.listeners):
                    listener(resident.phase)
            self._changed()

        resident = Resident(worker, model, changed)
        sent = spare is not None and bool(spare.frame)
        job = _LoadJob(resident, asyncio.create_task(self._load(resident, old, sent)))
        self._job = job
        job.task.add_done_callback(lambda task: self._load_ended(task, resident, old))
        return job

    def _load_ended(self, task: asyncio.Task[None], resident: Resident, old: Resident | None) -> None:
        """Runs however the task ended, also when it was cancelled before its first step."""
        self._job = None
        # Whoever waited has seen the error; when nobody did, the next turn will meet it itself.
        if task.cancelled() or task.exception() is not None:
            self._end(resident.worker)
            if old is not None:
                self._end(old.worker)
        else:
            self._resident = resident
        self._changed()

    def _end(self, worker: WorkerProcess) -> None:
        """Kill it now; `close` waits until it is gone."""
        worker.kill()
        ending = asyncio.create_task(worker.close())
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    def _drop_spare(self) -> None:
        spare, self._spare = self._spare, None
        if spare is not None:
            spare.end()

    def _request(self, path: str) -> Load:
        options = self.options
        return Load(
            path=path,
            context=options.context,
            gpu_layers=options.gpu_layers,
            threads=options.threads,
            threads_most=options.threads_most,
            threads_batch=options.threads_batch,
        )

    async def _load(self, resident: Resident, old: Resident | None, sent: bool) -> None:
        request = self._request(resident.model.path)
        if old is not None:
            await old.close()
        await resident.load(request, sent=sent)
        if self._cache is not None:
            keep_frame(encode(request), self._cache)


def _is_cancelling() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
