"""A generation: prompt, prefill, and the loop that decodes token by token."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from kensho_tui.core.contract import Sampling, StopReason, Usage
from kensho_tui.core.errors import ContextError, EngineError, LoadError, UsageError
from kensho_tui.core.frames import End, Generate, Progress, Save, Saved, Turn
from kensho_tui.worker.batch import Batch
from kensho_tui.worker.emitter import Emitter
from kensho_tui.worker.job import Job
from kensho_tui.worker.kept import Kept, Plan, Restored
from kensho_tui.worker.link import Link
from kensho_tui.worker.model import Model
from kensho_tui.worker.prefill import Prefill
from kensho_tui.worker.prompt import PromptWriter
from kensho_tui.worker.sampling import Sampler, pick_seed
from kensho_tui.worker.template import FILE_HINT, OVERRIDE_HINT, ChatTemplate, TemplateAborted
from kensho_tui.worker.textstream import TextStream
from kensho_tui.worker.trim import trim

if TYPE_CHECKING:
    from kensho_tui.worker.snapshots import Snapshots

TURN_OVERHEAD = 8
SHORTEST_PREFIX = 200
# No text has tokens as long as this on average: what is longer is known not to fit before it is tokenised.
TOKEN_BYTES = 64
# From this time per token on, llama.cpp is asked to watch for an abort within a token too. The question costs
# about a millisecond per token.
SLOW_TOKEN_S = 0.1


class _Prompt(NamedTuple):
    text: bytes
    plan: Plan
    trimmed: int


class _Decoded(NamedTuple):
    """``first`` and ``last`` are `time.perf_counter` at the sampling of the first and last token."""

    stop_reason: StopReason
    tokens: int
    first: float
    last: float


class Engine:
    """Generates with one model. What was evaluated stays in the KV cache for the next prompt.

    `template` is used in place of the model file's own.
    """

    def __init__(self, model: Model, link: Link, template: str = "") -> None:
        self._model = model
        self._link = link
        self.kept = Kept(model.look)
        self._prefill = Prefill(model, self.kept)
        self._snapshots: Snapshots | None = None
        self._single = Batch(model.lib, 1)
        source = template or model.template
        hint = OVERRIDE_HINT if template else FILE_HINT
        self._template = ChatTemplate(source, model.bos_text, model.eos_text, hint) if source else None
        if self._template is not None:
            self._template.prepare()
        self._prompts = PromptWriter(self._template, model.bos_text if model.adds_bos else "")

    @property
    def model(self) -> Model:
        return self._model

    @property
    def has_template(self) -> bool:
        return self._template is not None

    def warm_up(self) -> None:
        """Touch all weights, so that the first answer starts as fast as any. Raises `LoadError`."""
        code = self._prefill.warm_up(self._model.warm_token)
        if code != 0:
            raise LoadError(f"the model computes nothing (llama_decode returned {code})")

    def reset(self) -> None:
        """Forget everything evaluated: after an error the cache is in doubt."""
        self._prefill.watch(None)
        self._prefill.clear()

    def generate(self, job: Job, frame: Generate) -> End:
        """Run `frame`; the text goes out in chunks, the end is returned. Raises `KenshoError`."""
        emitter = Emitter(self._link, frame.id)
        seed = pick_seed(frame.sampling.seed)
        if frame.measured:
            self._prefill.clear()
        try:
            prompt = self._fitting_prompt(frame, job)
        except TemplateAborted:
            return self._end(frame, emitter, seed, job, _aborted(), Usage())
        restored = self._restore(frame, prompt, job)
        plan = self._prefill.reuse(restored.plan or prompt.plan, prompt.text)
        cached = plan.keep
        emitter.prompt_tokens = cached + len(plan.ids)
        self._prefill.watch(job)

        def report(done: int) -> None:
            progress = Progress(id=frame.id, phase="prefill", done=done, total=len(plan.ids))
            self._link.try_send(progress)

        if self._prefill.run(plan, job, report):
            decoded = self._answer(frame, seed, job, emitter)
        else:
            decoded, emitter.prompt_tokens = _aborted(), len(self.kept)
        self._prefill.watch(None)
        usage = Usage(
            prompt_tokens=emitter.prompt_tokens, cached_tokens=cached, completion_tokens=decoded.tokens
        )
        end = self._end(frame, emitter, seed, job, decoded, usage, prompt.trimmed)
        return replace(end, restored=cached if restored.plan else 0, refused=restored.refused)

    def save(self, job: Job, frame: Save) -> Saved:
        """Write the KV cache to a file. Raises `KenshoError`; the cache stays as it is."""
        return self._made_snapshots().save(frame, job.is_aborted)

    def _restore(self, frame: Generate, prompt: _Prompt, job: Job) -> Restored:
        if not frame.restore:
            return Restored()
        usable, room = self._prefill.usable(prompt.plan.keep), self._room(frame.sampling)
        return self._made_snapshots().restore(frame, prompt.text, usable, room, job.is_aborted)

    def _made_snapshots(self) -> "Snapshots":
        # Imported when it is needed: a worker's start is part of every cold answer.
        if self._snapshots is None:
            from kensho_tui.worker.snapshots import Snapshots

            self._snapshots = Snapshots(self._model, self.kept, self._prefill)
        return self._snapshots

    def _end(
        self, frame: Generate, emitter: Emitter, seed: int, job: Job, decoded: _Decoded, usage: Usage,
        trimmed: int = 0,
    ) -> End:  # fmt: skip
        return End(
            id=frame.id,
            sequence=emitter.sequence,
            stop_reason=decoded.stop_reason,
            usage=usage,
            prefill_s=decoded.first - job.arrived,
            decode_s=decoded.last - decoded.first,
            seed=seed,
            trimmed=trimmed,
        )

    # --- prompt -------------------------------------------------------------------------------------

    def _fitting_prompt(self, frame: Generate, job: Job) -> _Prompt:
        """The prompt; of an answer that filled the context and goes on, the later half, or half of that."""
        while True:
            try:
                return self._prompt(frame, job)
            except ContextError:
                if len(frame.prefix) < SHORTEST_PREFIX:
                    raise
                frame = replace(frame, prefix=frame.prefix[len(frame.prefix) // 2 :])

    def _prompt(self, frame: Generate, job: Job) -> _Prompt:
        """The prompt with as much of the history as fits beside the answer. Raises `ContextError`."""
        model = self._model
        room = self._room(frame.sampling)
        tried: list[tuple[bytes, Plan | None]] = []

        def fits(turns: tuple[Turn, ...]) -> bool:
            text = self._prompts.write(turns, frame.prefix, job.is_aborted)
            plan = self.kept.plan(text, model.tokenize) if len(text) <= room * TOKEN_BYTES else None
            tried.append((text, plan))
            return plan is not None and plan.keep + len(plan.ids) <= room

        def costs() -> Sequence[int]:
            return [self._count(turn.content.encode(), room) + TURN_OVERHEAD for turn in frame.turns]

        turns = trim(frame.turns, costs, room, model.context // 4, fits)
        text, plan = tried[-1]
        if turns is None or plan is None:
            raise ContextError(
                f"the prompt has {self._count(text, room):,} tokens, and {room:,} fit into the context of "
                f"{model.context:,} beside an answer",
                hint="Shorten the prompt, or load the model with a larger context",
            )
        if not plan.ids:
            raise UsageError("the prompt is empty")
        return _Prompt(text, plan, len(frame.turns) - len(turns))

    def _room(self, sampling: Sampling) -> int:
        """Tokens that a prompt may have beside its answer."""
        context = self._model.context
        return context - max(1, min(sampling.max_tokens, context // 4))

    def _count(self, text: bytes, room: int) -> int:
        """Tokens of `text`; an estimate where they are far more than `room`: megabytes take seconds."""
        return len(self._model.tokenize(text)) if len(text) <= room * TOKEN_BYTES else len(text) // 4

    # --- decode -------------------------------------------------------------------------------------

    def _answer(self, frame: Generate, seed: int, job: Job, emitter: Emitter) -> _Decoded:
        sampling = frame.sampling
        if sampling.max_tokens <= 0:
            now = time.perf_counter()
            return _Decoded("length", 0, now, now)
        stream = TextStream(sampling.stop)
        sampler = Sampler(self._model.lib, sampling, seed)
        try:
            decoded = self._decode(sampler, stream, frame, job, emitter)
        except EngineError:
            emitter.flush(stream.finish(complete=False))
            raise
        finally:
            sampler.close()
        emitter.flush(stream.finish(complete=decoded.stop_reason in ("end", "stop_sequence")))
        return decoded

    def _decode(
        self, sampler: Sampler, stream: TextStream, frame: Generate, job: Job, emitter: Emitter
    ) -> _Decoded:
        """Sample and decode until something says stop. Text goes out before the next token is computed."""
        model, kept = self._model, self.kept
        # Everything a token needs is bound to a local name: this loop runs some hundred times per second.
        sample, decode, clock = model.lib.llama_sampler_sample, model.lib.llama_decode, time.perf_counter
        chain, ctx, look, known = sampler.pointer, model.ctx, model.look, model.tokens.get
        feed, emit, keep = stream.feed, emitter.emit, kept.append
        batch = self._single.fill([0], 0, logits=True)
        token_slot, position_slot = self._single.token, self._single.position
        position, context, count = len(kept), model.context, 0
        max_tokens, may_end = frame.sampling.max_tokens, not frame.measured
        first = last = 0.0
        watched = True
        threads = model.threads
        threads.begin()
        while True:
            token = sample(chain, ctx, -1)
            now = clock()
            if threads.token(now):
                model.set_threads(threads.count)
            first = first or now
            found = known(token) or look(token)
            if found.ends and may_end:
                return _Decoded("end", count, first, last or now)
            count += 1
            if watched and count > 1 and now - last < SLOW_TOKEN_S:
                self._prefill.watch(None)
                watched = False
            last = now
            text = feed(found.shown)
            if text:
                emit(text, count)
            stop = _stop(stream.stopped, count >= max_tokens, job.aborted, position >= context)
            if stop is None:
                token_slot[0], position_slot[0] = token, position
                code = decode(ctx, batch)
                if code:
                    self._prefill.failed(code)
                    stop = "abort"
            if stop is not None:
                return _Decoded(stop, count, first, last)
            keep(token, found.written)
            position += 1


def _stop(stopped: bool, length: bool, aborted: bool, full: bool) -> StopReason | None:
    if not (stopped or length or aborted or full):
        return None
    if stopped:
        return "stop_sequence"
    if aborted:
        return "abort"
    return "length" if length else "context"


def _aborted() -> _Decoded:
    """Before anything was sampled, and just now."""
    now = time.perf_counter()
    return _Decoded("abort", 0, now, now)
