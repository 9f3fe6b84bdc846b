"""Benchmarks that were run here: the last of them, whole, believed only with their digest."""

import hashlib
import logging

import msgspec

from kensho_tui.core.bench_contract import BenchRun
from kensho_tui.core.errors import StorageError
from kensho_tui.storage.database import Database, Row

log = logging.getLogger(__name__)

KEPT = 200
_COLUMNS = "id, model, digest, run"


class BenchRows:
    """The table of the sixth migration. Every method may raise `StorageError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, run: BenchRun) -> None:
        """Keep a run, in place of an earlier state of it; the oldest make room."""
        text = msgspec.json.encode(run).decode()
        async with self._database.transaction("the benchmark was not kept") as work:
            await work.run(
                "INSERT INTO benches (id, model, digest, run) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET model = excluded.model, digest = excluded.digest,"
                " run = excluded.run",
                (run.id, run.model, _digest(run.id, run.model, text), text),
            )
            await work.run(
                "DELETE FROM benches WHERE number IN"
                " (SELECT number FROM benches ORDER BY number DESC LIMIT -1 OFFSET ?)",
                (KEPT,),
            )

    async def get(self, bench: str) -> BenchRun | None:
        found = await self._checked(
            await self._database.fetch(f"SELECT {_COLUMNS} FROM benches WHERE id = ?", (bench,))  # noqa: S608
        )
        return found[0] if found else None

    async def last(self, limit: int, model: str | None = None) -> tuple[BenchRun, ...]:
        """The newest first; of ``model``, by its whole name, or of all."""
        where, values = ("WHERE model = ?", (model,)) if model is not None else ("", ())
        rows = await self._database.fetch(
            f"SELECT {_COLUMNS} FROM benches {where} ORDER BY number DESC LIMIT ?",  # noqa: S608 - ours
            (*values, limit),
        )
        return tuple(await self._checked(rows))

    async def models(self) -> tuple[str, ...]:
        """Names of all that were measured."""
        rows = await self._database.fetch("SELECT DISTINCT model FROM benches")
        return tuple(name for (name,) in rows)

    async def _checked(self, rows: list[Row]) -> list[BenchRun]:
        """Those that can be read. What is not as it was written is dropped; what a newer version wrote in
        words of its own stays for that one.
        """
        good, bad = [], []
        for bench, model, digest, text in rows:
            if not isinstance(text, str) or digest != _digest(bench, model, text):
                bad.append(bench)
            elif (run := _run(text)) is not None:
                good.append(run)
        if bad:
            log.warning("%d kept benchmarks are damaged and dropped", len(bad))
            await self._drop(bad)
        return good

    async def _drop(self, benches: list[str]) -> None:
        try:
            async with self._database.transaction("damaged benchmarks were not dropped") as work:
                for bench in benches:
                    await work.run("DELETE FROM benches WHERE id = ?", (bench,))
        except StorageError as error:
            log.warning("%s", error.message)


def _run(text: str) -> BenchRun | None:
    try:
        return msgspec.json.decode(text, type=BenchRun)
    except msgspec.DecodeError:
        return None


def _digest(bench: str, model: str, text: str) -> str:
    return hashlib.sha256(msgspec.json.encode((bench, model, text))).hexdigest()
