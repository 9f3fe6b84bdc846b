"""Benchmarks as they are asked for: one at a time, told while it runs, kept when it ends, applied."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from kensho_tui import __version__
from kensho_tui.core.bench_contract import (
    Applied,
    ApplyBench,
    BenchList,
    BenchRef,
    BenchRun,
    ListBenches,
    StartBench,
)
from kensho_tui.core.contract import BenchNow, ModelInfo
from kensho_tui.core.errors import KenshoError, NotFoundError, StorageError, UsageError
from kensho_tui.core.ids import new_id
from kensho_tui.core.model_contract import ChangeModel, Defaults
from kensho_tui.core.tasks import start_in
from kensho_tui.core.text import one_line
from kensho_tui.models.bench.defaults import as_now, taken_back, with_settings
from kensho_tui.models.bench.grid import FULL, QUICK
from kensho_tui.models.bench.run import Bench
from kensho_tui.models.bench.tools import Tools
from kensho_tui.models.library import Library
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
        self._task: asyncio.Task[None] | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._beside: set[asyncio.Task[None]] = set()
        self._starting = asyncio.Lock()

    @property
    def active(self) -> bool:
        return self._task is not None and not self._task.done()

    @property
    def now(self) -> BenchNow | None:
        """The one under way, as the host tells of it."""
        run = self._run
        if not self.active or run is None or run.state != "running":
            return None
        return BenchNow(model=run.model, left_s=run.eta_s)

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
            bench = Bench(self._tools, model, pace, run, self._told, self._keep_so_far)
            self._task = asyncio.create_task(self._measure(bench, model))
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
            self._prepare(model)

    async def _keep_so_far(self, run: BenchRun) -> None:
        """As it is to be listed should the host be killed: then nobody is left who could put it right."""
        try:
            await self._rows.put(replace(run, state="interrupted", doing="", eta_s=None))
        except StorageError as error:
            log.warning("%s", error.message)  # told at its end, when that cannot be kept either

    async def _keep(self, run: BenchRun) -> None:
        """What was measured stays, also when the disk is full: then until the host ends."""
        if run.points:
            try:
                await self._rows.put(run)
            except StorageError as error:
                log.error("%s", error.message)
                run = replace(run, error=run.error or error.message, hint=run.hint or error.hint)
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

    def _prepare(self, model: ModelInfo, *, switch: bool = False) -> None:
        """Load `model` as `ModelManager.prepare` does; nobody waits for it."""
        start_in(self._beside, self._prepared(model, switch=switch))

    async def _prepared(self, model: ModelInfo, *, switch: bool) -> None:
        try:
            await self._tools.manager.prepare(model, switch=switch)
        except KenshoError as error:
            log.info("a model is not loaded after a benchmark: %s", error)

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
        last = self._run
        if last is not None:
            # The one under way, or one whose end the disk had no room for.
            kept = tuple(last if one.id == last.id else one for one in kept)
            if last.state == "running" and last not in kept and model in (None, last.model):
                kept = (last, *kept)
        shown = kept[: request.limit]
        defaults = {
            run.model: await self._defaults(run) for run in {run.model: run for run in shown}.values()
        }
        options = self._tools.planner.options
        return BenchList(
            runs=tuple([as_now(run, defaults[run.model], options, gpu=run.on_gpu) for run in shown])
        )

    async def _defaults(self, run: BenchRun) -> Defaults | None:
        """Those that its model has now; None: it is gone."""
        try:
            return await self._library.defaults(await self._still_there(run))
        except KenshoError:
            return None

    async def _named(self, reference: str) -> str:
        """A model that was measured here, be it gone since, else one that is there."""
        wanted = reference.casefold()
        names = {*(await self._rows.models()), *([self._run.model] if self._run is not None else [])}
        whole = [name for name in names if name.casefold() == wanted]
        found = whole or [name for name in names if wanted in name.casefold()]
        return found[0] if len(found) == 1 else (await self._library.find(reference)).name

    async def _still_there(self, run: BenchRun) -> ModelInfo:
        """The model of a run. Raises `NotFoundError` where it is gone: its name may be part of another's."""
        found = await self._library.find(run.model)
        if found.name != run.model:
            raise NotFoundError(f"the model {one_line(run.model)} is no longer here")
        return found

    async def _ended(self, bench: str) -> BenchRun:
        """A run that is no longer under way. Raises `NotFoundError`."""
        last = self._run if self._run is not None and self._run.id == bench else None
        run = last or await self._rows.get(bench)
        if run is None or run.state == "running":
            raise NotFoundError(f"there is no benchmark {one_line(bench, 40)} that has ended")
        return run

    async def apply(self, request: ApplyBench) -> Defaults:
        """Make a recommendation the model's defaults. Raises `NotFoundError`, `UsageError`."""
        run = await self._ended(request.bench)
        made = run.recommended(request.condition)
        if made is None:
            raise UsageError(
                f"this benchmark came to no recommendation for a {request.condition} machine",
                hint="Run it to its end",
            )
        model = await self._still_there(run)
        now_set = await self._library.defaults(model)
        defaults = with_settings(made.settings, now_set, self._tools.planner.options, gpu=run.on_gpu)
        # The other recommendation of this run may be what is there now: what was before both comes back.
        without = taken_back(now_set, run.change) if run.change is not None else now_set
        change = Applied(at=now(), before=without, after=defaults) if without != defaults else None
        # Kept first: what cannot be taken back is not set.
        await self._put(replace(run, applied=request.condition, change=change))
        await self._set(model, defaults)
        return defaults

    async def undo(self, request: BenchRef) -> Defaults:
        """Take back what of a run's recommendation nobody has changed since. Raises `NotFoundError`, and
        `UsageError` where there is no such thing.
        """
        run = await self._ended(request.bench)
        model = await self._still_there(run)
        now_set = await self._library.defaults(model)
        defaults = taken_back(now_set, run.change) if run.change is not None else now_set
        if defaults == now_set:
            raise UsageError(
                f"this benchmark changed nothing of {one_line(model.name)} that is left to take back",
                hint="What it has now can be changed among the models: F3, d",
            )
        await self._set(model, defaults)
        await self._put(replace(run, applied=None, change=None))
        return defaults

    async def _put(self, run: BenchRun) -> None:
        """Keep and tell one that has ended."""
        await self._rows.put(run)
        if self._run is not None and self._run.id == run.id:
            self._run = run
            self._tell_now()

    async def _set(self, model: ModelInfo, defaults: Defaults) -> None:
        """Where it is loaded it is set up anew now: the next answer has them, and not only the next load."""
        await self._library.change(ChangeModel(model=model.path, defaults=defaults))
        if self._tools.manager.residents.ready(model.path) is not None:
            self._prepare(model, switch=True)
