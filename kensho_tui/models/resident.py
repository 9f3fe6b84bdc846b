"""A model in memory: its worker, what it got, and one generation at a time."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kensho_tui.core.contract import ModelInfo, Phase, WorkerInfo, WorkerState
from kensho_tui.core.errors import LoadError, ProtocolError, from_code
from kensho_tui.core.frames import (
    AbortWork,
    Beat,
    Chunk,
    End,
    Error,
    FromWorker,
    Generate,
    Load,
    Loaded,
    Progress,
    Save,
    Saved,
)
from kensho_tui.core.model_info import Footprint
from kensho_tui.models.gguf.shape import ModelShape
from kensho_tui.models.worker_process import WorkerProcess
from kensho_tui.storage.rows import ModelIdentity

log = logging.getLogger(__name__)

STALLED_AFTER_S = 10.0
ABORT_GRACE_S = 5.0
SAVE_S = 15.0

OnFrame = Callable[[Chunk | Progress], None]


@dataclass
class Tokens:
    """How many models wrote and read so far."""

    written: int = 0
    read: int = 0


class Resident:
    """One worker with (soon) one model. Made cold; `load` makes it ready.

    ``chat`` is the one whose KV cache it holds, ``identity`` says which files were loaded, ``file`` is the
    first of them as runs remember it, ``key`` what the cache is good for (empty: nothing), ``shape`` what the
    file's header says where it could be read.
    ``footprint`` is what it takes on ``device``, estimated until it is loaded; ``last_used`` is monotonic. A
    ``leased`` one is in the hands of a turn or a benchmark (``bench``), a ``pinned`` one stays when room is
    needed.
    """

    def __init__(self, worker: WorkerProcess, model: ModelInfo, changed: Callable[[], None]) -> None:
        self.model = model
        self.worker = worker
        self.state: WorkerState = "starting"
        self.phase: Phase | None = None
        self.loaded: Loaded | None = None
        self.request: Load | None = None
        self.chat = self.identity = self.key = ""
        self.file = ModelIdentity(model.path, 0, 0.0)
        self.device = "CPU"
        self.footprint: Footprint | None = None
        self.shape: ModelShape | None = None
        self.pinned = model.pinned
        self.leased = False
        self.bench = False
        self.expected_s = 0.0
        self.load_s = 0.0
        self.last_used = self.began = time.monotonic()
        self._changed = changed
        # There before the worker is asked: one that was started ahead may have loaded already.
        self._load: asyncio.Future[Loaded] = _future()
        self._save: asyncio.Future[Saved] | None = None
        self._current: _Run | None = None
        worker.on_frame = self._frame
        worker.on_end = self._ended

    @property
    def alive(self) -> bool:
        return not self.worker.ended.is_set()

    def info(self) -> WorkerInfo:
        loaded = self.loaded
        measured = self.bench and self.state != "closing"
        return WorkerInfo(
            pid=self.worker.pid,
            model=self.model.name,
            state="busy" if measured else self.state,
            phase=self.phase if not measured else None,
            context=loaded.context if loaded else 0,
            has_template=loaded.has_template if loaded else True,
            device=loaded.device if loaded else "CPU",
            pinned=self.pinned,
            bench=measured,
            footprint=self.footprint,
            elapsed_s=0.0 if loaded else time.monotonic() - self.began,
            expected_s=0.0 if loaded else self.expected_s,
        )

    def say(self, phase: Phase) -> None:
        """What it waits for before the worker itself has anything to say."""
        self._set("loading", phase)

    def _set(self, state: WorkerState, phase: Phase | None = None) -> None:
        self.state, self.phase = state, phase
        self._changed()

    async def load(self, request: Load, *, sent: bool = False) -> Loaded:
        """Load the model and warm it up; `sent`: the worker has the request already.

        Raises `LoadError` or `WorkerDiedError`.
        """
        if self._load.done() and not sent:
            self._load = _future()
        self.request = request
        self._set("loading", Phase(name="starting", note=self.phase.note if self.phase else ""))
        started = time.monotonic()
        if not sent:
            await self.worker.send(request)
        self.loaded = await self._load
        self.last_used = time.monotonic()
        self.load_s = self.last_used - started
        self._set("ready")
        return self.loaded

    async def save(self, request: Save) -> Saved:
        """Have the KV cache written to a file. Raises `KenshoError` or, after `SAVE_S`, `TimeoutError`."""
        self._save = _future()
        try:
            await self.worker.send(request)
            async with asyncio.timeout(SAVE_S):
                return await self._save
        finally:
            self._save = None

    async def generate(self, request: Generate, on_frame: OnFrame) -> End:
        """Run one generation; `on_frame` gets its text and progress in order.

        Raises `EngineError` for what the worker reports and `WorkerDiedError` for its end; the text so far
        has reached `on_frame` by then.
        """
        run = self._current = _Run(request.id, on_frame)
        self._set("busy")
        watch = asyncio.create_task(self._watch_for_stall(run))
        try:
            await self.worker.send(request)
            return await run.end
        finally:
            watch.cancel()
            self._current = None
            if self.alive:
                self._set("ready")

    async def abort(self, generation: str) -> None:
        """Ask the worker to stop; one that does not within `ABORT_GRACE_S` is ended (its text is kept)."""
        run = self._current
        if run is None or run.id != generation:
            return
        await self.worker.send(AbortWork(id=generation))
        done, _ = await asyncio.wait([run.end], timeout=ABORT_GRACE_S)
        if not done:
            log.warning("worker %d did not stop in time and is killed", self.worker.pid)
            self.worker.kill()

    def leave(self) -> None:
        """No turn may use it from here on."""
        self._set("closing")

    async def close(self) -> None:
        await self.worker.close()

    async def _watch_for_stall(self, run: "_Run") -> None:
        while True:
            await asyncio.sleep(STALLED_AFTER_S / 4)
            if time.monotonic() - self.worker.last_sign > STALLED_AFTER_S:
                run.on_frame(Progress(id=run.id, phase="stalled", done=0, total=0))

    def _frame(self, frame: FromWorker) -> None:
        run = self._current
        match frame:
            case Chunk() | End() if run is not None and frame.id == run.id:
                run.take(frame)
            case Progress(id=""):
                self._set(self.state, Phase(name=frame.phase, done=frame.done, total=frame.total))
            case Progress() if run is not None and frame.id == run.id:
                run.on_frame(frame)
            case Loaded() if not self._load.done():
                self._load.set_result(frame)
            case Error(id="") if not self._load.done():
                self._load.set_exception(from_code(frame.code, frame.message, frame.hint))
            case Saved() if self._save is not None and not self._save.done():
                self._save.set_result(frame)
            case Error(id="save") if self._save is not None and not self._save.done():
                self._save.set_exception(from_code(frame.code, frame.message, frame.hint))
            case Error() if run is not None and frame.id == run.id:
                run.fail(from_code(frame.code, frame.message, frame.hint))
            case Beat():
                pass
            case _:
                log.debug("worker %d: a late %s", self.worker.pid, type(frame).__name__)

    def _ended(self) -> None:
        death = self.worker.death()
        if not self._load.done():
            self._load.set_exception(LoadError(f"{self.model.name}: {death.message}", hint=death.hint))
        if self._save is not None and not self._save.done():
            self._save.set_exception(death)
        if self._current is not None:
            self._current.fail(death)
        self._changed()


def _future() -> "asyncio.Future[Any]":
    """One whose error nobody has to fetch: what waits for it may have failed for another reason before."""
    future = asyncio.get_running_loop().create_future()
    future.add_done_callback(lambda done: None if done.cancelled() else done.exception())
    return future


class _Run:
    """One generation under way; its chunks are counted so that none can be lost unseen."""

    def __init__(self, generation: str, on_frame: OnFrame) -> None:
        self.id = generation
        self.on_frame = on_frame
        self.end: asyncio.Future[End] = _future()
        self._next = 0

    def take(self, frame: Chunk | End) -> None:
        if frame.sequence != self._next:
            raise ProtocolError(f"chunk {frame.sequence} came where {self._next} was due")
        if isinstance(frame, Chunk):
            self._next += 1
            self.on_frame(frame)
        elif not self.end.done():
            self.end.set_result(frame)

    def fail(self, error: Exception) -> None:
        if not self.end.done():
            self.end.set_exception(error)
