"""What a benchmark tries: one axis after the other, those that matter most first (pure).

Not every combination: decoding depends on its threads, reading on its own and on the batch, both on flash
attention, the KV cache and the layers on a GPU. So an axis is tried with the best of those before it.
"""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import get_args

from msgspec.structs import replace

from kensho_tui.core.bench_contract import BenchSettings, Condition
from kensho_tui.core.frames import Load
from kensho_tui.core.model_contract import KvType
from kensho_tui.models.estimate import usual_batch

CONDITIONS: tuple[Condition, ...] = ("quiet", "shared")
FEW_CORES = 6
BATCHES = (128, 512, 1024)
QUICK_BATCHES = (512,)
LEAST_S = 10.0
"""With less time nothing is measured twice, and prompts are short."""


@dataclass(frozen=True)
class Machine:
    """What there is to choose from. ``paying``: the safe and the most threads that a worker chooses from by
    itself; ``gpu``: layers go to one, ``layers`` the model has; ``quantises``: its KV cache may be.
    """

    cores: int
    paying: tuple[int, int]
    gpu: bool = False
    layers: int = 0
    quantises: bool = True

    def batch(self, gpu_layers: int) -> int:
        """Tokens at once where nobody says, with so many layers on the GPU."""
        return usual_batch(on_gpu=self.gpu and gpu_layers != 0)

    @property
    def adapts(self) -> bool:
        return self.paying[1] > self.paying[0]


@dataclass(frozen=True)
class Pace:
    """How much is measured: prompts of ``prompt`` tokens with answers of ``answer``, for decoding alone
    ``writing`` tokens behind a prompt of ``short``. Each choice is measured ``rounds`` times, the last ones
    ``finals``, llama.cpp alone ``alone``, as far as ``budget_s`` seconds go. ``quick`` tries less.
    """

    prompt: int
    answer: int
    short: int
    writing: int
    rounds: int
    finals: int
    budget_s: float
    lengths: tuple[int, ...] = ()
    alone: int = 2
    quick: bool = False

    def within(self, seconds: float) -> "Pace":
        """In about so long, if that is possible."""
        if seconds >= LEAST_S:
            return dataclasses.replace(self, budget_s=seconds)
        prompt, answer = min(self.prompt, 128), min(self.answer, 24)
        return dataclasses.replace(self, budget_s=seconds, finals=1, prompt=prompt, answer=answer)


FULL = Pace(
    prompt=512, answer=64, short=32, writing=64,
    rounds=2, finals=4, budget_s=88.0, lengths=(128, 2048), alone=3,
)  # fmt: skip
QUICK = Pace(
    prompt=256, answer=48, short=32, writing=40,
    rounds=1, finals=2, budget_s=26.0, alone=1, quick=True,
)  # fmt: skip


def settings_of(request: Load, machine: Machine) -> BenchSettings:
    """What a worker was loaded with, in the words of a benchmark."""
    return BenchSettings(
        threads=0 if request.threads_most > request.threads else request.threads,
        threads_batch=request.threads_batch,
        batch=request.batch or machine.batch(request.gpu_layers),
        flash=request.flash is not False,
        kv_type=kv_type_of(request),
        gpu_layers=request.gpu_layers,
    )


def kv_type_of(request: Load) -> KvType:
    return next((kind for kind in get_args(KvType) if kind == request.kv_type), "f16")


def request_for(settings: BenchSettings, base: Load, machine: Machine) -> Load:
    """``base`` with these settings. Flash attention that is not turned off is left to llama.cpp."""
    threads, most = (settings.threads, settings.threads) if settings.threads else machine.paying
    return replace(
        base,
        threads=threads,
        threads_most=most,
        threads_batch=settings.threads_batch,
        batch=0 if settings.batch == machine.batch(settings.gpu_layers) else settings.batch,
        flash=None if settings.flash else False,
        kv_type=settings.kv_type,
        gpu_layers=settings.gpu_layers,
    )


def threads(base: BenchSettings, machine: Machine, *, quick: bool) -> tuple[BenchSettings, ...]:
    """Threads that decode; 0 is the worker's own choice."""
    counts = [0] if machine.adapts else []
    return _each(base, (replace(base, threads=count) for count in (*counts, *_counts(machine, quick=quick))))


def threads_batch(base: BenchSettings, machine: Machine, *, quick: bool) -> tuple[BenchSettings, ...]:
    """Threads that read."""
    counts = _counts(machine, quick=quick)
    return _each(base, (replace(base, threads_batch=count) for count in counts))


def batches(base: BenchSettings, *, quick: bool) -> tuple[BenchSettings, ...]:
    """Tokens that are read at once."""
    sizes = QUICK_BATCHES if quick else BATCHES
    return _each(base, (replace(base, batch=size) for size in sizes))


def variants(base: BenchSettings, machine: Machine, *, quick: bool) -> tuple[BenchSettings, ...]:
    """Flash attention, without which llama.cpp quantises no cache; types of KV cache; layers on the GPU."""
    plain = replace(base, kv_type="f16")
    found = [plain, replace(plain, flash=False)]
    if machine.quantises:
        found.append(replace(base, kv_type="q8_0", flash=True))
        if not quick:
            found.append(replace(base, kv_type="q4_0", flash=True))
    if machine.gpu:
        some = (-1,) if quick else (-1, machine.layers // 2, 0)
        found += [replace(base, gpu_layers=count) for count in some]
    return _each(base, found)


def _counts(machine: Machine, *, quick: bool) -> list[int]:
    """Numbers of threads worth trying: most of what helps lies between half of the cores and all."""
    cores = machine.cores
    if quick:
        found = [cores - 1, cores]
    elif cores <= FEW_CORES:
        found = list(range(max(cores // 2, 1), cores + 1))
    else:
        found = [cores // 4, cores // 2, cores * 3 // 4, cores - 1, cores]
    return sorted({count for count in found if count > 0})


def _each(base: BenchSettings, more: Iterable[BenchSettings]) -> tuple[BenchSettings, ...]:
    """Each once, ``base`` first."""
    return tuple(dict.fromkeys((base, *more)))
