"""The front link's methods about what this machine does now and did lately. Units as in `core.contract`.

Points in time are Unix seconds, speeds tokens per second, shares between 0 and 1, CPU use in cores (1.0: one
core kept busy). What nothing tells is None.
"""

from typing import Literal

from msgspec import Struct

from kensho_tui.core.contract import Method, WorkerState


class DeviceSample(Struct, frozen=True, kw_only=True):
    """One GPU, all processes. ``device`` stays the same for as long as the card is in the machine.

    ``total`` 0: its driver does not answer (any more). ``own``: what our workers hold of ``used``.
    ``unified``: it works in the machine's RAM, and the sizes are those of RAM. ``load``: the share of the
    last moments in which it computed. ``power`` in watts, ``temperature`` in degrees Celsius.
    """

    device: str
    name: str
    total: int = 0
    used: int = 0
    own: int = 0
    unified: bool = False
    load: float | None = None
    temperature: float | None = None
    power: float | None = None
    power_limit: float | None = None


class WorkerSample(Struct, frozen=True, kw_only=True):
    """One worker. ``ram`` is its resident memory as the system counts it, ``file`` what of that is pages of
    files (a mapped model). ``vram`` over all cards, None where the driver does not tell it by process.
    """

    pid: int
    model: str
    state: WorkerState
    ram: int = 0
    file: int = 0
    vram: int | None = None
    cpu: float = 0.0


class Sample(Struct, frozen=True, kw_only=True):
    """One look at everything.

    ``cpu``: the share of this machine's cores in use, ``host_cpu`` the cores that the host itself uses.
    ``decode_tok_s`` and ``prompt_tok_s``: tokens that all streams, and a benchmark, wrote and read since the
    sample before.
    ``streams`` that are answered, ``queued`` among them those that wait for their turn. ``cache_hits`` of
    ``cache_asked`` answers came out of the response cache since the host started. ``database`` in bytes,
    write-ahead log included.
    """

    at: float
    cpu: float = 0.0
    cores: int = 1
    ram_used: int = 0
    ram_total: int = 0
    host_cpu: float = 0.0
    devices: tuple[DeviceSample, ...] = ()
    workers: tuple[WorkerSample, ...] = ()
    streams: int = 0
    queued: int = 0
    decode_tok_s: float = 0.0
    prompt_tok_s: float = 0.0
    downloads: int = 0
    download_rate: float = 0.0
    cache_hits: int = 0
    cache_asked: int = 0
    database: int = 0


class ReadSamples(Struct, frozen=True, kw_only=True):
    """Samples taken after ``since``; held up to ``wait`` seconds while there are none.

    Whoever reads keeps the sampling going: it stops soon after the last read, unless something runs. A
    ``since`` in the future is from before somebody set the clock back: all samples there are come at once.
    """

    since: float = 0.0
    wait: float = 0.0


class Samples(Struct, frozen=True, kw_only=True):
    """Oldest first, one each ``interval_s`` while they were taken; times without any are gaps."""

    samples: tuple[Sample, ...]
    interval_s: float


SeriesName = Literal["memory", "gpu", "cpu", "decode", "temperature", "power", "streams"]
"""Bytes of VRAM or RAM in use, shares, tokens per second, degrees, watts, a count."""


class ReadSampleHistory(Struct, frozen=True, kw_only=True):
    """What was kept from ``since`` to ``until`` (Unix seconds), in at most ``points`` steps of one length.

    Samples are kept by the minute, and when sampling stops: the minute under way is not among them.
    """

    since: float
    until: float
    points: int = 240


class SamplePoint(Struct, frozen=True, array_like=True):
    """``mean`` and ``most`` of the samples in the step that begins at ``at``."""

    at: float
    mean: float
    most: float


class Series(Struct, frozen=True, kw_only=True):
    """Oldest first; steps without samples have no point. ``device``: of one GPU (empty: of the machine)."""

    name: SeriesName
    device: str = ""
    points: tuple[SamplePoint, ...] = ()


class SampleHistory(Struct, frozen=True, kw_only=True):
    step_s: float
    series: tuple[Series, ...] = ()


SAMPLES = Method("metrics.samples", ReadSamples, Samples)
SAMPLE_HISTORY = Method("metrics.sample_history", ReadSampleHistory, SampleHistory)
