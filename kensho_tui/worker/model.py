"""A model in memory with its context: loading, the vocabulary, and the KV cache's few operations."""

import ctypes
import os
from collections.abc import Callable
from typing import Any

import msgspec

from kensho_tui.core.errors import EngineError, LoadError, NoMemoryError
from kensho_tui.core.frames import Buffers, Load
from kensho_tui.worker import buffers
from kensho_tui.worker.kept import Token
from kensho_tui.worker.log import LlamaLog
from kensho_tui.worker.reading import CANCELLED
from kensho_tui.worker.threads import DecodeThreads

BATCH_CPU = 256
BATCH_GPU = 512
MAX_TOKENS = 1 << 28
_TOO_LARGE = "Use a smaller context, put fewer layers on the GPU, or choose a smaller model"


class Model:
    """llama.cpp's model and context. One thread owns it; it is freed by `free`, or the end of the process.

    ``context`` is the number of tokens that may be used, ``batch`` the most that one ``llama_decode`` takes,
    ``load`` what it was made with.
    """

    def __init__(self, lib: Any, model: Any, ctx: Any, load: Load, log: LlamaLog) -> None:
        self.lib = lib
        self.ctx = ctx
        self.pointer = model
        self.load = load
        self._on_gpu = on_gpu(lib, load)
        self._allocated = buffers.parse(log.buffer_lines())
        self.batch = int(lib.llama_n_batch(ctx))
        self.threads = DecodeThreads(max(load.threads, 1), load.threads_most)
        self.context = min(context_size(lib, model, load), int(lib.llama_n_ctx(ctx)))
        self.trained = int(lib.llama_model_n_ctx_train(model)) or self.context
        self.memory = lib.llama_get_memory(ctx)
        self.n_swa = int(lib.llama_model_n_swa(model))
        self.architecture = self._meta(b"general.architecture")
        self.vocab = lib.llama_model_get_vocab(model)
        self.tokens: dict[int, Token] = {}
        bos = int(lib.llama_vocab_bos(self.vocab))
        self.bos_text = self._text(bos)
        self.eos_text = self._text(int(lib.llama_vocab_eos(self.vocab)))
        self.adds_bos = bos >= 0 and bool(lib.llama_vocab_get_add_bos(self.vocab))
        self.warm_token = bos if bos >= 0 else 0

    def _meta(self, key: bytes) -> str:
        buffer = ctypes.create_string_buffer(256)
        size = self.lib.llama_model_meta_val_str(self.pointer, key, buffer, len(buffer))
        return buffer.value.decode("utf-8", "replace") if size > 0 else ""

    @property
    def description(self) -> str:
        buffer = ctypes.create_string_buffer(256)
        self.lib.llama_model_desc(self.pointer, buffer, len(buffer))
        return buffer.value.decode("utf-8", "replace")

    @property
    def template(self) -> str | None:
        """The Jinja source of the chat template; None for a base model."""
        source = self.lib.llama_model_chat_template(self.pointer, None)
        return source.decode("utf-8", "replace") if source else None

    @property
    def buffers(self) -> Buffers:
        """Memory taken, and the process's own resident memory now: to be asked once the model is warm."""
        size = int(self.lib.llama_model_size(self.pointer))
        rss = buffers.own_memory()
        return buffers.summed(self._allocated, on_gpu=self._on_gpu, model_size=size, rss=rss)

    def set_threads(self, decode: int) -> None:
        """From the next `llama_decode` on."""
        self.lib.llama_set_n_threads(self.ctx, decode, max(self.load.threads_batch, 1))

    def differs(self, load: Load) -> bool:
        """Whether more than threads would have to change for `load`."""
        same = {"threads": load.threads, "threads_most": load.threads_most}
        return msgspec.structs.replace(self.load, **same, threads_batch=load.threads_batch) != load

    def take_threads(self, load: Load) -> None:
        """Go on with the threads of `load`; what was learnt of others is forgotten."""
        self.load = load
        self.threads = DecodeThreads(max(load.threads, 1), load.threads_most)
        self.set_threads(self.threads.count)

    def free(self) -> None:
        """Give back all of its memory; it is used no more."""
        self.lib.llama_free(self.ctx)
        self.lib.llama_model_free(self.pointer)

    def inherit(self, before: "Model") -> None:
        """It has the weights and the vocabulary of `before`, which is used no more."""
        self.tokens = before.tokens
        self._allocated.weights, self._allocated.mapped = before._allocated.weights, before._allocated.mapped

    # --- vocabulary ---------------------------------------------------------------------------------

    def tokenize(self, text: bytes) -> list[int]:
        """Token ids of `text`, special tokens recognised, nothing added. Raises `EngineError`."""
        room = len(text) + 16
        for _ in range(2):
            buffer = (self.lib.llama_token * room)()
            count = self.lib.llama_tokenize(self.vocab, text, len(text), buffer, room, False, True)
            if count >= 0:
                break
            room = min(-count, MAX_TOKENS)
        else:
            raise EngineError("the prompt could not be split into tokens")
        ids: list[int] = buffer[:count]
        return ids

    def look(self, token: int) -> Token:
        """What `token` stands for; remembered."""
        known = self.tokens.get(token)
        if known is None:
            lib, vocab = self.lib, self.vocab
            attributes = int(lib.llama_vocab_get_attr(vocab, token))
            known = Token(
                shown=self._piece(token, special=False),
                written=self._piece(token, special=True),
                ends=bool(lib.llama_vocab_is_eog(vocab, token)),
                control=bool(attributes & lib.LLAMA_TOKEN_ATTR_CONTROL),
                special=bool(attributes & (lib.LLAMA_TOKEN_ATTR_CONTROL | lib.LLAMA_TOKEN_ATTR_USER_DEFINED)),
            )
            self.tokens[token] = known
        return known

    def _piece(self, token: int, *, special: bool) -> bytes:
        buffer = ctypes.create_string_buffer(64)
        size = self.lib.llama_token_to_piece(self.vocab, token, buffer, len(buffer), 0, special)
        if size < 0:
            buffer = ctypes.create_string_buffer(-size)
            size = self.lib.llama_token_to_piece(self.vocab, token, buffer, len(buffer), 0, special)
        return buffer.raw[: max(size, 0)]

    def _text(self, token: int) -> str:
        return self.look(token).written.decode("utf-8", "replace") if token >= 0 else ""

    # --- KV cache -----------------------------------------------------------------------------------

    def clear(self) -> None:
        """Forget everything evaluated."""
        self.lib.llama_memory_clear(self.memory, False)

    def forget_from(self, position: int) -> bool:
        """Drop positions from `position` on; False when this kind of memory cannot do that."""
        return bool(self.lib.llama_memory_seq_rm(self.memory, 0, position, -1))

    def positions(self) -> tuple[int, int]:
        """First and last position held; -1 where there is none."""
        lib, memory = self.lib, self.memory
        return int(lib.llama_memory_seq_pos_min(memory, 0)), int(lib.llama_memory_seq_pos_max(memory, 0))


def load_model(
    lib: Any, log: LlamaLog, load: Load, progress: Callable[[float], None], cancelled: Callable[[], bool]
) -> Model:
    """Load the file and make a context for it, not warm yet. ``progress`` gets 0 … 1.

    Raises `LoadError` with llama.cpp's own reason, `NoMemoryError` where that was memory; the process may try
    another file afterwards.
    """
    log.clear()
    pointer = _load_file(lib, load, progress, cancelled)
    if not pointer:
        if cancelled():
            raise LoadError(CANCELLED)
        raise _not_loaded(load, log)
    return _with_context(lib, pointer, load, log)


def load_anew(
    model: Model, load: Load, log: LlamaLog, progress: Callable[[float], None], cancelled: Callable[[], bool]
) -> Model:
    """The file of `model` with the settings of `load`; its weights stay where they are if their place is the
    same. `model` is used no more. Raises as `load_model`, and nothing is left in memory then.
    """
    if load.gpu_layers != model.load.gpu_layers:
        model.free()
        return load_model(model.lib, log, load, progress, cancelled)
    log.clear()
    model.lib.llama_free(model.ctx)
    made = _with_context(model.lib, model.pointer, load, log)
    made.inherit(model)
    return made


def _with_context(lib: Any, pointer: Any, load: Load, log: LlamaLog) -> Model:
    """Raises `LoadError`; the model is freed then."""
    ctx = None
    try:
        _require_chat_model(lib, pointer)
        ctx = lib.llama_init_from_model(pointer, context_params(lib, pointer, load))
        if not ctx:
            raise _no_context(context_size(lib, pointer, load), log)
        if not lib.llama_get_memory(ctx):
            raise LoadError("this model keeps no context, so it cannot chat", hint="Choose a chat model")
        return Model(lib, pointer, ctx, load, log)
    except LoadError:
        if ctx:
            lib.llama_free(ctx)
        lib.llama_model_free(pointer)
        raise


def _not_loaded(load: Load, log: LlamaLog) -> LoadError:
    what = f"{load.path} could not be loaded: {log.reason() or 'llama.cpp gave no reason'}"
    if log.lacks_memory():
        return NoMemoryError(what, hint=_TOO_LARGE)
    return LoadError(what, hint="The file may be damaged or made for a newer llama.cpp: download it again")


def _no_context(context: int, log: LlamaLog) -> LoadError:
    reason = log.reason()
    what = f"no context of {context:,} tokens could be made: {reason or 'out of memory'}"
    if log.lacks_memory() or not reason:
        return NoMemoryError(what, hint=_TOO_LARGE)
    return LoadError(what, hint="Choose another type of KV cache, or another model")


def on_gpu(lib: Any, load: Load) -> bool:
    return load.gpu_layers != 0 and bool(lib.llama_supports_gpu_offload())


def context_size(lib: Any, model: Any, load: Load) -> int:
    """What `load` asks for, and never more than the model was trained for."""
    trained = int(lib.llama_model_n_ctx_train(model)) or load.context
    return min(load.context if load.context > 0 else trained, trained)


def model_params(lib: Any, load: Load) -> Any:
    params = lib.llama_model_default_params()
    params.n_gpu_layers = load.gpu_layers if lib.llama_supports_gpu_offload() else 0
    params.load_mode = lib.LLAMA_LOAD_MODE_MMAP
    return params


def _load_file(lib: Any, load: Load, progress: Callable[[float], None], cancelled: Callable[[], bool]) -> Any:
    def on_progress(fraction: float, _data: object) -> bool:
        progress(fraction)
        return not cancelled()

    params = model_params(lib, load)
    params.progress_callback = lib.llama_progress_callback(on_progress)
    return lib.llama_model_load_from_file(os.fsencode(load.path), params)


def _require_chat_model(lib: Any, model: Any) -> None:
    if lib.llama_model_has_encoder(model) or not lib.llama_model_has_decoder(model):
        raise LoadError("this model does not write text token by token", hint="Choose a chat model")
    if lib.llama_vocab_type(lib.llama_model_get_vocab(model)) == lib.LLAMA_VOCAB_TYPE_NONE:
        raise LoadError("this model file has no vocabulary", hint="Choose another file of this model")


def context_params(lib: Any, model: Any, load: Load) -> Any:
    """Raises `LoadError` for a type of KV cache that is not offered."""
    params = lib.llama_context_default_params()
    params.n_ctx = context_size(lib, model, load)
    params.n_batch = params.n_ubatch = load.batch or (BATCH_GPU if on_gpu(lib, load) else BATCH_CPU)
    params.n_seq_max = 1
    # One row of logits and not one per token of a batch: 0.5 GB less with a vocabulary of 262,000. To ask for
    # more rows than declared would abort the process.
    params.n_outputs_max = params.n_outputs_max_per_seq = 1
    params.n_threads = max(load.threads, 1)
    params.n_threads_batch = max(load.threads_batch, 1)
    # A quantised cache of values needs fused attention; llama.cpp turns it on by itself where it can.
    params.flash_attn_type = {
        None: lib.LLAMA_FLASH_ATTN_TYPE_AUTO,
        True: lib.LLAMA_FLASH_ATTN_TYPE_ENABLED,
        False: lib.LLAMA_FLASH_ATTN_TYPE_DISABLED,
    }[load.flash]
    params.swa_full = False
    params.no_perf = False
    params.type_k = params.type_v = _kv_type(lib, load.kv_type)
    return params


def _kv_type(lib: Any, name: str) -> int:
    known = {"f16": lib.GGML_TYPE_F16, "q8_0": lib.GGML_TYPE_Q8_0, "q4_0": lib.GGML_TYPE_Q4_0}
    if name not in known:
        raise LoadError(f"there is no KV cache of type {name}", hint=f"Choose one of {', '.join(known)}")
    return int(known[name])
