"""ModelManager: the model asked for is in memory, whatever was there before.

Several may be resident. Asking for one that is there does nothing; a load under way is joined; one model is
loaded at a time; turns use the workers one after the other, in the order they came, because two models that
compute at once on one machine are both slow.
"""

import asyncio
import logging
import struct
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from kensho_tui.bus.codec import HEADER, FrameDecoder, encode, payload_size
from kensho_tui.core.contract import ModelInfo, Phase, WorkerInfo
from kensho_tui.core.errors import KenshoError, ProtocolError
from kensho_tui.core.frames import Load, ToWorker
from kensho_tui.core.model_contract import Unloaded
from kensho_tui.models.ahead import Spare, keep_frame
from kensho_tui.models.catalogue import check_file
from kensho_tui.models.kept_chats import KeptChats
from kensho_tui.models.loading import Loader, LoadJob, OnPhase
from kensho_tui.models.plan import LoadPlan, Planner
from kensho_tui.models.prefetch import Prefetcher
from kensho_tui.models.resident import Resident, Tokens
from kensho_tui.models.residents import Residents
from kensho_tui.models.spawn import WORKER_COMMAND, spawn_worker
from kensho_tui.models.worker_process import WorkerProcess

log = logging.getLogger(__name__)

_LOADS: FrameDecoder[ToWorker] = FrameDecoder(ToWorker)


class ModelManager:
    """`changed` is called whenever `workers` would read otherwise."""

    def __init__(
        self,
        planner: Planner,
        changed: Callable[[], None],
        command: Sequence[str] = WORKER_COMMAND,
        cache: Path | None = None,
        kept: KeptChats | None = None,
        may_retry: bool = True,
    ) -> None:
        self.kept = kept or KeptChats(None)
        self.residents = Residents(self.kept, changed)
        planner.taken = self.residents.taken
        self._planner = planner
        self._changed = changed
        self._command = command
        self._cache = cache
        self._loader = Loader(planner, self.residents, may_retry)
        self._prefetcher = Prefetcher(command)
        self._job: LoadJob | None = None
        self._turns = asyncio.Lock()
        self._asked: Counter[str] = Counter()  # turns that use or wait for the model at a path
        self._closed = False
        self.held = ""
        """Why turns have to wait, as they are told; empty: `alone` has not been entered."""
        self.measured = Tokens()
        """Those of benchmarks: turns count their own."""
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

    def workers(self) -> tuple[WorkerInfo, ...]:
        """The one that loads first, then those that are there."""
        job = self._job.resident if self._job is not None else None
        found = [job] if job is not None and job.alive else []
        return tuple(resident.info() for resident in (*found, *self.residents.all()))

    # --- turns ---------------------------------------------------------------------------------------

    @asynccontextmanager
    async def use(self, model: ModelInfo, on_phase: OnPhase) -> AsyncIterator[Resident]:
        """The model's worker for one turn, loaded first if need be; other turns wait.

        Cancelling it while it loads cancels the load, unless another turn waits for it or a person switched
        to the model.
        """
        on_phase(Phase(name="queued", note=self.held))
        with self._asking(model):
            async with self._turns, self.lease(model, on_phase) as resident:
                yield resident

    @asynccontextmanager
    async def lease(self, model: ModelInfo, on_phase: OnPhase) -> AsyncIterator[Resident]:
        """The model's worker, for whoever holds the turns' lock: `use`, or one inside `alone`."""
        resident = await self._ensure(model, on_phase)
        resident.leased = True
        try:
            yield resident
        finally:
            resident.leased = False
            resident.last_used = time.monotonic()

    @contextmanager
    def _asking(self, model: ModelInfo) -> Iterator[None]:
        self._asked[model.path] += 1
        try:
            yield
        finally:
            self._asked[model.path] -= 1

    @asynccontextmanager
    async def alone(self, model: ModelInfo, why: str) -> AsyncIterator[None]:
        """Nobody else gets a worker, and no other model is loaded, until this is left; turns wait and are
        told ``why``. Raises `KenshoError` where one is under way.
        """
        if self.busy:
            raise KenshoError("an answer is under way", hint="Ask again when it has ended, or stop it first")
        async with self._turns:
            self.held = why
            try:
                with self._asking(model):
                    await self._prefetcher.stop()
                    yield
            finally:
                self.held = ""

    async def _ensure(self, model: ModelInfo, on_phase: OnPhase) -> Resident:
        """Nothing is awaited between the last look and the return, so that nobody retires it meanwhile."""
        await self._adopted()
        await self.residents.let_go_of_replaced(model.path)
        if self.residents.ready(model.path) is None:
            await asyncio.to_thread(check_file, model)
        while (resident := self.residents.ready(model.path)) is None:
            await self.residents.gone(model.path)
            job = self._job
            if job is None or job.path == model.path:
                await self._join(job or self._start(model), on_phase)
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
            # Unlike the task itself this always yields, so that a load that has ended is seen to have.
            await asyncio.wait([job.task])
        except asyncio.CancelledError:
            if self._asked[job.path] == 1 and not job.wanted:
                await self._cancel(job)
            raise
        finally:
            job.waiting -= 1
            job.listeners.discard(on_phase)
        if not job.task.cancelled():
            job.task.result()
        elif job.given_up:
            raise KenshoError("loading was cancelled", hint="Ask again to load it")

    # --- loading -------------------------------------------------------------------------------------

    async def prepare(self, model: ModelInfo, *, switch: bool = False, anyway: bool = False) -> None:
        """Load `model` ahead of a turn, never disturbing one.

        ``switch``: a person chose it: another load that no turn waits for gives way, and what goes wrong is
        raised. Otherwise a failure is left to the turn to tell.
        """
        await self._adopted()
        await self.residents.let_go_of_replaced(model.path)
        try:
            for last in (False, True):
                if self.residents.ready(model.path) is None:
                    await asyncio.to_thread(check_file, model)
                job = await self._job_for(model, switch=switch)
                if job is not None:
                    job.wanted, job.anyway = job.wanted or switch, job.anyway or anyway
                    await asyncio.shield(job.task)
                # A person who switches wants the model as they have set it up meanwhile.
                if last or not switch or not await self._retire_outdated(model):
                    return
        except asyncio.CancelledError:
            if _is_cancelling():
                raise
            if switch:
                raise KenshoError("loading was cancelled", hint="Choose it again to load it") from None
        except KenshoError as error:
            log.info("loading %s ahead did not work out: %s", model.name, error)
            if switch:
                raise

    async def _retire_outdated(self, model: ModelInfo) -> bool:
        """End the resident of `model` where it was loaded in another way than it would be now."""
        plan = await self._planner.plan(model)
        resident = self.residents.ready(model.path)
        if resident is None or resident.leased or resident.request == plan.request:
            return False
        await self.residents.retire([model.path])
        return True

    async def _job_for(self, model: ModelInfo, *, switch: bool) -> LoadJob | None:
        """A load of `model`; None where it is there, or, if that was no switch, others come first."""
        if switch and self.held:
            raise KenshoError(f"no model can be loaded now: {self.held}", hint="Choose it again after that")
        if switch and self._job is not None and self._job.path != model.path and not self._job.waiting:
            await self._cancel(self._job)
        while self.residents.ready(model.path) is None:
            await self.residents.gone(model.path)
            job = self._job
            if not switch and (self.busy or (job is not None and job.path != model.path)):
                return None
            if job is None or job.path == model.path:
                return job or self._start(model)
            await (asyncio.wait([job.task]) if job.waiting else self._cancel(job))
        return None

    async def cancel_load(self) -> None:
        """End the load under way; those that wait for it are told."""
        if self._job is not None:
            self._job.given_up = True
            await self._cancel(self._job)

    async def _cancel(self, job: LoadJob) -> None:
        job.task.cancel()
        await asyncio.wait([job.task])

    def _start(self, model: ModelInfo, plan: LoadPlan | None = None) -> LoadJob:
        """Begin to load; with `plan` the spare worker has been sent that already."""
        if self._closed:
            raise KenshoError("the host is ending", hint="Ask again: a new one starts")
        worker = self._take_worker()
        job = LoadJob(Resident(worker, model, lambda: self._told(job)), sent=plan is not None)
        job.task = asyncio.create_task(self._load(job, plan))
        self._job, self.residents.loading = job, job.resident
        job.task.add_done_callback(lambda task: self._load_ended(task, job))
        return job

    def _take_worker(self) -> WorkerProcess:
        """One that was started in advance, else a new one."""
        spare, self._spare = self._spare, None
        if spare is not None and spare.spawned.process.poll() is None:
            return WorkerProcess(spare.spawned)
        return self._prefetcher.take() or WorkerProcess(spawn_worker(self._command))

    def _told(self, job: LoadJob) -> None:
        if self._job is job and job.resident.phase is not None:
            for listener in list(job.listeners):
                listener(job.resident.phase)
        self._changed()

    async def _load(self, job: LoadJob, plan: LoadPlan | None) -> None:
        plan = plan or await self._planner.plan(job.resident.model)
        await self.kept.watch(job.resident)
        plan = await self._loader.load(job, plan)
        await self.kept.loaded(job.resident)
        if not job.resident.alive:
            raise job.resident.worker.death()
        if self._cache is not None:
            await asyncio.to_thread(keep_frame, encode(plan.request), self._cache)

    def _load_ended(self, task: "asyncio.Task[None]", job: LoadJob) -> None:
        """Runs however the task ended, also when it was cancelled before its first step."""
        self._job = self.residents.loading = None
        # Whoever waited has seen the error; when nobody did, the next turn will meet it itself.
        if task.cancelled() or task.exception() is not None:
            self.residents.end(job.resident.worker)
        else:
            self.residents.add(job.resident)
        self._changed()

    # --- a worker started in advance -----------------------------------------------------------------

    def adopt(self, spare: Spare) -> None:
        """Take a worker that was started in advance: idle, or with a load under way if that is ours."""
        self._spare = spare
        if spare.frame:
            self._adopting = asyncio.create_task(self._adopt(_sent(spare.frame)))

    async def _adopt(self, request: Load | None) -> None:
        try:
            model = await self._planner.find(request.path) if request is not None else None
            plan = await self._planner.plan(model) if model is not None else None
            if model is not None and plan is not None and plan.request == request:
                self._start(model, plan)
            else:
                await self._drop_spare()
        except KenshoError as error:
            log.info("the last model is not loaded ahead: %s", error)
            await self._drop_spare()
        finally:
            self._adopting = None

    async def _adopted(self) -> None:
        if self._adopting is not None:
            await asyncio.shield(self._adopting)

    async def _drop_spare(self) -> None:
        spare, self._spare = self._spare, None
        if spare is not None:
            await asyncio.to_thread(spare.end)

    async def prefetch(self, model: ModelInfo | None) -> None:
        """Bring the file into the page cache and start a worker for it, where it fits beside all that is
        there; None: no longer.
        """
        turn = self._prefetcher.turn()
        if (
            model is None
            or self.held
            or self._job is not None
            or self.residents.ready(model.path) is not None
        ):
            await self._prefetcher.stop()
            return
        plan = await self._planner.plan(model)
        room = await self._planner.room(plan.device)
        may_begin = self._job is None and not self.held and self._prefetcher.is_newest(turn)
        if may_begin and plan.need.total <= room.free:
            await self._prefetcher.start(model.path)

    # --- unloading -----------------------------------------------------------------------------------

    async def unload(self, path: str | None = None) -> Unloaded:
        """Free the memory of the model at `path`, or of all; one that a turn uses or waits for stays. The
        memory is free when this returns.
        """
        await self._prefetcher.stop()
        gone: list[str] = []
        busy: list[str] = []
        job = self._job
        if job is not None and path in (None, job.path):
            if job.waiting:
                busy.append(job.resident.model.name)
            else:
                await self._cancel(job)
                gone.append(job.resident.model.name)
        meant = [one for one in self.residents.all() if path in (None, one.model.path)]
        busy += [one.model.name for one in meant if one.leased]
        idle = [one for one in meant if not one.leased]
        freed = await self.residents.retire(one.model.path for one in idle)
        await self.residents.settled()
        names = (*gone, *(one.model.name for one in idle))
        return Unloaded(models=names, busy=tuple(busy), freed=freed, bench=bool(busy and self.held))

    async def unload_unused(self) -> None:
        """End the workers that no turn uses; pinned ones stay."""
        if self.busy:
            return
        await self._prefetcher.stop()
        job = self._job
        if job is not None and not job.waiting and not job.wanted:
            await self._cancel(job)
        unused = [one for one in self.residents.staying() if not one.pinned and not one.leased]
        await self.residents.retire(one.model.path for one in unused)

    async def close(self) -> None:
        """End all workers; what they hold of chats is kept. None is started any more."""
        self._closed = True
        if self._adopting is not None:
            self._adopting.cancel()
            await asyncio.wait([self._adopting])
        await self.cancel_load()
        await self.residents.retire(one.model.path for one in self.residents.all())
        await self.residents.settled()
        await self._prefetcher.stop()
        await self._drop_spare()


def _sent(frame: bytes) -> Load | None:
    """The load in `frame`, None for anything else."""
    try:
        whole = payload_size(frame[: HEADER.size]) == len(frame) - HEADER.size
        sent = _LOADS.decode(frame[HEADER.size :]) if whole else None
    except (ProtocolError, struct.error):
        return None
    return sent if isinstance(sent, Load) else None


def _is_cancelling() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
