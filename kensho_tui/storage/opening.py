"""From a path to a database that may be written to: inspect, save what a damaged one holds, migrate."""

import logging
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from kensho_tui.core.errors import DatabaseNewerError
from kensho_tui.storage.failures import explain, is_damage, primary_code
from kensho_tui.storage.files import ASIDE, beside, family, make_private, set_aside, size_of, sync
from kensho_tui.storage.migrations import Migration, applied, migrate, refuse_newer
from kensho_tui.storage.salvage import Saved, salvage

log = logging.getLogger(__name__)

SAVED = ".salvaged"
"""Ends the name of a database of what could be saved, until it takes the place of the damaged one."""
FOREIGN = "it was not written by kensho-tui"
BUSY_TIMEOUT = 2.0  # seconds; there is one writer, so only a foreign program can hold a lock


def decode(value: bytes) -> str:
    """Text of a cell. One flipped byte on the disk must not make a whole chat unreadable."""
    return value.decode("utf-8", "replace")


def prepare(
    path: Path, migrations: Sequence[Migration], told: Callable[[str], None] = lambda doing: None
) -> tuple[str, ...]:
    """Make `path` a sound database of the newest shape and return what a person should be told.

    Blocking: a big database is read whole. ``told`` gets in words what is being done. The caller holds the
    host's lock, so nobody else writes. Raises `DatabaseNewerError` (the file is untouched), `DiskFullError`
    or `StorageError` (nothing is renamed).
    """
    notices: tuple[str, ...] = ()
    try:
        told("checking the database")
        damage = inspect(path, migrations)
        saved = beside(path, SAVED)
        if saved.exists() and (damage or not path.exists()):  # a start was cut short between two renames
            notices = (_replaced(path, saved, "Chats were saved from a damaged database"),)
        elif saved.exists():  # somebody has put another database in its place since
            set_aside(saved)
        elif damage:
            notices = (_mended(path, saved, damage, migrations, told),)
        make_private(path)
        with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            told("bringing the database up to date")
            migrate(connection, path, migrations)
    except (sqlite3.Error, OSError) as error:
        raise explain(error, f"the database {path} could not be opened", path) from error
    return notices


def _mended(
    path: Path, saved: Path, damage: str, migrations: Sequence[Migration], told: Callable[[str], None]
) -> str:
    """Set the damaged database aside for one of what could be saved, else for none. Returns what to say."""
    found = None if damage == FOREIGN else _salvaged(path, saved, damage, migrations, told)
    if found is not None:
        return _replaced(path, saved, said_of(found))
    kept = set_aside(path)
    return (
        f"The database was damaged ({damage}) and no chat in it could be read. It is kept as {kept}; a new"
        " one was begun. If you have a backup: kensho-tui host stop, then put it in its place"
    )


def _salvaged(
    path: Path, saved: Path, damage: str, migrations: Sequence[Migration], told: Callable[[str], None]
) -> Saved | None:
    """`salvage`, whose failure must not keep anybody from a new database."""
    log.warning("the database is damaged (%s): saving what can be read of it", damage)
    began = time.monotonic()
    try:
        found = salvage(path, saved, migrations, told)
    except (DatabaseNewerError, OSError):
        raise
    except Exception as error:
        if isinstance(error, sqlite3.Error) and primary_code(error) in (
            sqlite3.SQLITE_FULL,
            sqlite3.SQLITE_IOERR,
        ):
            raise
        log.exception("nothing could be saved")
        return None
    log.warning("%s, in %.1f s", found or "there is nothing to save", time.monotonic() - began)
    return found


def _replaced(path: Path, saved: Path, what: str) -> str:
    kept = set_aside(path) if any(map(os.path.lexists, family(path))) else beside(path, ASIDE + "*")
    saved.rename(path)
    sync(path.parent)
    return f"{what}. The damaged file is kept as {kept}; look through your chats, then delete it"


def said_of(saved: Saved) -> str:
    """What was saved, in words, most important first: a status bar shows only the beginning (pure)."""
    said = f"{saved.chats:,} chat{'' if saved.chats == 1 else 's'} saved from a damaged database"
    least = "" if saved.certain else "at least "
    none = "none lost" if saved.certain else "none known to be lost"
    said += f", {least}{saved.chats_lost:,} lost" if saved.chats_lost else f", {none}"
    parts = [f"{least}{saved.messages_lost:,} lost"] if saved.messages_lost else []
    parts += [f"{saved.cut:,} cut short"] if saved.cut else []
    return f"{said}; messages: {', '.join(parts)}" if parts else said


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
            known = [migration.name for migration in migrations]
            refuse_newer(done, known, path)
            if not done.keys() <= set(known):
                return "its list of migrations is none"
            if not done and connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                return FOREIGN
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        # A database that is sound otherwise may be none that our questions fit.
        if not is_damage(error) and primary_code(error) != sqlite3.SQLITE_ERROR:
            raise
        return str(error)
    except UnicodeDecodeError:  # in SQLite's own message, which quotes what it could not read
        return "its list of tables is none"
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
