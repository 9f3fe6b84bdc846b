"""The front link's methods about what models did on this machine. Units as in `core.contract`.

``since`` and ``until`` are dates ISO 8601 (without a zone: UTC), the first included, the second not; None: no
bound. ``model`` is a name, or a unique part of one, of a model that answered here; None: all.
"""

from typing import Literal

from msgspec import Struct

from kensho_tui.core.contract import Method, State, StopReason, Timings, Usage


class RanWith(Struct, frozen=True, kw_only=True):
    """What runs of one model have in common that `SetupMetrics` are of. Fields as in `Generation`."""

    quantisation: str = ""
    device: str = ""
    gpu_layers: int = 0
    context: int = 0
    kv_type: str = ""
    threads: int = 0
    threads_batch: int = 0
    batch: int = 0
    flash: str = ""
    active_weights: int = 0


GenerationOrder = Literal[
    "created", "ttft_s", "prompt_tokens", "prompt_tok_s", "completion_tokens", "decode_tok_s"
]


class ListGenerations(Struct, frozen=True, kw_only=True):
    """Runs that ended: ``limit`` of them (at most 1,000) from ``cursor`` on (empty: the first), which is of
    the same list. The newest, or those with the most of what ``order`` names, come first, with ``rising`` the
    oldest or least; what has none of it comes last. ``setup``: only those of ``model`` with these settings;
    ``ended``: only those with this in what is said of their end: ``from cache``, of complete ones the
    stop reason (``stop sequence``), of others the state.
    """

    since: str | None = None
    until: str | None = None
    model: str | None = None
    limit: int = 100
    cursor: str = ""
    setup: RanWith | None = None
    order: GenerationOrder = "created"
    rising: bool = False
    ended: str = ""


class Generation(Struct, frozen=True, kw_only=True):
    """One run of a model, or an answer given again (``from_cache``), and the message it wrote to.

    ``usage`` and ``timings`` are None where it did not end in an orderly way. ``threads`` decode,
    ``threads_batch`` read prompts, ``batch`` tokens at a time; flash attention (``flash``) is ``on`` or
    ``off``; ``gpu_layers`` were asked for (-1: all, which on a CPU is none); 0 or empty is not known, or no
    model was at work. ``memory``: bytes that its worker was measured to hold on ``device`` once it was loaded
    and warm, ``memory_host`` in RAM beside a GPU. llama.cpp takes all its buffers then, so that is the peak
    but for the text itself. ``bandwidth``: bytes of weights read per second, ``active_weights`` x
    ``timings.decode_tok_s``.
    """

    id: str
    message: str
    chat: str
    model: str | None
    state: State
    stop_reason: StopReason | None
    created: str
    ended: str | None = None
    usage: Usage | None = None
    timings: Timings | None = None
    from_cache: bool = False
    quantisation: str = ""
    context: int = 0
    kv_type: str = ""
    threads: int = 0
    threads_batch: int = 0
    batch: int = 0
    flash: str = ""
    gpu_layers: int = 0
    device: str = ""
    memory: int = 0
    memory_host: int = 0
    active_weights: int = 0
    bandwidth: float = 0.0


class Generations(Struct, frozen=True, kw_only=True):
    """``model``: the one that was meant. ``next`` is the cursor of what follows (empty: nothing does)."""

    generations: tuple[Generation, ...]
    model: str | None = None
    next: str = ""


class ListModelMetrics(Struct, frozen=True, kw_only=True):
    """Figures by model; ``days``: how many of the last days with runs each trend has."""

    since: str | None = None
    until: str | None = None
    model: str | None = None
    days: int = 0


class Spread(Struct, frozen=True, kw_only=True):
    """Of ``count`` values the median, the quartiles around it, the least and the most.

    Quartiles lie between two values where they must (Hyndman and Fan 1996, type 7). Values are kept to a
    millionth.
    """

    count: int
    median: float
    lower: float
    upper: float
    least: float
    most: float

    @property
    def half(self) -> float:
        """Half the interquartile range: the ± beside a median."""
        return (self.upper - self.lower) / 2


class Figures(Struct, frozen=True, kw_only=True):
    """Of ``runs`` (one under way is among them) those that could be measured (None: none of them).

    ``ttft`` has every run that wrote something, its time in the queue left out and loading in it; ``load``
    those that waited for their model and wrote, ``prompt`` (tok/s) those that read at least
    ``ModelMetricsList.least_prompt`` new tokens, ``decode`` (tok/s) and ``bandwidth`` (bytes per second)
    those that wrote at least ``least_completion`` and did not fail. Answers given again are none of the runs.
    """

    runs: int
    ttft: Spread | None = None
    load: Spread | None = None
    prompt: Spread | None = None
    decode: Spread | None = None
    bandwidth: Spread | None = None


class SetupMetrics(Struct, frozen=True, kw_only=True):
    """Runs with the same settings. Fields as in `Generation`."""

    device: str
    gpu_layers: int
    context: int
    kv_type: str
    threads: int
    threads_batch: int = 0
    batch: int = 0
    flash: str = ""
    active_weights: int
    last: str
    figures: Figures


class DayMetrics(Struct, frozen=True, kw_only=True):
    """Runs of one day (in UTC, ``2026-11-21``)."""

    day: str
    runs: int
    ttft: Spread | None = None
    decode: Spread | None = None


class ModelMetrics(Struct, frozen=True, kw_only=True):
    """A model, ``settings`` with the last used first, ``days`` with the oldest first.

    A file that was replaced by one of another quantisation under the same name is another model.
    ``from_cache``: how often an answer of it was given again. ``last``: when a run began.
    """

    model: str
    quantisation: str
    last: str
    figures: Figures
    from_cache: int = 0
    settings: tuple[SetupMetrics, ...] = ()
    days: tuple[DayMetrics, ...] = ()


class ModelMetricsList(Struct, frozen=True, kw_only=True):
    """The model that ran last comes first. ``model``: the one that was meant.

    Speeds of runs with fewer tokens than ``least_prompt`` and ``least_completion`` say little, and do not
    count.
    """

    models: tuple[ModelMetrics, ...]
    least_prompt: int
    least_completion: int
    model: str | None = None


GENERATIONS = Method("metrics.generations", ListGenerations, Generations)
MODEL_METRICS = Method("metrics.models", ListModelMetrics, ModelMetricsList)
