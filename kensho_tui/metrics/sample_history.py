"""Samples summed up by the minute, and what was kept of them in steps of any length."""

import logging
import math
from collections.abc import Iterator
from typing import get_args

from kensho_tui.core.errors import StorageError, UsageError
from kensho_tui.core.sample_contract import (
    ReadSampleHistory,
    Sample,
    SampleHistory,
    SamplePoint,
    Series,
    SeriesName,
)
from kensho_tui.storage.samples import DAY_S, LARGEST, MINUTE_S, MinuteRow, SampleRows

log = logging.getLogger(__name__)

MOST_POINTS = 2000
LAST_MOMENT = 1e11
UNWRITTEN_ROWS = 5000
"""So many rows are kept for a database that takes none just now."""
_NAMES: tuple[SeriesName, ...] = get_args(SeriesName)


def figures(sample: Sample) -> Iterator[tuple[SeriesName, str, float]]:
    """What is kept of a sample: name of the series, device, value (pure)."""
    yield "memory", "", sample.ram_used
    yield "cpu", "", sample.cpu
    yield "decode", "", sample.decode_tok_s
    yield "streams", "", sample.streams
    for device in sample.devices:
        if device.total:
            yield "memory", device.device, device.used
        if device.load is not None:
            yield "gpu", device.device, device.load
        if device.temperature is not None:
            yield "temperature", device.device, device.temperature
        if device.power is not None:
            yield "power", device.device, device.power


class Minute:
    """Samples of one minute, summed up."""

    def __init__(self) -> None:
        self._begins: int | None = None
        self._sums: dict[tuple[str, str], tuple[float, float, int]] = {}

    def add(self, sample: Sample) -> tuple[MinuteRow, ...]:
        """Take a sample in; the rows of the minute before, where it is the first of another one."""
        begins = int(sample.at // MINUTE_S) * MINUTE_S
        rows = self.end() if begins != self._begins else ()
        self._begins = begins
        for name, device, value in figures(sample):
            if not abs(value) <= LARGEST:
                continue
            total, most, count = self._sums.get((name, device), (0.0, value, 0))
            self._sums[name, device] = (total + value, max(most, value), count + 1)
        return rows

    def end(self) -> tuple[MinuteRow, ...]:
        """What was taken in, as rows; it begins anew."""
        sums, self._sums = self._sums, {}
        begins, self._begins = self._begins, None
        if begins is None:
            return ()
        return tuple(
            MinuteRow(name, device, begins, total / count, most, count)
            for (name, device), (total, most, count) in sums.items()
        )


class SampleKeeper:
    """Writes samples down by the minute, and tells what was written. Nothing here stops the sampling."""

    def __init__(self, rows: SampleRows) -> None:
        self._rows = rows
        self._minute = Minute()
        self._unwritten: tuple[MinuteRow, ...] = ()
        self._pruned = -1
        """The day, counted from 1970, on which old rows were dropped last."""

    def add(self, sample: Sample) -> bool:
        """Take a sample in; True when a minute is over and can be written."""
        rows = self._minute.add(sample)
        self._unwritten += rows
        return bool(rows)

    async def write(self, *, all: bool = False) -> None:
        """Write the minutes that are over; with ``all`` the one that is not, too."""
        if all:
            self._unwritten += self._minute.end()
        rows, self._unwritten = self._unwritten, ()
        if not rows:
            return
        newest = rows[-1].minute
        try:
            await self._rows.add(rows)
        except StorageError as error:
            log.warning("%s", error.message)
            self._unwritten = (*rows, *self._unwritten)[-UNWRITTEN_ROWS:]
            return
        if newest // DAY_S != self._pruned:
            self._pruned = newest // DAY_S
            await self.prune(newest)

    async def prune(self, now: float | None = None) -> None:
        """Drop what is too old, ``now`` in Unix seconds."""
        try:
            await self._rows.prune(now)
        except StorageError as error:
            log.warning("%s", error.message)

    async def history(self, request: ReadSampleHistory) -> SampleHistory:
        """Raises `UsageError` for times that are none, `StorageError`."""
        since, until, length = steps(request)
        kept = sorted(await self._rows.series())
        known = [(name, device) for name in _NAMES for other, device in kept if other == name]
        series = []
        for name, device in known:
            # One by one, so that turns are not kept from the database for long.
            found = await self._rows.steps(name, device, since, until, length)
            points = tuple(
                SamplePoint(float(since + step.number * length), min(step.mean, step.most), step.most)
                for step in found
            )
            if points:
                series.append(Series(name=name, device=device, points=points))
        return SampleHistory(step_s=float(length), series=tuple(series))


def steps(request: ReadSampleHistory) -> tuple[int, int, int]:
    """The first minute, the end, and the length of a step, all in seconds (pure). Raises `UsageError`."""
    if not 1 <= request.points <= MOST_POINTS:
        raise UsageError(f"a history has between 1 and {MOST_POINTS:,} points")
    if not 0 <= request.since < request.until <= LAST_MOMENT:
        raise UsageError("a history goes from one moment to a later one, both in seconds since 1970")
    since = int(request.since // MINUTE_S) * MINUTE_S
    minutes = math.ceil((request.until - since) / MINUTE_S)
    return since, math.ceil(request.until), math.ceil(minutes / request.points) * MINUTE_S
