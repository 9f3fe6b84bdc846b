"""The KV cache to a file and back again, for the one sequence that a worker has."""

import ctypes
import mmap
from pathlib import Path
from typing import Any

from kensho_tui.core.errors import EngineError
from kensho_tui.core.frames import Generate, Save, Saved
from kensho_tui.worker.kept import Kept, KeptState, Plan, Restored
from kensho_tui.worker.model import Model
from kensho_tui.worker.prefill import Prefill, may_keep
from kensho_tui.worker.state_file import Aborted, StateAborted, StateFile, StateRefused, write_state

_NOTHING = Saved(tokens=0, size=0)


class Snapshots:
    """Saves what `kept` and the KV cache hold, and brings it back. Both always agree when a job is over."""

    def __init__(self, model: Model, kept: Kept, prefill: Prefill) -> None:
        self._model = model
        self._kept = kept
        self._prefill = prefill
        self._vocabulary = int(model.lib.llama_vocab_n_tokens(model.vocab))

    def save(self, frame: Save, aborted: Aborted) -> Saved:
        """Write what is held, if that is worth it. Raises `StorageError`, `EngineError`."""
        model, tokens = self._model, len(self._kept)
        speed = self._prefill.speed
        # Nothing was measured where all of it came from a file: it was worth saving then.
        if tokens == 0 or (speed and tokens / speed < frame.worth_s) or self._prefill.chunked:
            return _NOTHING
        if model.positions()[1] + 1 != tokens:
            raise EngineError("the KV cache does not hold what it should, so it was not saved")
        size = int(model.lib.llama_state_seq_get_size(model.ctx, 0))
        if size <= 0 or size > frame.limit:
            return _NOTHING
        buffer = _memory(size)
        array = _c_array(buffer, size)
        if model.lib.llama_state_seq_get_data(model.ctx, array, size, 0) != size:
            raise EngineError("llama.cpp did not give its state, so it was not saved")
        try:
            with memoryview(buffer) as payload:
                written = write_state(Path(frame.path), frame.key, self._kept.state, payload, aborted)
        except StateAborted:
            return _NOTHING
        return Saved(tokens=tokens, size=written)

    def restore(self, frame: Generate, prompt: bytes, usable: int, room: int, aborted: Aborted) -> Restored:
        """Bring back the cache of `frame` where it spares more of `prompt` than the `usable` tokens held.

        `room` is the most tokens that the prompt may have. A file that is refused costs what is held only
        when llama.cpp itself refused it.
        """
        try:
            with StateFile(Path(frame.restore), frame.key) as file:
                plan = self._plan(file.kept, prompt)
                if plan.keep <= usable or plan.keep + len(plan.ids) > room:
                    return Restored()
                payload = file.payload(aborted)
        except StateRefused as error:
            return Restored(refused=str(error))
        except StateAborted:
            return Restored()
        if self._set(file.kept, payload):
            return Restored(plan)
        return Restored(refused="llama.cpp refused the saved cache")

    def _plan(self, state: KeptState, prompt: bytes) -> Plan:
        """What is left to evaluate after restoring `state`; keeps nothing where that is sure to fail."""
        model, held = self._model, len(state.ids)
        if held > model.context or any(token >= self._vocabulary for token in state.ids):
            raise StateRefused("the saved cache is of another model or context")
        kept = Kept(model.look)
        kept.become(state)
        plan = kept.plan(prompt, model.tokenize)
        # A file holds no more of a sliding window than its last position needs.
        first = max(0, held - model.n_swa) if model.n_swa > 0 else 0
        fits = may_keep(plan.keep, held, (first, held - 1), model.n_swa, self._prefill.chunked)
        return plan if fits else plan._replace(keep=0)

    def _set(self, state: KeptState, payload: mmap.mmap) -> bool:
        model, size = self._model, len(payload)
        self._prefill.clear()
        array = _c_array(payload, size)
        done = model.lib.llama_state_seq_set_data(model.ctx, array, size, 0)
        if not done or model.positions()[1] + 1 != len(state.ids):
            self._prefill.clear()
            return False
        self._kept.become(state)
        return True


def _memory(size: int) -> mmap.mmap:
    """Memory whose pages are taken as they are filled, and given back to the system with the object."""
    try:
        return mmap.mmap(-1, size)
    except OSError:
        raise EngineError(f"no memory for {size:,} bytes of state, so it was not saved") from None


def _c_array(buffer: mmap.mmap, size: int) -> Any:
    """`buffer` for llama.cpp; it must live until the call is over."""
    return (ctypes.c_uint8 * size).from_buffer(buffer)
