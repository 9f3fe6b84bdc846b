"""CPU of sampling once a second with eight scripted GPUs, and of a host with and without anybody looking.

python benchmarks/sampling.py [--seconds 30]

Percentages of one core. ``full_speed``: the CPU time of one look (threads, loop, reading and keeping it) when
600 are taken one right after the other, a worker on all cards, and a second is said to pass between them.
``real``: the same at its own pace, less what an event loop takes that does nothing. ``idle_host``: the real
host with a loaded scripted worker, a front end connected and nobody looking; ``watched_host``: with held
reads of all samples. The scripted library answers at once: what a driver takes is its own. Goals: 0.3 % for
sampling, 0.2 % for the idle host.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from common import option_parser, report
from stage import Cpu, scripted_home

from kensho_tui.client.facade import Kensho
from kensho_tui.core.contract import WorkerInfo
from kensho_tui.core.sample_contract import SAMPLES, ReadSamples
from kensho_tui.hardware import nvml
from kensho_tui.metrics.clock import Clock, LoopClock
from kensho_tui.metrics.sample import Counts
from kensho_tui.metrics.sample_history import SampleKeeper
from kensho_tui.metrics.sampler import INTERVAL_S, Sampler
from kensho_tui.storage.database import Database, open_database
from kensho_tui.storage.files import family, size_of
from kensho_tui.storage.samples import SampleRows
from tests.support.nvml import Card, ScriptedNvml

GIB = 1 << 30
CARDS, LOOKS = 8, 600
SETTLE_S = 12.0


class HurriedClock:
    """A clock whose seconds pass when `tick` is called."""

    def __init__(self) -> None:
        self._now = time.time()
        self._next: tuple[float, Callable[[], None]] | None = None

    def unix(self) -> float:
        return self._now

    monotonic = unix

    def later(self, seconds: float, callback: Callable[[], None]) -> "HurriedClock":
        self._next = seconds, callback
        return self

    def cancel(self) -> None:
        self._next = None

    def tick(self) -> None:
        if self._next is None:
            raise RuntimeError("the sampler has stopped")
        seconds, callback = self._next
        self._now += seconds
        callback()


def counts() -> Counts:
    """Of a host with one worker (this process) on all cards, and a stream."""
    worker = WorkerInfo(pid=os.getpid(), model="scripted", state="busy", device="CUDA")
    return Counts(workers=(worker,), working=True, streams=1)


def sampler(database: Database, clock: Clock) -> Sampler:
    def size() -> int:
        return sum(size_of(part) for part in family(database.path))

    return Sampler(counts, size, SampleKeeper(SampleRows(database, 30)), clock=clock)


async def full_speed(database: Database) -> float:
    """Seconds of CPU of one look."""
    clock = HurriedClock()
    taken = sampler(database, clock)
    taken.wake()
    await asyncio.sleep(1.0)  # the first look alone makes no sample
    last, begin = 0.0, time.process_time()
    for _ in range(LOOKS):
        clock.tick()
        found = (await taken.read(ReadSamples(since=last, wait=10))).samples
        if len(found) != 1 or len(found[0].devices) != CARDS:
            raise RuntimeError(f"{len(found)} samples where one was due")
        last = found[0].at
    used = time.process_time() - begin
    await taken.close()
    return used / LOOKS


async def real(database: Database, seconds: float) -> float:
    """Seconds of CPU of one look at the sampler's own pace."""
    begin = time.process_time()
    await asyncio.sleep(seconds)
    floor = time.process_time() - begin
    taken = sampler(database, LoopClock())
    taken.wake()
    await asyncio.sleep(SETTLE_S / 4)
    begin = time.process_time()
    await asyncio.sleep(seconds)
    used = time.process_time() - begin
    await taken.close()
    return (used - floor) / (seconds / INTERVAL_S)


async def sampled(seconds: float) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        database = (await open_database(Path(folder, "kensho.db"))).database
        try:
            fast, paced = await full_speed(database), await real(database, seconds)
        finally:
            await database.close()
    return {"full_speed": fast, "real": paced}


async def host(pid: int, seconds: float, *, watched: bool) -> float:
    """Seconds of the host's CPU in a second, a front end connected."""
    async with Kensho() as kensho:
        await asyncio.sleep(SETTLE_S)
        since = time.time()
        cpu, end = Cpu(pid), time.monotonic() + seconds
        while watched and time.monotonic() < end:
            found = await kensho.call(SAMPLES, ReadSamples(since=since, wait=5))
            since = found.samples[-1].at if found.samples else since
        await asyncio.sleep(max(end - time.monotonic(), 0.0))
        return cpu.used()[0] / seconds


def main() -> None:
    parser = option_parser(__doc__)
    parser.add_argument("--seconds", type=float, default=30)
    arguments = parser.parse_args()
    library = ScriptedNvml(*(Card(used=9 * GIB, load=50, users={os.getpid(): GIB}) for _ in range(CARDS)))
    session = nvml.Nvml(library)
    nvml.session = lambda: session  # type: ignore[assignment]
    used = asyncio.run(sampled(arguments.seconds))
    with scripted_home() as home:
        for name, watched in (("idle_host", False), ("watched_host", True)):
            used[name] = asyncio.run(host(home.host_pid(), arguments.seconds, watched=watched))
    report(
        "sampling once a second: per cent of a core",
        cards=CARDS,
        seconds=arguments.seconds,
        **{f"{name}_percent": 100 * share for name, share in used.items()},
    )


if __name__ == "__main__":
    main()
