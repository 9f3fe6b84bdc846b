"""Evaluates a prompt in chunks that are short enough to report progress and to be aborted."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from kensho_tui.core.errors import EngineError
from kensho_tui.worker.batch import Batch
from kensho_tui.worker.job import Job
from kensho_tui.worker.kept import Kept, Plan
from kensho_tui.worker.model import Model

CHUNK_S = 0.3
SMALLEST = 64  # below it the threads' barriers cost a third of the speed, and far more on a busy machine
UNKNOWN_RATE = 500.0  # tokens per second, before anything was measured
SLOWING = 0.7
DECODE_ABORTED = 2
# Attention windows that are no sliding ones: a shortened cache has not been shown to be right there.
_CHUNKED = frozenset({"llama4"})


def chunk_size(rate: float, largest: int) -> int:
    """Tokens that take about `CHUNK_S` at `rate` tokens per second: a power of two, so that the kernels
    of a fast and a slow moment do the same arithmetic."""
    size = SMALLEST
    while size * 2 <= min(largest, rate * CHUNK_S):
        size *= 2
    return min(size, largest)


def may_keep(keep: int, held: int, positions: tuple[int, int], n_swa: int, chunked: bool) -> bool:
    """Whether the first `keep` of `held` tokens in the KV cache may be used for another prompt.

    A sliding-window cache forgets what lies behind the window of its *last* position. What is kept must
    still have the window of position `keep`, else the answer would be wrong without any sign of it.
    """
    first, last = positions
    if keep == 0 or first < 0 or last + 1 < keep:
        return False
    if keep < held and chunked:
        return False
    return first == 0 or first <= keep - n_swa


class Measured:
    """Tokens and seconds of what was evaluated; chunks below `SMALLEST` count while there are no others."""

    def __init__(self) -> None:
        self._large = [0, 0.0]
        self._small = [0, 0.0]

    def add(self, tokens: int, seconds: float) -> None:
        sums = self._large if tokens >= SMALLEST else self._small
        sums[0] += tokens
        sums[1] += seconds

    @property
    def speed(self) -> float:
        tokens, seconds = self._large if self._large[0] else self._small
        return tokens / seconds if seconds else 0.0


class Prefill:
    """Brings the KV cache from what it holds to a planned prompt, logits of its last token included."""

    def __init__(self, model: Model, kept: Kept) -> None:
        self._model = model
        self._kept = kept
        self._batch = Batch(model.lib, model.batch)
        self._rate = UNKNOWN_RATE
        self._measured = Measured()
        self._aborted: Callable[[], bool] = lambda: False
        # llama.cpp asks only while it computes on the CPU; elsewhere the time between chunks decides.
        self._callback = model.lib.ggml_abort_callback(lambda _data: self._aborted())

    def watch(self, job: Job | None) -> None:
        """Have llama.cpp end a computation as soon as `job` is aborted; None: compute without asking."""
        lib = self._model.lib
        if job is None:
            lib.llama_set_abort_callback(self._model.ctx, lib.ggml_abort_callback(), None)
        else:
            self._aborted = job.is_aborted
            lib.llama_set_abort_callback(self._model.ctx, self._callback, None)

    @property
    def speed(self) -> float:
        """Tokens per second that this worker was measured to evaluate; 0 before anything was."""
        return self._measured.speed

    @property
    def chunked(self) -> bool:
        """Whether the attention window is one that a shortened cache is not known to be right for."""
        return self._model.architecture in _CHUNKED

    def usable(self, keep: int) -> int:
        """`keep`, or 0 where the first `keep` tokens of the KV cache may not be used for another prompt."""
        model = self._model
        may = may_keep(keep, len(self._kept), model.positions(), model.n_swa, self.chunked)
        return keep if may else 0

    def reuse(self, plan: Plan, prompt: bytes) -> Plan:
        """Shorten the KV cache to what `plan` keeps; the plan for an empty one where that may not be."""
        model, kept = self._model, self._kept
        if self.usable(plan.keep) and model.forget_from(plan.keep):
            kept.truncate(plan.keep)
            return plan
        self.clear()
        return kept.plan(prompt, model.tokenize)

    def clear(self) -> None:
        self._model.clear()
        self._kept.truncate(0)

    def run(self, plan: Plan, job: Job, report: Callable[[int], None]) -> bool:
        """Evaluate ``plan.ids``; False when aborted, with the evaluated ones kept. Raises `EngineError`.

        `report` gets the number of tokens evaluated, before each chunk.
        """
        total, done = len(plan.ids), 0
        while done < total:
            if job.aborted:
                return False
            report(done)
            count = min(chunk_size(self._rate, self._model.batch), total - done)
            started = time.perf_counter()
            if not self._evaluate(plan.ids[done : done + count], done + count == total):
                return False
            took = max(time.perf_counter() - started, 1e-6)
            self._measured.add(count, took)
            if count >= SMALLEST:
                rate = count / took
                # One slow moment shall not make the chunks small, which would make the next one slow too.
                self._rate = max(rate, self._rate * SLOWING)
            self._kept.extend(plan.ids[done : done + count], plan.pieces[done : done + count])
            done += count
        return True

    def _evaluate(self, ids: Sequence[int], last: bool) -> bool:
        lib, ctx = self._model.lib, self._model.ctx
        code = lib.llama_decode(ctx, self._batch.fill(ids, len(self._kept), logits=last))
        if code == 0:
            # A GPU still computes: its time belongs to this chunk.
            lib.llama_synchronize(ctx)
            return True
        self.failed(code)
        return False

    def failed(self, code: int) -> None:
        """Agree with the cache again after ``llama_decode`` returned `code`. Raises unless aborted."""
        _, last = self._model.positions()
        size = min(last + 1, len(self._kept))
        if size > 0 and self._model.forget_from(size):
            self._kept.truncate(size)
        else:
            self.clear()
        if code != DECODE_ABORTED:
            self.clear()
            raise EngineError(
                f"llama.cpp could not evaluate the text (llama_decode returned {code})",
                hint="Try again; if it stays, use a smaller context",
            )

    def warm_up(self, token: int) -> int:
        """Evaluate one token with all weights touched, then forget it; llama.cpp's return code."""
        lib, ctx = self._model.lib, self._model.ctx
        lib.llama_set_warmup(ctx, True)
        code: Any = lib.llama_decode(ctx, self._batch.fill([token], 0, logits=True))
        lib.llama_synchronize(ctx)
        lib.llama_set_warmup(ctx, False)
        self.clear()
        lib.llama_perf_context_reset(ctx)
        return int(code)
