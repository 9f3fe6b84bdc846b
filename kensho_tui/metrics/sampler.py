"""Sampler: a look at everything once a second, for as long as somebody looks or something runs.

The looking blocks, and so it is done in threads: one for what the system tells, one for what the drivers of
GPUs tell, because a driver can hang. A sample is there when both have answered. A driver that has not by the
time of the next sample is not waited for any more: samples go on without it, and its cards are told to be
silent once what they said last is `STALE_S` old.
"""

import asyncio
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from kensho_tui.core.sample_contract import ReadSamples, Sample, Samples
from kensho_tui.core.tasks import ended, start_in
from kensho_tui.hardware.card import CardReading, Gpu
from kensho_tui.hardware.readings import MachineReading, read_cards, read_machine, silent
from kensho_tui.metrics.aside import Aside
from kensho_tui.metrics.clock import Clock, LoopClock, Timer
from kensho_tui.metrics.ring import Ring
from kensho_tui.metrics.sample import Counts, Look, sample
from kensho_tui.metrics.sample_history import SampleKeeper

INTERVAL_S = 1.0
FIRST_S = 0.2
"""Rates need two looks: so long after the first one there is a sample."""
READ_S = 5.0
"""So long after a read somebody is taken to look on."""
MAX_WAIT_S = 30.0
STALE_S = 5.0
LOOK_AGAIN_S = 10.0


class Reader(Protocol):
    """What tells the counters; both block."""

    def machine(self, pids: Collection[int]) -> MachineReading: ...

    def cards(self, users: bool) -> tuple[CardReading, ...]: ...


class SystemReader:
    """The system and the drivers of its GPUs."""

    def machine(self, pids: Collection[int]) -> MachineReading:
        return read_machine(pids)

    def cards(self, users: bool) -> tuple[CardReading, ...]:
        return read_cards(users)


@dataclass
class _Pending:
    """A look under way."""

    at: float
    moment: float
    counts: Counts
    machine: tuple[MachineReading, int] | None = None
    cards_due: bool = False


class Sampler:
    """``counts`` is asked on the loop, ``database`` (its size in bytes) beside it.

    Without readers and without work there is no timer and no thread. `wake` has to be called when work
    begins.
    """

    def __init__(
        self,
        counts: Callable[[], Counts],
        database: Callable[[], int],
        keeper: SampleKeeper,
        reader: Reader | None = None,
        clock: Clock | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._counts = counts
        self._database = database
        self._keeper = keeper
        self._reader = reader or SystemReader()
        self._clock = clock or LoopClock()
        self._environ = environ
        self._ring = Ring()
        self._machine: Aside[tuple[MachineReading, int]] = Aside("samples of the system")
        self._cards: Aside[tuple[CardReading, ...]] = Aside("samples of the cards")
        self._answer: tuple[CardReading, ...] = ()
        self._answered: float | None = None
        self._asked = 0.0
        self._timer: Timer | None = None
        self._due = 0.0
        self._pending: _Pending | None = None
        self._before: Look | None = None
        self._held = 0
        self._read_at = float("-inf")
        self._closed = False
        self._writing: set[asyncio.Task[None]] = set()

    # --- for those who look --------------------------------------------------------------------------

    async def read(self, request: ReadSamples) -> Samples:
        """What was taken after ``since``; waits for the next sample where there is none."""
        self._read_at = self._clock.monotonic()
        self.wake()
        found = self._ring.since(request.since, self._clock.unix())
        if not found and request.wait > 0 and not self._closed:
            self._held += 1
            try:
                await self._ring.wait(min(request.wait, MAX_WAIT_S))
            finally:
                self._held -= 1
                self._read_at = self._clock.monotonic()
            found = self._ring.since(request.since, self._clock.unix())
        return Samples(samples=found, interval_s=INTERVAL_S)

    @property
    def gpus(self) -> tuple[Gpu, ...] | None:
        """The cards as they were seen last, if they are being looked at now; None: ask the drivers."""
        if self._answered is not None:
            looking = self.running or self._cards.busy
            return tuple(reading.card for reading in self._cards_now()) if looking else None
        late = self._cards.busy and self._clock.monotonic() - self._asked > INTERVAL_S
        return () if late else None

    # --- when it runs --------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        return self._timer is not None

    def wake(self) -> None:
        """Begin, if there is reason to and it has not."""
        if self._timer is not None or self._closed:
            return
        counts = self._counts()
        if self._wanted(counts):
            self._before = None
            self._due = self._clock.monotonic() + FIRST_S
            self._look(counts)
            self._timer = self._clock.later(FIRST_S, self._tick)

    async def close(self) -> None:
        """End for good; what is not written yet is."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._rest()
        await ended(self._writing)
        await self._keeper.write(all=True)

    def _rest(self) -> None:
        self._machine.rest()
        self._cards.rest()

    def _wanted(self, counts: Counts) -> bool:
        seen = self._clock.monotonic() - self._read_at < READ_S
        return counts.working or self._held > 0 or seen

    def _tick(self) -> None:
        self._timer = None
        self._finish()
        counts = self._counts()
        if not self._wanted(counts):
            self._pending = None
            self._rest()
            start_in(self._writing, self._keeper.write(all=True))
            return
        self._look(counts)
        now = self._clock.monotonic()
        # Late by more than one: those between are a gap, and not made up for.
        self._due = max(self._due + INTERVAL_S, now)
        self._timer = self._clock.later(self._due - now, self._tick)

    # --- one look ------------------------------------------------------------------------------------

    def _look(self, counts: Counts) -> None:
        pending = self._pending = _Pending(self._clock.unix(), self._clock.monotonic(), counts)
        pids = [worker.pid for worker in counts.workers]

        def machine_told(found: tuple[MachineReading, int] | None) -> None:
            pending.machine = found
            self._complete(pending)

        def cards_told(found: tuple[CardReading, ...] | None) -> None:
            if found is not None:
                self._answer, self._answered = found, self._clock.monotonic()
            pending.cards_due = False
            self._complete(pending)

        due = not self._no_cards()
        if due and self._cards.start(lambda: self._reader.cards(counts.on_cards), cards_told):
            pending.cards_due, self._asked = True, self._clock.monotonic()
        self._machine.start(lambda: (self._reader.machine(pids), self._database()), machine_told)

    def _no_cards(self) -> bool:
        """Whether there were none a moment ago: they do not come each second."""
        if self._answer or self._answered is None:
            return False
        return self._clock.monotonic() - self._answered < LOOK_AGAIN_S

    def _complete(self, pending: _Pending) -> None:
        if pending is self._pending and pending.machine is not None and not pending.cards_due:
            self._finish()

    def _finish(self) -> None:
        """Make a sample of the look under way, if the system has answered: the drivers may not have."""
        pending, self._pending = self._pending, None
        if pending is None or pending.machine is None or self._closed:
            return
        machine, database = pending.machine
        look = Look(pending.at, pending.moment, pending.counts, machine, self._cards_now(), database)
        before, self._before = self._before, look
        if before is not None:
            self._take(sample(before, look, self._environ))

    def _take(self, taken: Sample) -> None:
        self._ring.append(taken)
        if self._keeper.add(taken):
            start_in(self._writing, self._keeper.write())

    def _cards_now(self) -> tuple[CardReading, ...]:
        if self._answered is None or self._clock.monotonic() - self._answered <= STALE_S:
            return self._answer
        return tuple(silent(reading) for reading in self._answer)
