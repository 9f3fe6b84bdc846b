"""A machine, a clock and threads that a test of samples owns."""

import asyncio
import heapq
import itertools
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from kensho_tui.core.errors import StorageError
from kensho_tui.hardware.card import CardReading
from kensho_tui.hardware.memory import Ram
from kensho_tui.hardware.nvml import Nvml
from kensho_tui.hardware.own import ProcessUse
from kensho_tui.hardware.readings import CpuTimes, MachineReading
from kensho_tui.metrics import sampler
from kensho_tui.metrics.sample import Counts
from kensho_tui.metrics.sample_history import SampleKeeper
from kensho_tui.metrics.sampler import Sampler
from kensho_tui.storage.samples import MinuteRow, SampleRows

GIB = 1 << 30
START = 1_700_000_040.0
"""A whole minute, in Unix seconds."""


@dataclass
class _Timer:
    callback: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


class StagedClock:
    """Time that passes when `advance` says so. ``ahead``: how far the wall clock was set forward."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.ahead = START - 1000.0
        self._timers: list[tuple[float, int, _Timer]] = []
        self._numbers = itertools.count()

    def unix(self) -> float:
        return self.now + self.ahead

    def monotonic(self) -> float:
        return self.now

    def later(self, seconds: float, callback: Callable[[], None]) -> _Timer:
        timer = _Timer(callback)
        heapq.heappush(self._timers, (self.now + seconds, next(self._numbers), timer))
        return timer

    @property
    def timers(self) -> int:
        return sum(not timer.cancelled for _, _, timer in self._timers)

    async def advance(self, seconds: float) -> None:
        end = self.now + seconds
        await settle()
        while self._timers and self._timers[0][0] <= end:
            due, _, timer = heapq.heappop(self._timers)
            self.now = due
            if not timer.cancelled:
                timer.callback()
            await settle()
        self.now = end


async def settle() -> None:
    """What the loop has to do at once is done."""
    for _ in range(5):
        await asyncio.sleep(0)


class StagedThreads:
    """Makes what stands for `Aside`: work is done at once, but that of those whose name is in ``hanging``."""

    def __init__(self) -> None:
        self.hanging: set[str] = set()
        self.started: list[str] = []
        self.living: set[str] = set()
        self.held: list[Callable[[], None]] = []

    def __call__(self, name: str) -> "_StagedAside":
        return _StagedAside(self, name)

    def release(self) -> None:
        """What hangs goes on."""
        self.hanging.clear()
        held, self.held = self.held, []
        for work in held:
            work()


@dataclass
class _StagedAside:
    threads: StagedThreads
    name: str
    busy: bool = False

    def start(self, work: Callable[[], Any], done: Callable[[Any], None]) -> bool:
        if self.busy:
            return False
        self.busy = True
        loop = asyncio.get_running_loop()
        self.threads.started.append(self.name)
        self.threads.living.add(self.name)

        def finish(result: Any) -> None:
            self.busy = False
            done(result)

        def run() -> None:
            try:
                result = work()
            except OSError:
                result = None
            loop.call_soon(finish, result)

        if self.name in self.threads.hanging:
            self.threads.held.append(run)
        else:
            run()
        return True

    def rest(self) -> None:
        self.threads.living.discard(self.name)


@dataclass
class StagedReader:
    """The counters of a machine: ``rate`` says what grows by how much in a second of ``clock``."""

    clock: StagedClock
    nvml: Nvml | None = None
    busy: float = 1.0
    cores: int = 4
    ram: Ram = field(default_factory=lambda: Ram(64 * GIB, 48 * GIB))
    own: float = 0.25
    processes: dict[int, tuple[int, float]] = field(default_factory=dict)
    looks: int = 0
    users: list[bool] = field(default_factory=list)
    broken: bool = False

    def machine(self, pids: Collection[int]) -> MachineReading:
        self.looks += 1
        if self.broken:
            raise OSError("no /proc")
        now = self.clock.now
        used = {
            pid: ProcessUse(size, size // 2, rate * now)
            for pid, (size, rate) in self.processes.items()
            if pid in pids
        }
        cpu = CpuTimes(self.busy * now, self.cores * now, self.cores)
        return MachineReading(now, cpu, self.ram, self.own * now, used)

    def cards(self, users: bool) -> tuple[CardReading, ...]:
        self.users.append(users)
        return self.nvml.readings(users) if self.nvml is not None else ()


class StagedRows(SampleRows):
    """Rows in a list; ``full``: the disk takes none."""

    def __init__(self) -> None:
        self.rows: list[MinuteRow] = []
        self.full = False
        self.tries = 0
        self.pruned: list[float | None] = []

    async def add(self, rows: Any) -> None:
        self.tries += 1
        if self.full:
            raise StorageError("the disk is full: samples were not kept")
        self.rows += rows

    async def prune(self, now: float | None = None) -> None:
        self.pruned.append(now)


class Stage:
    """A sampler with all that a test owns of it."""

    def __init__(self, nvml: Nvml | None = None) -> None:
        self.clock = StagedClock()
        self.threads = StagedThreads()
        self.reader = StagedReader(self.clock, nvml)
        self.rows = StagedRows()
        self.counts = Counts()
        with mock.patch.object(sampler, "Aside", self.threads):
            self.sampler = Sampler(
                lambda: self.counts, lambda: 4096, SampleKeeper(self.rows), self.reader, self.clock, {}
            )
