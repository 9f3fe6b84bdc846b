"""The one connection to the database, and transactions that never interleave."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import aiosqlite

from kensho_tui.core.errors import StorageError
from kensho_tui.storage.failures import explain
from kensho_tui.storage.migrations import MIGRATIONS, Migration
from kensho_tui.storage.opening import BUSY_TIMEOUT, decode, prepare

Row = tuple[Any, ...]
Values = Sequence[str | int | float | None]

_SETTINGS = (
    "PRAGMA foreign_keys = ON",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA temp_store = MEMORY",  # no chat ever lies in a temporary file
    "PRAGMA journal_size_limit = 16777216",
)


class Transaction:
    """Statements of one open transaction; made by `Database.transaction`."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    async def run(self, sql: str, values: Values = ()) -> list[Row]:
        """Execute one statement and return its rows (none for a statement that only writes)."""
        return cast(list[Row], await self._connection.execute_fetchall(sql, values))

    async def first(self, sql: str, values: Values = ()) -> Row | None:
        """The first row, or None."""
        rows = await self.run(sql, values)
        return rows[0] if rows else None


class Database:
    """An open database. Every use holds one lock, so nobody reads what another has not committed."""

    def __init__(self, connection: aiosqlite.Connection, path: Path) -> None:
        self.path = path
        self._connection = connection
        self._lock = asyncio.Lock()
        self._closed = False

    @asynccontextmanager
    async def transaction(self, consequence: str, *, durable: bool = False) -> AsyncIterator[Transaction]:
        """All or nothing: committed at the end of the block, rolled back if anything is raised in it.

        `consequence` says what did not happen when the database fails ("the prompt was not saved").
        What is committed survives the end of any process; if `durable`, a power cut too.
        Raises `DiskFullError` or `StorageError`; the database stays usable.
        """
        async with self._locked():
            work = Transaction(self._connection)
            try:
                await work.run(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                await work.run("BEGIN IMMEDIATE")
                yield work
                await work.run("COMMIT")
            except sqlite3.Error as error:
                await self._roll_back(work)
                raise await asyncio.to_thread(explain, error, consequence, self.path) from error
            except BaseException:
                # Shielded: when this task is cancelled the next one must still find no transaction open.
                await asyncio.shield(self._roll_back(work))
                raise

    async def fetch(self, sql: str, values: Values = ()) -> list[Row]:
        """All rows of one query. Raises `StorageError`."""
        async with self._locked():
            try:
                return await Transaction(self._connection).run(sql, values)
            except sqlite3.Error as error:
                raise explain(error, "the database could not be read", self.path) from error

    async def close(self) -> None:
        """Write the log back into the database and close it. Closing twice does nothing."""
        async with self._lock:
            if self._closed:
                return
            self._closed = True
            try:
                # A full disk stops this; nothing is lost, for the log stays and is read at the next start.
                with suppress(sqlite3.Error):
                    await self._connection.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                await self._connection.close()

    @asynccontextmanager
    async def _locked(self) -> AsyncIterator[None]:
        async with self._lock:
            if self._closed:
                raise StorageError("the database is closed")
            yield

    @staticmethod
    async def _roll_back(work: Transaction) -> None:
        # SQLite rolls back by itself after some errors, and then has nothing left to roll back.
        with suppress(sqlite3.Error):
            await work.run("ROLLBACK")


@dataclass(frozen=True)
class Opened:
    """An open database, and what a person should be told about the opening."""

    database: Database
    notices: tuple[str, ...]


async def open_database(
    path: Path,
    *,
    migrations: Sequence[Migration] = MIGRATIONS,
    told: Callable[[str], None] = lambda doing: None,
) -> Opened:
    """Open, create or migrate the database at `path`, in a folder that exists.

    A damaged file is set aside with a notice. ``told`` gets in words, in a thread, what is being done to a
    file, because that of a big one takes long. Raises `DatabaseNewerError` (the file is untouched),
    `DiskFullError` or `StorageError`. The caller holds the host's lock and closes the database.
    """
    # SQLite puts the log beside the real file, not beside a link to it.
    path = await asyncio.to_thread(path.resolve)
    notices = await asyncio.to_thread(prepare, path, migrations, told)
    connection = aiosqlite.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None)
    # A host that ends without closing must not wait for this thread. The thread is the connection itself
    # before aiosqlite 0.22, a part of it since.
    vars(connection).get("_thread", connection).daemon = True
    try:
        await connection
        connection.text_factory = decode
        for statement in _SETTINGS:
            await connection.execute_fetchall(statement)
    except BaseException as error:
        await connection.close()
        if isinstance(error, sqlite3.Error):
            raise explain(error, f"the database {path} could not be opened", path) from error
        raise
    return Opened(Database(connection, path), notices)
