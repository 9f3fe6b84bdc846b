"""What the machine did, a row for each minute and series."""

import time
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from kensho_tui.storage.database import Database

MINUTE_S = 60
DAY_S = 86_400
LARGEST = 1e18
"""No figure is larger; a row that says so is damaged."""
MOST_SAMPLES = 1_000_000


class MinuteRow(NamedTuple):
    """One minute of a series: it begins ``minute`` seconds after 1970. ``device``: of one GPU."""

    name: str
    device: str
    minute: int
    mean: float
    most: float
    samples: int


class Step(NamedTuple):
    """``mean`` and ``most`` of all samples in the step with this number."""

    number: int
    mean: float
    most: float


class SampleRows:
    """The tables of the fifth migration. Rows stay for ``days`` (0: none are kept)."""

    def __init__(self, database: Database, days: float) -> None:
        self._database = database
        self._days = days

    async def add(self, rows: Sequence[MinuteRow]) -> None:
        """Keep `rows`; what was kept of the same minutes is joined with them. Raises `StorageError`."""
        if not rows or not self._days:
            return
        series = msgspec.json.encode(sorted({(row.name, row.device) for row in rows})).decode()
        async with self._database.transaction("samples were not kept") as work:
            await work.run(_ADD_SERIES, (series,))
            await work.run(_ADD, (msgspec.json.encode(rows).decode(),))

    async def prune(self, now: float | None = None) -> None:
        """Drop rows that are too old, ``now`` in Unix seconds. Raises `StorageError`."""
        before = int((time.time() if now is None else now) - self._days * DAY_S)
        # One by one, so that turns are not kept from the database for long by a month of rows.
        for (number,) in await self._database.fetch("SELECT number FROM sample_series"):
            async with self._database.transaction(_NOT_DROPPED) as work:
                await work.run("DELETE FROM samples WHERE series = ? AND minute < ?", (number, before))
        async with self._database.transaction(_NOT_DROPPED) as work:
            await work.run(_DROP_EMPTY)

    async def series(self) -> list[tuple[str, str]]:
        """Name and device of each series there is. Raises `StorageError`."""
        rows = await self._database.fetch("SELECT name, device FROM sample_series")
        return [(str(name), str(device)) for name, device in rows]

    async def steps(self, name: str, device: str, since: int, until: int, length: int) -> list[Step]:
        """A series from ``since`` to before ``until`` (whole minutes in Unix seconds), in steps of ``length``
        seconds; those without samples are left out, and so are damaged rows.

        Raises `StorageError`.
        """
        rows = await self._database.fetch(_STEPS, (since, length, name, device, since, until))
        return [Step(*row) for row in rows]


_NOT_DROPPED = "old samples were not dropped"

_DROP_EMPTY = """
DELETE FROM sample_series WHERE NOT EXISTS (SELECT 1 FROM samples WHERE series = number)
"""

_ADD_SERIES = """
INSERT OR IGNORE INTO sample_series (name, device)
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?)
"""

_ADD = """
INSERT INTO samples (series, minute, mean, most, count)
SELECT s.number, json_extract(value, '$[2]'), json_extract(value, '$[3]'), json_extract(value, '$[4]'),
    json_extract(value, '$[5]')
FROM json_each(?) JOIN sample_series s
    ON s.name = json_extract(value, '$[0]') AND s.device = json_extract(value, '$[1]')
WHERE true
ON CONFLICT (series, minute) DO UPDATE SET
    mean = (mean * count + excluded.mean * excluded.count) / max(count + excluded.count, 1),
    most = max(most, excluded.most),
    count = count + excluded.count
"""

_STEPS = f"""
SELECT (minute - ?) / ? AS step, sum(mean * count) / sum(count), max(most)
FROM samples
WHERE series = (SELECT number FROM sample_series WHERE name = ? AND device = ?)
    AND minute >= ? AND minute < ?
    AND typeof(minute) = 'integer' AND typeof(count) = 'integer' AND count BETWEEN 1 AND {MOST_SAMPLES}
    AND typeof(mean) = 'real' AND abs(mean) <= {LARGEST} AND typeof(most) = 'real' AND abs(most) <= {LARGEST}
GROUP BY step ORDER BY step
"""  # noqa: S608 - numbers of ours
