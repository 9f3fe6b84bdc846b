"""Frames of both links. The envelope of the front link, and the few kinds of the worker link."""

from msgspec import Raw, Struct

from kensho_tui.core.contract import PhaseName, Role, Sampling, StopReason, Usage

# --- front link -------------------------------------------------------------------------------------


class Hello(Struct, frozen=True, kw_only=True, tag="hello"):
    """First frame of a client. Its form never changes: hosts of every version can read it.

    ``environment`` maps names that matter (see `config.environment`) to digests of their values.
    ``replace`` asks a host of another version to end itself, which it does when it is idle.
    """

    protocol: int
    version: str
    environment: dict[str, str] = {}
    front_end: bool = False
    replace: bool = False


class Welcome(Struct, frozen=True, kw_only=True, tag="welcome"):
    """The host's answer. Not ``accepted``: the connection is closed, ``busy`` says whether it works.

    ``differs`` names the environment values that are not the host's own.
    """

    accepted: bool
    protocol: int
    version: str
    pid: int
    busy: bool
    differs: tuple[str, ...] = ()


class Call(Struct, frozen=True, kw_only=True, tag="call"):
    id: int
    method: str
    body: Raw
    trace: str = ""


class Reply(Struct, frozen=True, kw_only=True, tag="reply"):
    id: int
    body: Raw


class Failure(Struct, frozen=True, kw_only=True, tag="failure"):
    """A `core.errors.KenshoError`, on its way."""

    id: int
    code: str
    message: str
    hint: str = ""


FrontFrame = Hello | Welcome | Call | Reply | Failure

# --- worker link ------------------------------------------------------------------------------------


class Turn(Struct, frozen=True):
    role: Role
    content: str


class Load(Struct, frozen=True, kw_only=True, tag="load"):
    """Load the GGUF at ``path``; where the worker has that file already, set it up anew: what was
    evaluated may be lost. ``context`` is an upper bound in tokens; ``gpu_layers`` -1 means all.

    Decode runs with ``threads``, and with up to ``threads_most`` while that is measured to be faster.
    ``kv_type`` is ggml's name of the KV cache's type, ``batch`` in tokens (0: by device), ``flash`` flash
    attention (None: wherever the device can), ``template`` a Jinja source in place of the file's own.
    """

    path: str
    context: int = 8192
    gpu_layers: int = -1
    threads: int = 1
    threads_most: int = 1
    threads_batch: int = 1
    kv_type: str = "f16"
    batch: int = 0
    flash: bool | None = None
    template: str = ""


class Prefetch(Struct, frozen=True, kw_only=True, tag="prefetch"):
    """Bring the file at ``path`` into the page cache, while no load is asked; an empty path ends that."""

    path: str


class Save(Struct, frozen=True, kw_only=True, tag="save"):
    """Write what the KV cache holds to ``path`` (which is replaced whole, or left alone).

    ``key`` says for which model, build and shape of the cache it is good. Not worth it, and answered with no
    tokens, when evaluating them again would take less than ``worth_s`` or the file would have more than
    ``limit`` bytes.
    """

    path: str
    key: str
    worth_s: float = 1.0
    limit: int = 2 << 30


class Generate(Struct, frozen=True, kw_only=True, tag="generate"):
    """Answer ``turns``; ``prefix`` is the part of the answer that stands already (continue).

    ``restore`` is a file that `Save` wrote with the same ``key``: it is used where it spares evaluating.
    ``measured``: for a benchmark, so that each run does the same work: the whole prompt is evaluated, and
    the answer goes on beyond an end of its own.
    """

    id: str
    turns: tuple[Turn, ...]
    sampling: Sampling
    prefix: str = ""
    restore: str = ""
    key: str = ""
    measured: bool = False
    trace: str = ""


class AbortWork(Struct, frozen=True, kw_only=True, tag="abort"):
    """Stop generation ``id``; an empty id cancels the load."""

    id: str = ""


class Close(Struct, frozen=True, tag="close"):
    """End in an orderly way."""


class Progress(Struct, frozen=True, kw_only=True, tag="progress"):
    """``done`` of ``total`` bytes (reading, loading: per mille) or tokens (prefill)."""

    id: str
    phase: PhaseName
    done: int
    total: int


class Buffers(Struct, frozen=True, kw_only=True):
    """Bytes that llama.cpp says it allocated: on the device, and in RAM beside it (``host``).

    ``rss``: the process's own resident memory that is not the model file, once it is warm. ``mapped``: what
    of the weights in RAM (of ``host``, beside a GPU) is pages of the model file.
    """

    weights: int = 0
    kv: int = 0
    compute: int = 0
    host: int = 0
    rss: int = 0
    mapped: int = 0


class DeviceMemory(Struct, frozen=True, kw_only=True):
    """What llama.cpp itself knows of a GPU's memory, in bytes, once the model is there."""

    name: str
    total: int
    free: int


class Saved(Struct, frozen=True, kw_only=True, tag="saved"):
    """``tokens`` of the KV cache are in the file now, ``size`` bytes; 0: it was not worth it."""

    tokens: int
    size: int


class Loaded(Struct, frozen=True, kw_only=True, tag="loaded"):
    """The model is warm. ``context`` is what it got; ``device`` what its layers run on."""

    context: int
    trained_context: int
    has_template: bool
    device: str
    description: str
    build: str
    load_s: float
    buffers: Buffers = Buffers()
    devices: tuple[DeviceMemory, ...] = ()


class Chunk(Struct, frozen=True, kw_only=True, tag="chunk"):
    """Text that was ready when the pipe was free. ``sequence`` counts from 0, ``tokens`` in total."""

    id: str
    sequence: int
    text: str
    tokens: int
    prompt_tokens: int


class End(Struct, frozen=True, kw_only=True, tag="end"):
    """The generation is over; ``sequence`` is the number of chunks sent.

    ``prefill_s`` runs from the request's arrival in the worker to the first token sampled. ``trimmed``
    turns of the history were left out because they no longer fit the context. ``seed`` was used.
    ``restored`` tokens came from the file asked for; ``refused`` says why it could not be used.
    """

    id: str
    sequence: int
    stop_reason: StopReason
    usage: Usage
    prefill_s: float
    decode_s: float
    seed: int
    trimmed: int = 0
    restored: int = 0
    refused: str = ""


class Error(Struct, frozen=True, kw_only=True, tag="error"):
    """Generation ``id`` (empty: the load, "save": a `Save`) failed; the worker itself goes on."""

    id: str
    code: str
    message: str
    hint: str = ""


class Beat(Struct, frozen=True, kw_only=True, tag="beat"):
    """Sent every second while the worker is at work: it is alive though no text comes."""

    busy: bool


ToWorker = Load | Prefetch | Save | Generate | AbortWork | Close
FromWorker = Progress | Loaded | Saved | Chunk | End | Error | Beat
