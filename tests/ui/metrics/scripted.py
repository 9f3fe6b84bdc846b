"""Samples, generations and benchmarks that tests say; each is taken at a time that they say, too."""

import asyncio
import math

from msgspec.structs import replace

from kensho_tui.core import contract as c
from kensho_tui.core import metrics_contract as m
from kensho_tui.core import sample_contract as s
from kensho_tui.core.errors import HostGoneError
from tests.ui.fake_host import GIB, MODEL, FakeHost

START = 1_795_000_000.0
"""When the first sample was taken, in Unix seconds."""
CARD = "NVIDIA H100 80GB HBM3"
EMPTY = m.ModelMetricsList(models=(), least_prompt=32, least_completion=8)


def device(number: int = 0, **changes: object) -> s.DeviceSample:
    base = s.DeviceSample(
        device=f"gpu-{number}",
        name=CARD,
        total=80 * GIB,
        used=(30 + 5 * number) * GIB,
        own=28 * GIB,
        load=0.87,
        temperature=64.0,
        power=310.0,
        power_limit=700.0,
    )
    return replace(base, **changes)


def gone(number: int = 0) -> s.DeviceSample:
    """Its driver does not answer."""
    return s.DeviceSample(device=f"gpu-{number}", name=CARD)


def working(**changes: object) -> s.WorkerSample:
    base = s.WorkerSample(pid=42, model=MODEL, state="busy", ram=int(0.6 * GIB), file=int(0.1 * GIB), cpu=2.9)
    return replace(base, **changes)


def sample(at: float = 0.0, **changes: object) -> s.Sample:
    """One of a machine with 16 cores and no GPU, so many seconds after the first."""
    base = s.Sample(
        at=START + at,
        cpu=0.34,
        cores=16,
        ram_used=12 * GIB,
        ram_total=64 * GIB,
        host_cpu=0.004,
        workers=(working(),),
        streams=1,
        decode_tok_s=148.0,
        cache_hits=3,
        cache_asked=12,
        database=12_000_000,
    )
    return replace(base, **changes)


def waves(count: int = 120, **changes: object) -> list[s.Sample]:
    """Samples of `count` seconds in which everything goes up and down."""
    found = []
    for at in range(count):
        swing = 0.5 + 0.45 * math.sin(at / 9)
        one = sample(at, cpu=swing, decode_tok_s=200 * max(swing - 0.4, 0.0), **changes)
        devices = tuple(
            replace(card, load=swing if card.total else None, used=round(card.total * (0.3 + swing / 3)))
            for card in one.devices
        )
        found.append(replace(one, devices=devices))
    return found


def generation(**changes: object) -> m.Generation:
    base = m.Generation(
        id="g1",
        message="m1",
        chat="c1",
        model=MODEL,
        state="complete",
        stop_reason="end",
        created="2026-11-21T09:14:00+00:00",
        usage=c.Usage(prompt_tokens=312, cached_tokens=280, completion_tokens=96),
        timings=c.Timings(
            queue_s=0.002,
            load_s=0.0,
            prefill_s=0.032,
            ttft_s=0.034,
            prompt_tok_s=812.0,
            decode_tok_s=148.0,
            total_s=0.68,
        ),
        quantisation="Q4_1",
    )
    return replace(base, **changes)


def list_of(*found: m.Generation) -> m.Generations:
    return m.Generations(generations=found)


class Samples:
    """What the host answers to `metrics.samples`: reads are held until there is something new."""

    def __init__(self, host: FakeHost, *taken: s.Sample) -> None:
        self._host = host
        self._news = asyncio.Event()
        self.taken = list(taken)
        self.asked: list[s.ReadSamples] = []
        host.replies["metrics.samples"] = self._read
        host.replies["metrics.generations"] = m.Generations(generations=())
        host.replies["metrics.models"] = EMPTY
        host.replies["metrics.sample_history"] = s.SampleHistory(step_s=15.0)

    @property
    def reads(self) -> int:
        return len(self.asked)

    def take(self, *more: s.Sample) -> None:
        self.taken += more
        self._news.set()

    def lose(self) -> None:
        """The host is gone, and with it what it held."""
        self._host.vanish()
        self._news.set()

    async def _read(self, request: s.ReadSamples) -> s.Samples:
        self.asked.append(request)
        while not (found := [one for one in self.taken if one.at > request.since]):
            self._news.clear()
            await self._news.wait()
            if not self._host.connected:
                raise HostGoneError("the connection to the host was lost")
        return s.Samples(samples=tuple(found), interval_s=1.0)
