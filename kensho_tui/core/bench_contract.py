"""The front link's methods about benchmarks of a model on this machine. Units as in `core.contract`."""

from typing import Literal

from msgspec import Struct

from kensho_tui.core.contract import Empty, Method
from kensho_tui.core.metrics_contract import Spread
from kensho_tui.core.model_contract import Defaults, KvType

Condition = Literal["quiet", "shared"]
"""Nothing else runs; or another process keeps a core busy, as interfaces, editors and browsers do."""

STANDARD_PROMPT, STANDARD_ANSWER = 512, 128
"""Tokens that a standard turn reads and writes: settings are compared by the time it would take."""

BenchState = Literal["running", "complete", "stopped", "failed", "interrupted"]
"""Interrupted: the host was killed; what it had measured by then is kept."""


class BenchSettings(Struct, frozen=True, kw_only=True):
    """What a point was measured with. ``threads`` decode (0: as many as the worker finds to pay),
    ``threads_batch`` prefill, ``batch`` tokens at once; ``gpu_layers`` -1: all."""

    threads: int
    threads_batch: int
    batch: int
    flash: bool
    kv_type: KvType
    gpu_layers: int

    @property
    def layers(self) -> str:
        return "all" if self.gpu_layers < 0 else str(self.gpu_layers)

    def words(self, *, gpu: bool) -> str:
        """``2 threads, 4 prefill threads, batch 256, f16 KV, all layers on the GPU``; flash attention is
        usual, and not said. ``gpu``: there is one to put layers on.
        """
        said = [
            f"{self.threads} thread{'s' * (self.threads != 1)}" if self.threads else "auto threads",
            f"{self.threads_batch} prefill thread{'s' * (self.threads_batch != 1)}",
            f"batch {self.batch}",
            f"{self.kv_type} KV",
        ]
        said += ["no flash attention"] * (not self.flash)
        said += [f"{self.layers} layers on the GPU"] * gpu
        return ", ".join(said)


class BenchPoint(Struct, frozen=True, kw_only=True):
    """Speeds with one choice of settings in one condition, each by the number of runs that `Spread` counts.

    ``prompt``: tok/s reading a prompt of ``prompt_tokens``; ``decode``: tok/s writing ``completion_tokens``
    behind it; None where only the other was measured. ``problem``: why these settings cannot be used.
    ``cut``: another choice was so much quicker that this one was ended before it had a speed.
    """

    condition: Condition
    settings: BenchSettings
    prompt_tokens: int
    completion_tokens: int = 0
    prompt: Spread | None = None
    decode: Spread | None = None
    problem: str = ""
    cut: bool = False


class BareLoop(Struct, frozen=True, kw_only=True):
    """llama.cpp alone, in a loop of a few lines in a process of its own, with the same settings and tokens.

    ``prompt_share`` and ``decode_share``: our speed over its, 1.0 is none lost.
    """

    condition: Condition
    settings: BenchSettings
    prompt_tok_s: float
    decode_tok_s: float
    prompt_share: float
    decode_share: float

    @property
    def prompt_here(self) -> float:
        """Our tok/s that its are held against. They are of runs beside its own where memory had room for
        both: not those of the recommendation.
        """
        return self.prompt_share * self.prompt_tok_s

    @property
    def decode_here(self) -> float:
        return self.decode_share * self.decode_tok_s


class Recommendation(Struct, frozen=True, kw_only=True):
    """The settings that answered a standard turn soonest in ``condition``.

    ``gain``: how much sooner than with the settings in use when the benchmark began (1.1: a tenth).
    """

    condition: Condition
    settings: BenchSettings
    prompt_tok_s: float
    decode_tok_s: float
    gain: float


class Applied(Struct, frozen=True, kw_only=True):
    """The model's defaults without what a benchmark recommends, and with it: when it was applied, ``at``."""

    at: str
    before: Defaults
    after: Defaults


class BenchRun(Struct, frozen=True, kw_only=True):
    """One benchmark, under way or kept. ``done`` of ``total`` measurements, none of them without a speed;
    ``doing``: what is measured now.

    ``before`` were the settings in use; ``applied``: the recommendation that was made the model's defaults.
    Where runs are listed, ``in_use`` are the recommendations that the model's defaults are now, ``applied``
    is one of them, and ``change`` is there as long as some of it can be taken back.
    """

    id: str
    model: str
    state: BenchState
    created: str
    ended: str | None = None
    quantisation: str = ""
    device: str = ""
    cores: int = 0
    version: str = ""
    build: str = ""
    done: int = 0
    total: int = 0
    doing: str = ""
    eta_s: float | None = None
    error: str = ""
    hint: str = ""
    before: BenchSettings | None = None
    points: tuple[BenchPoint, ...] = ()
    bare: tuple[BareLoop, ...] = ()
    recommendations: tuple[Recommendation, ...] = ()
    applied: Condition | None = None
    in_use: tuple[Condition, ...] = ()
    change: Applied | None = None

    @property
    def on_gpu(self) -> bool:
        return self.device not in ("", "CPU")

    def recommended(self, condition: Condition | None) -> Recommendation | None:
        return next((one for one in self.recommendations if one.condition == condition), None)


class StartBench(Struct, frozen=True, kw_only=True):
    """Measure ``model`` (None: the one that a new chat would use). ``quick``: fewer settings and repetitions.

    One benchmark runs at a time, and answers wait for its end: both at once would measure neither.
    ``budget_s``: repeat nothing once so many seconds are over (None: by itself).
    """

    model: str | None = None
    quick: bool = False
    budget_s: float | None = None


class BenchRef(Struct, frozen=True, kw_only=True):
    bench: str


class ListBenches(Struct, frozen=True, kw_only=True):
    """The last ``limit`` runs, newest first. ``model``: a name or a unique part of one (None: all)."""

    model: str | None = None
    limit: int = 50


class BenchList(Struct, frozen=True, kw_only=True):
    runs: tuple[BenchRun, ...]


class ApplyBench(Struct, frozen=True, kw_only=True):
    """Make a recommendation the model's defaults; its other defaults stay, and it can be taken back."""

    bench: str
    condition: Condition = "shared"


class BenchFact(Struct, frozen=True, kw_only=True):
    """Topic ``bench``: the run under way, or the last one of this host's life; None: there was none."""

    run: BenchRun | None = None


START_BENCH = Method("bench.start", StartBench, BenchRun)
STOP_BENCH = Method("bench.stop", BenchRef, Empty)
LIST_BENCHES = Method("bench.list", ListBenches, BenchList)
APPLY_BENCH = Method("bench.apply", ApplyBench, Defaults)
UNDO_BENCH = Method("bench.undo", BenchRef, Defaults)
"""Take back what applying it changed, where nobody has changed that since: the defaults after that."""

TOPIC_BENCH = "bench"
