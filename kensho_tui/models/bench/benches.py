"""Benchmarks as they are asked for: one at a time, told while it runs, kept when it ends, applied."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine

import msgspec
from msgspec.structs import replace

from kensho_tui import __version__
from kensho_tui.core.bench_contract import (
    ApplyBench,
    BenchList,
    BenchRun,
    BenchSettings,
    ListBenches,
    StartBench,
)
from kensho_tui.core.contract import ModelInfo
from kensho_tui.core.errors import KenshoError, NotFoundError, StorageError, UsageError
from kensho_tui.core.ids import new_id
from kensho_tui.core.model_contract import ChangeModel, Defaults
from kensho_tui.core.text import one_line
from kensho_tui.models.bench.grid import FULL, QUICK, Machine
from kensho_tui.models.bench.run import Bench
from kensho_tui.models.bench.tools import Tools
from kensho_tui.models.library import Library
from kensho_tui.models.memory import RAM
from kensho_tui.models.plan import EngineOptions, family
from kensho_tui.storage.benches import KEPT, BenchRows
from kensho_tui.storage.dates import now

log = logging.getLogger(__name__)

TELL_S = 0.25
"""Between two news of a run."""
STOP_HINT = "Wait for its end, or stop it: kensho-tui bench --stop"


class Benches:
    """``tell`` gets a run under way now and then, and each end at once; ``changed`` is called when one begins
    or has ended.
    """

    def __init__(
        self,
        tools: Tools,
        library: Library,
        rows: BenchRows,
        default: Callable[[], Awaitable[ModelInfo]],
        tell: Callable[[BenchRun], None],
        changed: Callable[[], None],
    ) -> None:
        self._tools = tools
        self._library = library
        self._rows = rows
        self._default = default
        self._tell = tell
        self._changed = changed
        self._run: BenchRun | None = None
        self._bench: Bench | None = None
        self._task: asyncio.Task[None] | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._beside: set[asyncio.Task[None]] = set()
        self._starting = asyncio.Lock()

    @property
    def active(self) -> bool:
        return self._task is not None and not self._task.done()

    # --- one run ---------------------------------------------------------------------------------------

    async def start(self, request: StartBench) -> BenchRun:
        """The run that has begun. Raises `UsageError` while another one, or an answer, is under way."""
        async with self._starting:
            self._refuse()
            model = await (self._library.find(request.model) if request.model else self._default())
            self._refuse()
            run = BenchRun(
                id=new_id(),
                model=model.name,
                state="running",
                created=now(),
                quantisation=model.quantisation,
                cores=self._tools.cores,
                version=__version__,
                doing="loading the model",
            )
            pace = QUICK if request.quick else FULL
            if request.budget_s is not None:
                pace = pace.within(request.budget_s)
            self._run, self._keeping = run, None
            self._bench = Bench(self._tools, model, pace, run, self._told)
            self._task = asyncio.create_task(self._measure(self._bench, model))
        self._tell(run)
        self._changed()
        return run

    def _refuse(self) -> None:
        if self.active and self._run is not None:
            raise UsageError(f"a benchmark of {one_line(self._run.model)} is under way", hint=STOP_HINT)
        if self._tools.manager.busy:
            raise UsageError(
                "an answer is under way: both at once would measure neither",
                hint="Begin again when it has ended, or stop it first",
            )

    async def _measure(self, bench: Bench, model: ModelInfo) -> None:
        manager = self._tools.manager
        was_there = manager.residents.ready(model.path) is not None
        why = f"a benchmark of {model.name} runs; to stop it: kensho-tui bench --stop"
        try:
            async with manager.alone(model, why):
                await bench.measure()
            run = replace(bench.run, state="complete")
        except asyncio.CancelledError:
            run = replace(bench.run, state="stopped")
        except KenshoError as error:
            run = replace(bench.run, state="failed", error=error.message, hint=error.hint)
        except Exception as error:
            log.exception("the benchmark of %s failed", model.name)
            what = one_line(f"{type(error).__name__}: {error}")
            run = replace(bench.run, state="failed", error=f"an error inside the host: {what}")
        run = replace(run, ended=now(), doing="", eta_s=None, total=run.done)
        self._keeping = asyncio.create_task(self._keep(run))
        await asyncio.shield(self._keeping)
        if was_there:
            self._spawn(manager.prepare(model))

    async def _keep(self, run: BenchRun) -> None:
        """What was measured stays, also when the disk is full: then until the host ends."""
        if run.points:
            try:
                await self._rows.put(run)
            except StorageError as error:
                log.error("%s", error.message)
                run = replace(run, error=run.error or error.message, hint=run.hint or error.hint)
        self._bench = None
        self._run = run
        self._tell_now()
        # After this task, which counts as active to its end.
        asyncio.get_running_loop().call_soon(self._changed)

    async def stop(self, bench: str) -> None:
        """End a run; what it measured is kept. One that has ended already is no error."""
        if self._run is not None and self._run.id == bench:
            await self.end()
        elif await self._rows.get(bench) is None:
            raise NotFoundError(f"there is no benchmark {one_line(bench, 40)}")

    async def end(self) -> None:
        """Returns when nothing runs any more."""
        task = self._task
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait([task])
            if self._keeping is not None:
                await self._keeping  # it had ended by itself, or has been told to be stopped
            elif self._run is not None:
                # Cancelled before its first step.
                await self._keep(replace(self._run, state="stopped", ended=now(), doing=""))

    async def close(self) -> None:
        await self.end()
        for task in self._beside:
            task.cancel()
        if self._timer is not None:
            self._timer.cancel()

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(_quietly(work))
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    # --- telling ---------------------------------------------------------------------------------------

    def _told(self, run: BenchRun) -> None:
        self._run = run
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TELL_S, self._tell_now)

    def _tell_now(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._run is not None:
            self._tell(self._run)

    # --- what is kept ----------------------------------------------------------------------------------

    async def list(self, request: ListBenches) -> BenchList:
        """The one under way comes first. Raises `UsageError`, `NotFoundError` for a model."""
        if not 1 <= request.limit <= KEPT:
            raise UsageError(f"between 1 and {KEPT} benchmarks can be listed at once")
        model = await self._named(request.model) if request.model else None
        kept = await self._rows.last(request.limit, model)
        run = self._run if self.active else None
        if run is not None and model in (None, run.model):
            kept = (run, *(one for one in kept if one.id != run.id))
        return BenchList(runs=tuple([await self._as_now(one) for one in kept[: request.limit]]))

    async def _as_now(self, run: BenchRun) -> BenchRun:
        """What was applied may have been taken back or changed since."""
        made = next((one for one in run.recommendations if one.condition == run.applied), None)
        if made is None:
            return run
        try:
            now_set = await self._library.defaults(await self._library.find(run.model))
        except KenshoError:
            return replace(run, applied=None)
        wanted = applied(made.settings, now_set, self._tools.planner.options, gpu=family(run.device) != RAM)
        return run if wanted == now_set else replace(run, applied=None)

    async def _named(self, reference: str) -> str:
        """A model that was measured here, be it gone since, else one that is there."""
        wanted = reference.casefold()
        names = {*(await self._rows.models()), *([self._run.model] if self._run is not None else [])}
        whole = [name for name in names if name.casefold() == wanted]
        found = whole or [name for name in names if wanted in name.casefold()]
        return found[0] if len(found) == 1 else (await self._library.find(reference)).name

    async def apply(self, request: ApplyBench) -> Defaults:
        """Make a recommendation the model's defaults. Raises `NotFoundError`, `UsageError`."""
        run = await self._rows.get(request.bench)
        if run is None and self._run is not None and self._run.id == request.bench and not self.active:
            run = self._run
        if run is None:
            raise NotFoundError(f"there is no benchmark {one_line(request.bench, 40)} that has ended")
        made = next((one for one in run.recommendations if one.condition == request.condition), None)
        if made is None:
            raise UsageError(
                f"this benchmark came to no recommendation for a {request.condition} machine",
                hint="Run it to its end",
            )
        model = await self._library.find(run.model)
        before = await self._library.defaults(model)
        gpu = family(run.device) != RAM
        defaults = applied(made.settings, before, self._tools.planner.options, gpu=gpu)
        await self._library.change(ChangeModel(model=model.path, defaults=defaults))
        run = replace(run, applied=request.condition)
        await self._rows.put(run)
        if self._run is not None and self._run.id == run.id:
            self._run = run
            self._tell_now()
        if self._tools.manager.residents.ready(model.path) is not None:
            # Set up anew now: the next answer shall have it, and not only the next load.
            self._spawn(self._tools.manager.prepare(model, switch=True))
        return defaults


def applied(settings: BenchSettings, before: Defaults, options: EngineOptions, *, gpu: bool) -> Defaults:
    """``before`` with ``settings``: what the program would choose by itself is left to it (pure)."""
    usual = Machine(1, (1, 1), gpu=gpu).batch
    threads = (settings.threads, settings.threads) if settings.threads else options.paying
    changed = {
        "threads": None if threads == options.decoding(None) else settings.threads,
        "threads_batch": None if settings.threads_batch == options.threads_batch else settings.threads_batch,
        "batch": None if settings.batch == usual else settings.batch,
        "flash": None if settings.flash else False,
        "kv_type": None if settings.kv_type == options.kv_type else settings.kv_type,
        "gpu_layers": before.gpu_layers,
    }
    if gpu:
        changed["gpu_layers"] = None if settings.gpu_layers == options.gpu_layers else settings.gpu_layers
    return msgspec.convert({**msgspec.structs.asdict(before), **changed}, Defaults)


async def _quietly(work: Coroutine[object, object, None]) -> None:
    try:
        await work
    except KenshoError as error:
        log.info("a model is not loaded after a benchmark: %s", error)
