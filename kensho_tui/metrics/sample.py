"""From two looks at counters to a sample: what is used now, and how much of what in between (pure)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kensho_tui.core.contract import WorkerInfo
from kensho_tui.core.sample_contract import DeviceSample, Sample, WorkerSample
from kensho_tui.hardware.card import CardReading
from kensho_tui.hardware.gpu import chosen, on_gpu
from kensho_tui.hardware.readings import MachineReading

_LOADING = frozenset({"starting", "loading"})


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What the host's rooms count. ``written`` and ``read``: tokens that models wrote and read so far.

    ``working``: something goes on that is worth sampling although nobody looks.
    """

    workers: tuple[WorkerInfo, ...] = ()
    working: bool = False
    streams: int = 0
    queued: int = 0
    written: int = 0
    read: int = 0
    downloads: int = 0
    download_rate: float = 0.0
    cache_hits: int = 0
    cache_asked: int = 0

    @property
    def on_cards(self) -> bool:
        """Whether a worker may hold memory on a GPU."""
        return any(worker.state in _LOADING or on_gpu(worker.device) for worker in self.workers)


@dataclass(frozen=True)
class Look:
    """Everything at one moment: ``at`` in Unix seconds, ``moment`` monotonic, when the rooms were counted
    (the machine told its counters a little later). ``database`` in bytes.
    """

    at: float
    moment: float
    counts: Counts
    machine: MachineReading
    cards: tuple[CardReading, ...]
    database: int


def sample(before: Look, now: Look, environ: Mapping[str, str]) -> Sample:
    """The sample at ``now``. ``environ`` says which cards are hidden from llama.cpp."""
    counts, machine = now.counts, now.machine
    passed = now.moment - before.moment
    looked = machine.moment - before.machine.moment
    return Sample(
        at=now.at,
        cpu=min(
            _rate(machine.cpu.busy - before.machine.cpu.busy, machine.cpu.total - before.machine.cpu.total),
            1.0,
        ),
        cores=machine.cpu.cores,
        ram_used=machine.ram.used,
        ram_total=machine.ram.total,
        host_cpu=_rate(machine.own_cpu_s - before.machine.own_cpu_s, looked),
        devices=_devices(now.cards, counts.workers, environ),
        workers=tuple(_worker(worker, before, now, looked) for worker in counts.workers),
        streams=counts.streams,
        queued=counts.queued,
        decode_tok_s=_rate(counts.written - before.counts.written, passed),
        prompt_tok_s=_rate(counts.read - before.counts.read, passed),
        downloads=counts.downloads,
        download_rate=counts.download_rate,
        cache_hits=counts.cache_hits,
        cache_asked=counts.cache_asked,
        database=now.database,
    )


def _rate(amount: float, passed: float) -> float:
    """Counters that went back were begun anew."""
    return max(amount, 0.0) / passed if passed > 0 else 0.0


def _worker(worker: WorkerInfo, before: Look, now: Look, passed: float) -> WorkerSample:
    use, earlier = now.machine.processes.get(worker.pid), before.machine.processes.get(worker.pid)
    cpu = _rate(use.cpu_s - earlier.cpu_s, passed) if use is not None and earlier is not None else 0.0
    return WorkerSample(
        pid=worker.pid,
        model=worker.model,
        state=worker.state,
        ram=use.ram if use is not None else 0,
        file=use.file if use is not None else 0,
        vram=_vram(worker, now.cards),
        cpu=cpu,
    )


def _vram(worker: WorkerInfo, cards: Sequence[CardReading]) -> int | None:
    told = [size for card in cards if (size := card.users.get(worker.pid))]
    if told:
        return sum(told)
    # A driver that lists no such process may know it by another number (containers).
    return 0 if cards and worker.state not in _LOADING and not on_gpu(worker.device) else None


def _devices(
    readings: Sequence[CardReading], workers: Sequence[WorkerInfo], environ: Mapping[str, str]
) -> tuple[DeviceSample, ...]:
    cards = [reading.card for reading in readings]
    told = {pid for reading in readings for pid, size in reading.users.items() if size}
    own = [sum(reading.users.get(worker.pid) or 0 for worker in workers) for reading in readings]
    for worker in workers:
        if worker.pid in told or worker.footprint is None or not on_gpu(worker.device):
            continue
        # What the driver does not tell is parted as llama.cpp parts layers: by the sizes of the cards.
        meant = chosen(worker.device, cards, environ)
        whole = sum(card.total for card in meant)
        for place, card in enumerate(cards):
            if any(card is one for one in meant) and whole:
                own[place] += worker.footprint.total * card.total // whole
    return tuple(_device(reading, held) for reading, held in zip(readings, own, strict=True))


def _device(reading: CardReading, own: int) -> DeviceSample:
    card = reading.card
    return DeviceSample(
        device=reading.device,
        name=card.name,
        total=card.total,
        used=card.used,
        own=min(own, card.used),
        unified=card.unified,
        load=reading.load,
        temperature=reading.temperature,
        power=reading.power,
        power_limit=reading.power_limit,
    )
