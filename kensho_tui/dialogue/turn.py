"""One turn: wait for its place, load the model, generate, checkpoint, save.

Whatever happens, the row ends in one of the states of the design with the text so far, and readers of the
stream see that end.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec

from kensho_tui.bus.hub import Stream
from kensho_tui.core.contract import (
    Message,
    ModelInfo,
    Phase,
    Sampling,
    State,
    StopReason,
    Timings,
    Usage,
)
from kensho_tui.core.errors import ContextError, KenshoError, StorageError
from kensho_tui.core.frames import Chunk, Generate, Load, Progress
from kensho_tui.core.frames import Turn as Spoken
from kensho_tui.dialogue.response_key import Caching
from kensho_tui.models.active import active_weights
from kensho_tui.models.estimate import usual_batch
from kensho_tui.models.manager import ModelManager
from kensho_tui.models.resident import Resident
from kensho_tui.storage.chats import Chats, ModelIdentity, Outcome, Started, TurnRow
from kensho_tui.storage.responses import Response
from kensho_tui.storage.turns import Given

log = logging.getLogger(__name__)

CHECKPOINT_S = 0.5


@dataclass
class Clock:
    """Moments of a turn, monotonic seconds: its model's turn came, the worker was ours, text came."""

    received: float = field(default_factory=time.monotonic)
    admitted: float = 0.0
    ready: float = 0.0
    first_text: float = 0.0
    last_text: float = 0.0

    def got_model(self) -> None:
        """The worker is ours: loaded for us just now, or resident already. Or none is needed."""
        self.ready = time.monotonic()
        self.admitted = self.admitted or self.ready

    def timings(
        self, usage: Usage, prefill_s: float | None = None, decode_s: float = 0.0, *, read: bool = False
    ) -> Timings:
        """Of a turn that ends now. Its last phase lasted until then, whatever that was.

        `prefill_s` is the worker's own; None: it ended without telling. `read`: the whole prompt was.
        """
        now = time.monotonic()
        if prefill_s is None:
            prefill_s = (self.first_text or now) - self.ready if self.ready else 0.0
        new_tokens = usage.prompt_tokens - usage.cached_tokens
        return Timings(
            queue_s=(self.admitted or now) - self.received,
            load_s=(self.ready or now) - self.admitted if self.admitted else 0.0,
            prefill_s=prefill_s,
            ttft_s=self.first_text - self.received if self.first_text else 0.0,
            prompt_tok_s=new_tokens / prefill_s if read and prefill_s > 0 else 0.0,
            decode_tok_s=max(usage.completion_tokens - 1, 0) / decode_s if decode_s > 0 else 0.0,
            total_s=now - self.received,
        )


class TurnRun:
    """Runs one turn. `row` names its message and generation, `stream` is where its text goes.

    ``made``: identity of the model's files and the load, once a worker has answered. ``cached``: an earlier
    answer was given. ``unsaved``: why the text so far could not be saved; `saving_changed` is called when
    that begins and when it is over.
    """

    def __init__(
        self,
        row: TurnRow,
        stream: Stream,
        sampling: Sampling,
        message: Message,
        clock: Clock,
        caching: Caching = "no",
    ) -> None:
        self.row = row
        self.stream = stream
        self.sampling = sampling
        self.message = message
        self.clock = clock
        self.caching = caching
        self.aborted = False
        self.cached = False
        self.made: tuple[str, Load] | None = None
        self.unsaved: StorageError | None = None
        self.saving_changed: Callable[[], None] = lambda: None
        self.read = 0
        """Tokens of the prompt that were evaluated so far."""
        self._to_read = 0
        self._prefix = message.content
        self._saved_length = len(message.content)
        self._resident: Resident | None = None
        self._waiting: asyncio.Task[object] | None = None

    @property
    def written(self) -> int:
        """Tokens that a model wrote so far."""
        return 0 if self.cached else self.stream.tokens

    # --- control ---------------------------------------------------------------------------------

    async def abort(self) -> None:
        """Stop: at once where the turn only waits, else as soon as the worker has."""
        self.aborted = True
        if self._resident is not None:
            await self._resident.abort(self.row.generation_id)
        elif self._waiting is not None:
            self._waiting.cancel()

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """While inside, `abort` may cancel the task; nothing half-written can be cut there."""
        self._check_abort()
        self._waiting = asyncio.current_task()
        try:
            yield
        finally:
            self._waiting = None

    # --- the way of a turn -------------------------------------------------------------------------

    async def run(
        self, turns: tuple[Spoken, ...], model: ModelInfo, models: ModelManager, chats: Chats
    ) -> Outcome:
        """Load if need be, generate, checkpoint. What can go wrong in a turn becomes its outcome.

        Raises `asyncio.CancelledError` only, when it was aborted while it waited or the host ends.
        """
        saver = asyncio.create_task(self._checkpoints(chats))
        try:
            return await self._generate(turns, model, models, chats)
        except ContextError as error:
            return self.outcome("failed", "context", error.line())
        except KenshoError as error:
            return self.outcome("failed", "error", error.line())
        except Exception as error:
            log.exception("turn %s failed", self.row.message_id)
            return self.outcome(
                "failed", "error", f"an error inside the host: {type(error).__name__}: {error}"
            )
        finally:
            saver.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await saver

    async def _generate(
        self, turns: tuple[Spoken, ...], model: ModelInfo, models: ModelManager, chats: Chats
    ) -> Outcome:
        async with contextlib.AsyncExitStack() as stack:
            with self.waiting():
                resident = await stack.enter_async_context(models.use(model, self._on_phase))
            self.clock.got_model()
            settings = _settings(self.sampling, resident)
            started = Started(model.name, resident.file, settings)
            await chats.start_generation(self.row, started)
            request = Generate(
                id=self.row.generation_id, turns=turns, sampling=self.sampling, prefix=self._prefix
            )
            request = await models.kept.before(resident, self.row.chat_id, request)
            self._check_abort()
            self._resident = resident
            try:
                end = await resident.generate(request, self._on_frame)
            finally:
                self._resident = None
            self.read = end.usage.prompt_tokens - end.usage.cached_tokens
            await models.kept.after(resident, self.row.chat_id, request, end)
            self.made = (resident.identity, resident.request) if resident.request is not None else None
        state: State = "stopped" if end.stop_reason == "abort" else "complete"
        read = end.stop_reason != "abort" or end.usage.completion_tokens > 0
        timings = self.clock.timings(end.usage, end.prefill_s, end.decode_s, read=read)
        return Outcome(state, end.stop_reason, None, end.usage, timings, end.trimmed)

    async def replay(self, found: Response, model: ModelInfo, chats: Chats) -> Outcome:
        """Give an earlier answer of `model` again; no worker has a part in it."""
        self.clock.got_model()
        try:
            await chats.start_generation(self.row, _started_again(model, self.sampling))
        except KenshoError as error:
            return self.outcome("failed", "error", error.line())
        self.cached = True
        self.stream.append(found.text, found.completion_tokens, found.prompt_tokens)
        self.clock.first_text = time.monotonic()
        return _ended_again(found, self.clock)

    def _check_abort(self) -> None:
        if self.aborted:
            raise asyncio.CancelledError

    def outcome(self, state: State, reason: StopReason | None, error: str | None = None) -> Outcome:
        usage = Usage(prompt_tokens=self.stream.prompt_tokens, completion_tokens=self.stream.tokens)
        decode_s = self.clock.last_text - self.clock.first_text
        return Outcome(state, reason, error, usage, self.clock.timings(usage, decode_s=decode_s))

    def _on_phase(self, phase: Phase) -> None:
        if phase.name != "queued" and not self.clock.admitted:
            self.clock.admitted = time.monotonic()
        self.stream.set_phase(phase)

    def _on_frame(self, frame: Chunk | Progress) -> None:
        if isinstance(frame, Progress):
            if frame.phase == "prefill":
                self.read, self._to_read = frame.done, frame.total
            self.stream.set_phase(Phase(name=frame.phase, done=frame.done, total=frame.total))
            return
        self.read = self._to_read
        if frame.text:
            self.clock.last_text = time.monotonic()
            self.clock.first_text = self.clock.first_text or self.clock.last_text
        self.stream.append(frame.text, frame.tokens, frame.prompt_tokens)

    # --- saving --------------------------------------------------------------------------------------

    async def _checkpoints(self, chats: Chats) -> None:
        """At most `CHECKPOINT_S` of text can be lost to a crash of this process."""
        while True:
            await asyncio.sleep(CHECKPOINT_S)
            length = self.stream.length
            if length == self._saved_length:
                continue
            try:
                await chats.checkpoint(self.row.message_id, self.stream.text)
                self._saved_length = length
                self._set_unsaved(None)
            except StorageError as error:
                self._set_unsaved(error)

    def _set_unsaved(self, error: StorageError | None) -> None:
        """Told once where the checkpoints of a long answer fail one after the other."""
        changed = (error is None) != (self.unsaved is None)
        self.unsaved = error
        if changed:
            said = "is saved again" if error is None else f"is not saved: {error.message}"
            log.warning("the text so far of %s %s", self.row.message_id, said)
            self.saving_changed()

    async def save(self, outcome: Outcome, chats: Chats) -> None:
        """Write the end in one transaction. Raises `StorageError` when it cannot be."""
        await chats.finish(self.row, self.stream.text, outcome)

    def finished(self, outcome: Outcome, content: str = "", *, unsaved: bool = False) -> Message:
        """The message as it stands after the turn."""
        return msgspec.structs.replace(
            self.message,
            content=content,
            state=outcome.state,
            stop_reason=outcome.stop_reason,
            error=outcome.error,
            usage=outcome.usage,
            timings=outcome.timings,
            trimmed=outcome.trimmed,
            stream=None,
            cached=self.cached,
            unsaved=unsaved,
        )


def given(found: Response, model: ModelInfo, sampling: Sampling, clock: Clock) -> Given:
    """An earlier answer of `model` as that of a turn that is not begun yet: no worker has a part in it."""
    clock.got_model()
    clock.first_text = clock.ready
    return Given(_started_again(model, sampling), found.text, _ended_again(found, clock))


def _started_again(model: ModelInfo, sampling: Sampling) -> Started:
    return Started(model.name, ModelIdentity.of(model.path), _settings_of(sampling), from_cache=True)


def _ended_again(found: Response, clock: Clock) -> Outcome:
    """All of the prompt counts as cached: nothing of it was read."""
    usage = Usage(
        prompt_tokens=found.prompt_tokens,
        cached_tokens=found.prompt_tokens,
        completion_tokens=found.completion_tokens,
    )
    return Outcome("complete", found.stop_reason, usage=usage, timings=clock.timings(usage, prefill_s=0.0))


def _settings_of(sampling: Sampling) -> dict[str, object]:
    return {"sampling": msgspec.to_builtins(sampling)}


def _settings(sampling: Sampling, resident: Resident) -> dict[str, object]:
    """What the generation row remembers, to compare runs later."""
    loaded, request, shape, footprint = resident.loaded, resident.request, resident.shape, resident.footprint
    on_gpu = loaded is not None and loaded.device != "CPU"
    return {
        **_settings_of(sampling),
        "context": loaded.context if loaded else 0,
        "device": loaded.device if loaded else "",
        "build": loaded.build if loaded else "",
        "threads": request.threads if request else 0,
        "threads_batch": request.threads_batch if request else 0,
        "batch": (request.batch or usual_batch(on_gpu=on_gpu)) if request else 0,
        "flash": ("off" if request.flash is False else "on") if request else "",
        "gpu_layers": request.gpu_layers if request else 0,
        "kv_type": request.kv_type if request else "",
        "quantisation": shape.quantisation if shape else resident.model.quantisation,
        "active_weights": active_weights(shape) if shape else 0,
        "memory": footprint.total if footprint and footprint.source == "measured" else 0,
        "memory_host": footprint.host if footprint and footprint.source == "measured" else 0,
    }
