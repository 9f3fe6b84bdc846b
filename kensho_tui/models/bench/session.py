"""The worker that is measured: the model manager's own, set up for one choice of settings after the other."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Self, TypeVar

from kensho_tui.core.bench_contract import BenchSettings
from kensho_tui.core.contract import ModelInfo, Sampling
from kensho_tui.core.errors import EngineError, NoMemoryError
from kensho_tui.core.frames import Chunk, End, Generate, Load, Progress, Turn
from kensho_tui.core.ids import new_id
from kensho_tui.core.sizes import human_size
from kensho_tui.models.bench.grid import Machine, kv_type_of, request_for
from kensho_tui.models.bench.results import Speeds
from kensho_tui.models.bench.words import Scale, text
from kensho_tui.models.estimate import LoadShape, estimate, may_quantise
from kensho_tui.models.loading import OnPhase
from kensho_tui.models.manager import ModelManager
from kensho_tui.models.memory import RAM
from kensho_tui.models.plan import Planner
from kensho_tui.models.resident import OnFrame, Resident

log = logging.getLogger(__name__)

T = TypeVar("T")

SPARE = 96
"""Tokens that a prompt leaves free beside its answer: how many its words make is known only roughly."""
LEARNING = 48
"""Tokens that are written first where a worker has yet to find out how many threads pay."""
SHORTER, LONGER = 40, 160
"""Words of the prompts that tell how many tokens a word has."""


class Session:
    """To be used inside `ModelManager.alone`. Entered it loads the model as a turn would; left, its worker is
    gone. ``base`` is how that load was asked for.
    """

    def __init__(self, manager: ModelManager, planner: Planner, model: ModelInfo, on_phase: OnPhase) -> None:
        self._manager = manager
        self._planner = planner
        self._model = model
        self._on_phase = on_phase
        self._stack = AsyncExitStack()
        self._resident: Resident | None = None
        self._base: Load | None = None
        self._scale = Scale((0, 0), (0, 0))

    async def __aenter__(self) -> Self:
        try:
            await self._open()
            await self._tried_twice(self._measure_words)
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def _open(self) -> None:
        # Whatever the resident holds of a chat is kept on its way out, as always.
        await self._manager.residents.retire([self._model.path])
        lease = self._manager.lease(self._model, self._on_phase)
        self._resident = await self._stack.enter_async_context(lease)
        self._resident.bench = True
        self._base = self._base or self.resident.request

    async def close(self) -> None:
        """End the worker now: nothing that it holds is of use to anybody."""
        if self._resident is not None:
            self._resident.worker.kill()
        await self._stack.aclose()
        self._resident = None
        await self._manager.residents.retire([self._model.path])

    @property
    def resident(self) -> Resident:
        if self._resident is None:
            raise EngineError("the benchmark's worker is gone")
        return self._resident

    @property
    def base(self) -> Load:
        if self._base is None:
            raise EngineError("the benchmark's model was never loaded")
        return self._base

    @property
    def room(self) -> int:
        """Tokens that a prompt may have. A worker keeps up to a quarter of its context for an answer."""
        loaded = self.resident.loaded
        context = loaded.context if loaded is not None else 0
        return context - context // 4 - SPARE

    def machine(self, cores: int, paying: tuple[int, int]) -> Machine:
        """What there is to try for this model here."""
        resident = self.resident
        shape = resident.shape
        return Machine(
            cores=cores,
            paying=paying,
            gpu=resident.device != RAM,
            layers=shape.layers if shape is not None else 0,
            quantises=shape is None or may_quantise(shape),
        )

    async def fits_twice(self) -> bool:
        """Whether memory has room for as much again as the model was loaded with."""
        held = self.resident.footprint
        return held is not None and held.total < (await self._planner.room(self.resident.device)).free

    # --- measuring -----------------------------------------------------------------------------------

    def prompt(self, tokens: int) -> str:
        """A text that makes a prompt of about so many tokens, the template's among them."""
        return text(self._scale.words(tokens))

    async def measure(
        self,
        settings: BenchSettings,
        machine: Machine,
        prompt_tokens: int,
        answer: int,
        limit_s: float | None = None,
    ) -> Speeds:
        """One run, from an empty cache, ended after ``limit_s``. Raises `EngineError` for settings that
        cannot be used; a worker that dies is tried once more.
        """

        async def once() -> Speeds:
            new = await self._set_up(request_for(settings, self.base, machine), machine)
            if new and settings.threads == 0 and answer > 1:
                await self._run(self.prompt(SHORTER), LEARNING)
            return await self._run(self.prompt(prompt_tokens), answer, limit_s)

        return await self._tried_twice(once)

    async def _tried_twice(self, work: Callable[[], Awaitable[T]]) -> T:
        """A worker may die of something that is not to blame on what was asked of it, once."""
        for _ in range(2):
            try:
                return await work()
            except EngineError as error:
                if self.resident.alive:
                    raise
                died = error
                log.warning("a worker died in a benchmark: %s", error.message)
                await self._stack.aclose()
                await self._open()
        raise EngineError(f"the worker died twice: {died.message}", hint=died.hint)

    async def _set_up(self, request: Load, machine: Machine) -> bool:
        """Whether anything changed."""
        resident = self.resident
        if request == resident.request:
            return False
        await self._check_room(request, machine)
        await resident.load(request)
        return True

    async def _check_room(self, request: Load, machine: Machine) -> None:
        """Raise `NoMemoryError` before memory is taken that is not there."""
        shape, held = self.resident.shape, self.resident.footprint
        if shape is None or held is None:
            return
        on_gpu = machine.gpu and request.gpu_layers != 0
        load = LoadShape(
            context=request.context,
            kv_type=kv_type_of(request),
            batch=request.batch,
            gpu_layers=request.gpu_layers,
            flash=request.flash is not False,
            gpu=on_gpu,
        )
        device = self.resident.device if on_gpu else RAM
        need = estimate(shape, load).total
        back = held.total if device == self.resident.device else held.host
        room = await self._planner.room(device)
        there = max(room.free, 0) + back
        if room.known and need > there:
            raise NoMemoryError(
                f"{human_size(need)} of {room.kind} would be needed, {human_size(there)} are free for it"
            )

    async def _run(self, prompt: str, answer: int, limit_s: float | None = None) -> Speeds:
        request = Generate(
            id=new_id(),
            turns=(Turn("user", prompt),),
            sampling=Sampling(temperature=0.0, max_tokens=answer, stop=()),
            measured=True,
        )
        read = written = 0
        counted = self._manager.measured

        def on_frame(frame: Chunk | Progress) -> None:
            nonlocal read, written
            if isinstance(frame, Chunk):
                counted.written += frame.tokens - written
                written = frame.tokens
            elif frame.phase == "prefill":
                counted.read += frame.done - read
                read = frame.done

        started = time.monotonic()
        end = await self._within(request, on_frame, limit_s)
        usage = end.usage
        took_s = reading_s = time.monotonic() - started
        counted.written += usage.completion_tokens - written
        if usage.completion_tokens:  # else it was ended while it read
            whole = usage.prompt_tokens - usage.cached_tokens
            counted.read += whole - read
            read, reading_s = whole, end.prefill_s
        after = usage.completion_tokens - 1
        return Speeds(
            prompt_tokens=usage.prompt_tokens,
            prompt_tok_s=read / reading_s if reading_s > 0 else 0.0,
            decode_tok_s=after / end.decode_s if after > 0 and end.decode_s > 0 else 0.0,
            took_s=took_s,
        )

    async def _within(self, request: Generate, on_frame: OnFrame, limit_s: float | None) -> End:
        """As far as the worker comes until then."""
        resident = self.resident
        run = asyncio.ensure_future(resident.generate(request, on_frame))
        try:
            done, _ = await asyncio.wait([run], timeout=limit_s)
            if not done:
                await resident.abort(request.id)
            return await run
        finally:
            run.cancel()

    async def _measure_words(self) -> None:
        """How many tokens a word has here; it also warms up what measures its own speed."""
        counts = [(words, (await self._run(text(words), 1)).prompt_tokens) for words in (SHORTER, LONGER)]
        self._scale = Scale(counts[0], counts[1])
