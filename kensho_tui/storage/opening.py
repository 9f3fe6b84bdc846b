"""From a path to a database that may be written to: inspect, set aside if damaged, migrate."""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from kensho_tui.storage.failures import explain, is_damage
from kensho_tui.storage.files import beside, make_private, set_aside, size_of
from kensho_tui.storage.migrations import Migration, applied, migrate, refuse_newer

BUSY_TIMEOUT = 2.0  # seconds; there is one writer, so only a foreign program can hold a lock


def decode(value: bytes) -> str:
    """Text of a cell. One flipped byte on the disk must not make a whole chat unreadable."""
    return value.decode("utf-8", "replace")


def prepare(path: Path, migrations: Sequence[Migration]) -> tuple[str, ...]:
    """Make `path` a sound database of the newest shape and return what a person should be told.

    Blocking: a big database is read whole. The caller holds the host's lock, so nobody else writes.
    Raises `DatabaseNewerError` (the file is untouched), `DiskFullError` or `StorageError`
    (nothing is renamed).
    """
    notices: tuple[str, ...] = ()
    try:
        damage = inspect(path, migrations)
        if damage:
            kept = set_aside(path)
            notices = (f"The database was damaged ({damage}). It is kept as {kept}; a new one was begun.",)
        make_private(path)
        with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            migrate(connection, path, migrations)
    except (sqlite3.Error, OSError) as error:
        raise explain(error, f"the database {path} could not be opened", path) from error
    return notices


def inspect(path: Path, migrations: Sequence[Migration]) -> str | None:
    """What is wrong with the file at `path`; None for a sound, an empty or an absent one.

    Writes nothing. Raises `DatabaseNewerError`, and `sqlite3.Error` or `OSError` for what is not damage.
    """
    if size_of(path) == 0:
        # SQLite would delete a log without its database, and with it what it still holds.
        return "it is empty, but its write-ahead log is not" if size_of(beside(path, "-wal")) else None
    try:
        with closing(_reader(path)) as connection:
            done = applied(connection)
            refuse_newer(done, [migration.name for migration in migrations], path)
            if not done and connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                return "it was not written by kensho-tui"
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        if not is_damage(error):
            raise
        return str(error)
    return None if verdict == "ok" else " ".join(str(verdict).split())


def _reader(path: Path) -> sqlite3.Connection:
    """A connection that leaves the database and its log as they are.

    Without a log, ``immutable`` keeps SQLite from creating one. A rollback journal (left by a kill in the
    first moments of a database) must be played back before anything can be read, which takes writing.
    """
    if size_of(beside(path, "-journal")):
        mode = "mode=rw"
    elif size_of(beside(path, "-wal")):
        mode = "mode=ro"
    else:
        mode = "mode=ro&immutable=1"
    uri = f"file:{quote(os.fsencode(path))}?{mode}"
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT, isolation_level=None)
    connection.text_factory = decode
    return connection
