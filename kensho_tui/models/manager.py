"""ModelManager: the model asked for is in memory, whatever was there before.

Several may be resident. Asking for one that is there does nothing; a load under way is joined; one model is
loaded at a time; turns use the workers one after the other, in the order they came, because two models that
compute at once on one machine are both slow.
"""

import asyncio
import contextlib
import logging
import struct
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from kensho_tui.bus.codec import HEADER, FrameDecoder, encode, payload_size
from kensho_tui.core.contract import ModelInfo, Phase, WorkerInfo
from kensho_tui.core.errors import KenshoError, ProtocolError
from kensho_tui.core.frames import Load, ToWorker
from kensho_tui.core.model_contract import Unloaded
from kensho_tui.models.ahead import Spare, keep_frame
from kensho_tui.models.catalogue import check_file
from kensho_tui.models.kept_chats import KeptChats
from kensho_tui.models.loading import Loader, LoadJob, OnPhase, held
from kensho_tui.models.memory import Taken
from kensho_tui.models.plan import LoadPlan, Planner
from kensho_tui.models.prefetch import Prefetcher
from kensho_tui.models.resident import Resident
from kensho_tui.models.spawn import WORKER_COMMAND, spawn_worker
from kensho_tui.models.worker_process import WorkerProcess

log = logging.getLogger(__name__)

_LOADS: FrameDecoder[ToWorker] = FrameDecoder(ToWorker)


class ModelManager:
    """Holds the residents, by the path of their model's file.

    `changed` is called whenever `workers` would read otherwise.
    """

    def __init__(
        self,
        planner: Planner,
        changed: Callable[[], None],
        command: Sequence[str] = WORKER_COMMAND,
        cache: Path | None = None,
        kept: KeptChats | None = None,
        may_shrink: bool = True,
    ) -> None:
        self._planner = planner
        planner.taken = self.taken
        self._residents: dict[str, Resident] = {}
        self._changed = changed
        self._command = command
        self._cache = cache
        self.kept = kept or KeptChats(None)
        self._loader = Loader(planner, self._residents, self._retire, may_shrink)
        self._prefetcher = Prefetcher(command)
        self._job: LoadJob | None = None
        self._turns = asyncio.Lock()
        self._ending: set[asyncio.Task[None]] = set()
        self._retiring: dict[str, asyncio.Task[int]] = {}
        self._spare: Spare | None = None
        self._adopting: asyncio.Task[None] | None = None

    # --- what there is -------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        return self._turns.locked()

    @property
    def loading(self) -> ModelInfo | None:
        """The model that a load is under way for."""
        return self._job.resident.model if self._job is not None else None

    def residents(self) -> tuple[Resident, ...]:
        """Living residents, last used first."""
        living = [resident for resident in self._residents.values() if resident.alive]
        return tuple(sorted(living, key=lambda resident: -resident.last_used))

    def resident(self, path: str) -> Resident | None:
        """The ready or busy worker of the model file at `path`."""
        found = self._residents.get(path)
        return found if found is not None and found.alive and found.loaded is not None else None

    def workers(self) -> tuple[WorkerInfo, ...]:
        """The one that loads first, then those that are there."""
        job = self._job.resident if self._job is not None else None
        found = [job] if job is not None and job.alive else []
        return tuple(resident.info() for resident in (*found, *self.residents()))

    def taken(self) -> list[Taken]:
        """What our workers hold of the memory of their devices, the one that loads included."""
        loading = (self._job.resident,) if self._job is not None else ()
        return [
            Taken(resident.worker.pid, resident.device, resident.footprint)
            for resident in (*loading, *self._residents.values())
            if resident.footprint is not None and resident.alive
        ]

    # --- turns ---------------------------------------------------------------------------------------

    @asynccontextmanager
    async def use(self, model: ModelInfo, on_phase: OnPhase) -> AsyncIterator[Resident]:
        """The model's worker for one turn, loaded first if need be; other turns wait.

        Cancelling it while it loads cancels the load, unless somebody else wants the same.
        """
        on_phase(Phase(name="queued"))
        async with self._turns:
            resident = await self._ensure(model, on_phase)
            resident.leased = True
            try:
                yield resident
            finally:
                resident.leased = False
                resident.last_used = time.monotonic()

    async def _ensure(self, model: ModelInfo, on_phase: OnPhase) -> Resident:
        if self._adopting is not None:
            await asyncio.shield(self._adopting)
        while (resident := self.resident(model.path)) is None or resident.state == "closing":
            await self._retired(model.path)
            job = self._job or self._start_checked(model)
            if job.resident.model.path == model.path:
                await self._join(job, on_phase)
            elif job.wanted:
                on_phase(Phase(name="waiting", note=f"for {job.resident.model.name} to load"))
                await asyncio.wait([job.task])
            else:
                await self._cancel(job)
        return resident

    async def _join(self, job: LoadJob, on_phase: OnPhase) -> None:
        job.waiting += 1
        job.listeners.add(on_phase)
        on_phase(job.resident.phase or Phase(name="starting"))
        try:
            await asyncio.shield(job.task)
        except asyncio.CancelledError:
            if not job.task.done() and job.waiting == 1:
                await self._cancel(job)
            if job.task.cancelled() and not _is_cancelling():
                raise KenshoError("loading was cancelled", hint="Ask again to load it") from None
            raise
        finally:
            job.waiting -= 1
            job.listeners.discard(on_phase)

    # --- loading -------------------------------------------------------------------------------------

    async def prepare(self, model: ModelInfo, *, switch: bool = False, anyway: bool = False) -> None:
        """Load `model` ahead of a turn, never disturbing one.

        ``switch``: a person chose it: a load that only typing had begun gives way, and what goes wrong is
        raised. Otherwise a failure is left to the turn to tell.
        """
        if self._adopting is not None:
            await asyncio.shield(self._adopting)
        if self.resident(model.path) is not None or (self.busy and not switch):
            return
        job = self._job
        if job is not None and job.resident.model.path != model.path:
            if not switch or job.waiting:
                return
            await self._cancel(job)
        job = self._job or self._start_checked(model, wanted=switch, anyway=anyway)
        job.wanted = job.wanted or switch
        try:
            await asyncio.shield(job.task)
        except asyncio.CancelledError:
            if _is_cancelling():
                raise
            if switch:
                raise KenshoError("loading was cancelled", hint="Choose it again to load it") from None
        except KenshoError as error:
            log.info("loading %s ahead did not work out: %s", model.name, error)
            if switch:
                raise

    async def cancel_load(self) -> None:
        """End the load under way; those that wait for it are told."""
        if self._job is not None:
            await self._cancel(self._job)

    async def _cancel(self, job: LoadJob) -> None:
        job.task.cancel()
        await asyncio.wait([job.task])

    def _start_checked(self, model: ModelInfo, *, wanted: bool = False, anyway: bool = False) -> LoadJob:
        check_file(model)
        return self._start(model, wanted=wanted, anyway=anyway)

    def _start(
        self, model: ModelInfo, *, wanted: bool = False, anyway: bool = False, plan: LoadPlan | None = None
    ) -> LoadJob:
        """Begin to load; with `plan` the spare worker has been sent that already."""
        job = LoadJob(
            Resident(self._take_worker(), model, lambda: self._told(job)),
            wanted=wanted,
            anyway=anyway,
            sent=plan is not None,
        )
        job.task = asyncio.create_task(self._load(job, plan))
        self._job = job
        job.task.add_done_callback(lambda task: self._load_ended(task, job))
        return job

    def _take_worker(self) -> WorkerProcess:
        """One that was started in advance, else a new one."""
        spare, self._spare = self._spare, None
        if spare is not None:
            return WorkerProcess(spare.spawned)
        return self._prefetcher.take() or WorkerProcess(spawn_worker(self._command))

    def _told(self, job: LoadJob) -> None:
        if self._job is job and job.resident.phase is not None:
            for listener in list(job.listeners):
                listener(job.resident.phase)
        self._changed()

    async def _load(self, job: LoadJob, plan: LoadPlan | None) -> None:
        plan = plan or await self._planner.plan(job.resident.model)
        plan = await self._loader.load(job, plan)
        await self.kept.loaded(job.resident)
        if self._cache is not None:
            keep_frame(encode(plan.request), self._cache)

    def _load_ended(self, task: "asyncio.Task[None]", job: LoadJob) -> None:
        """Runs however the task ended, also when it was cancelled before its first step."""
        self._job = None
        # Whoever waited has seen the error; when nobody did, the next turn will meet it itself.
        if task.cancelled() or task.exception() is not None:
            self._end(job.resident.worker)
        else:
            self._residents[job.resident.model.path] = job.resident
        self._changed()

    # --- a worker started in advance -----------------------------------------------------------------

    def adopt(self, spare: Spare) -> None:
        """Take a worker that was started in advance: idle, or with a load under way if that is ours."""
        self._spare = spare
        request = _sent(spare.frame)
        if request is not None:
            self._adopting = asyncio.create_task(self._adopt(request))
        elif spare.frame:
            self._drop_spare()

    async def _adopt(self, request: Load) -> None:
        model = ModelInfo(name=Path(request.path).stem, path=request.path, size=0, source="path")
        try:
            plan = await self._planner.plan(model)
            if plan.request == request:
                self._start(model, plan=plan)
            else:
                self._drop_spare()
        except KenshoError as error:
            log.info("the last model is not loaded ahead: %s", error)
            self._drop_spare()
        finally:
            self._adopting = None

    def _drop_spare(self) -> None:
        spare, self._spare = self._spare, None
        if spare is not None:
            spare.end()

    async def prefetch(self, model: ModelInfo | None) -> None:
        """Bring the file into the page cache and start a worker for it, where it fits beside all that is
        there; None: no longer.
        """
        if model is None or self._job is not None or self.resident(model.path) is not None:
            await self._prefetcher.stop()
            return
        plan = await self._planner.plan(model)
        if plan.need.total <= (await self._planner.room(plan.device)).free and self._job is None:
            await self._prefetcher.start(model.path)

    # --- unloading -----------------------------------------------------------------------------------

    async def unload(self, path: str | None = None) -> Unloaded:
        """Free the memory of the model at `path`, or of all; a busy one stays. A load that nobody waits for
        is cancelled. The memory is free when this returns.
        """
        await self._prefetcher.stop()
        job = self._job
        cancelled = job is not None and not job.waiting and path in (None, job.resident.model.path)
        if job is not None and cancelled:
            await self._cancel(job)
        gone, busy, freed = [job.resident.model.name] if job is not None and cancelled else [], [], 0
        for resident in self.residents():
            if path not in (None, resident.model.path):
                continue
            if resident.leased:
                busy.append(resident.model.name)
                continue
            freed += await self._retire(resident)
            gone.append(resident.model.name)
        return Unloaded(models=tuple(gone), busy=tuple(busy), freed=freed)

    async def unload_unused(self) -> None:
        """End the workers that no turn uses; pinned ones stay."""
        if self.busy:
            return
        await self._prefetcher.stop()
        if self._job is not None and not self._job.waiting and not self._job.wanted:
            await self._cancel(self._job)
        for resident in self.residents():
            if not resident.pinned and not resident.leased:
                await self._retire(resident)

    def idle(self, device: str) -> list[str]:
        """Paths of those that may be unloaded to make room on `device`."""
        return [one.name for one in held(self._residents.values(), device)]

    def _retire(self, resident: Resident) -> "asyncio.Task[int]":
        """End a resident in an orderly way, its chat kept; gives the bytes that were its own."""
        path = resident.model.path
        known = self._retiring.get(path)
        if known is None:
            known = self._retiring[path] = asyncio.create_task(self._retire_now(resident))
            known.add_done_callback(lambda _task: self._retiring.pop(path, None))
        return known

    async def _retire_now(self, resident: Resident) -> int:
        await self.kept.save(resident)
        await resident.close()
        self._residents.pop(resident.model.path, None)
        self._changed()
        return resident.footprint.total if resident.footprint is not None else 0

    async def _retired(self, path: str) -> None:
        """Wait for the end of one that is going."""
        if (retiring := self._retiring.get(path)) is not None:
            await asyncio.wait([retiring])
        elif (dead := self._residents.get(path)) is not None and not dead.alive:
            del self._residents[path]

    def _end(self, worker: WorkerProcess) -> None:
        """Kill it now; `close` waits until it is gone."""
        worker.kill()
        ending = asyncio.create_task(worker.close())
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        """End all workers; what they hold of chats is kept."""
        if self._adopting is not None:
            self._adopting.cancel()
            await asyncio.wait([self._adopting])
        if self._job is not None:
            await self._cancel(self._job)
        for resident in self.residents():
            with contextlib.suppress(KenshoError):
                await self._retire(resident)
        await self._prefetcher.stop()
        await asyncio.gather(*self._ending)
        self._drop_spare()


def _sent(frame: bytes) -> Load | None:
    """The load in `frame`, None for anything else."""
    if not frame:
        return None
    try:
        whole = payload_size(frame[: HEADER.size]) == len(frame) - HEADER.size
        sent = _LOADS.decode(frame[HEADER.size :]) if whole else None
    except (ProtocolError, struct.error):
        return None
    return sent if isinstance(sent, Load) else None


def _is_cancelling() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
