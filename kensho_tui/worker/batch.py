"""Batches for ``llama_decode``, made once and filled again and again."""

import ctypes
from collections.abc import Sequence
from typing import Any


class Batch:
    """Up to ``size`` tokens of sequence 0. ``struct`` is what llama.cpp takes.

    ``token`` and ``position`` are C arrays: a loop that decodes single tokens writes their first elements.
    """

    def __init__(self, lib: Any, size: int) -> None:
        self.token = (lib.llama_token * size)()
        self.position = (lib.llama_pos * size)()
        self._count = (ctypes.c_int32 * size)(*[1] * size)
        self._sequence = (lib.llama_seq_id * 1)(0)
        pointer = ctypes.POINTER(lib.llama_seq_id)
        self._sequences = (pointer * size)(*[ctypes.cast(self._sequence, pointer)] * size)
        self._logits = (ctypes.c_int8 * size)()
        self.struct = lib.llama_batch(
            n_tokens=size,
            token=self.token,
            embd=None,
            pos=self.position,
            n_seq_id=self._count,
            seq_id=self._sequences,
            logits=self._logits,
        )

    def fill(self, tokens: Sequence[int], position: int, *, logits: bool) -> Any:
        """The struct for `tokens` from `position` on; ``logits`` of the last one are computed or none."""
        count = len(tokens)
        self.token[:count] = tokens
        self.position[:count] = range(position, position + count)
        ctypes.memset(self._logits, 0, count)
        self._logits[count - 1] = int(logits)
        self.struct.n_tokens = count
        return self.struct
