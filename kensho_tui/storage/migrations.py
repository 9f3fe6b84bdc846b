"""Named steps from one shape of the database to the next, each in a transaction of its own.

The table ``migrations`` records which steps were applied, when, and by which version of the program. Add a
step at the end of `MIGRATIONS`; never change one that was released. A step uses ``execute`` alone:
``executescript`` would commit the transaction it runs in.
"""

import os
import sqlite3
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from kensho_tui import __version__
from kensho_tui.core.errors import DatabaseNewerError
from kensho_tui.storage.dates import now
from kensho_tui.storage.files import beside, family, make_private
from kensho_tui.storage.schema import EIGHTH, FIFTH, FIRST, FOURTH, SECOND, SEVENTH, SIXTH, THIRD

COPIES_KEPT = 3

_TABLE = """
CREATE TABLE IF NOT EXISTS migrations (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    applied TEXT NOT NULL,
    version TEXT NOT NULL
)
"""


@dataclass(frozen=True)
class Migration:
    """One step. `run` changes tables and rows inside an open transaction; foreign keys are off in it."""

    name: str
    run: Callable[[sqlite3.Connection], None]


def _executing(statements: Sequence[str]) -> Callable[[sqlite3.Connection], None]:
    def run(connection: sqlite3.Connection) -> None:
        for statement in statements:
            connection.execute(statement)

    return run


MIGRATIONS: tuple[Migration, ...] = (
    Migration("0001-chats", _executing(FIRST)),
    Migration("0002-models", _executing(SECOND)),
    Migration("0003-responses", _executing(THIRD)),
    Migration("0004-generations", _executing(FOURTH)),
    Migration("0005-samples", _executing(FIFTH)),
    Migration("0006-benches", _executing(SIXTH)),
    Migration("0007-queue", _executing(SEVENTH)),
    Migration("0008-settings", _executing(EIGHTH)),
)


def applied(connection: sqlite3.Connection) -> dict[str, str]:
    """Names of the steps applied, oldest first, each with the version of the program that did it."""
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'migrations'")
    if found.fetchone() is None:
        return {}
    return dict(connection.execute("SELECT name, version FROM migrations ORDER BY number").fetchall())


def refuse_newer(done: dict[str, str], known: Collection[str], path: Path) -> None:
    """Raise `DatabaseNewerError` if a step was applied that this version does not know.

    Steps are only added: where one of the `known` is missing beside it, that is no list of steps, but damage.
    """
    unknown = [version for name, version in done.items() if name not in known]
    if unknown and set(known) <= done.keys():
        raise DatabaseNewerError(
            f"{path} was written by kensho-tui {unknown[-1]}, this is {__version__}; nothing was changed",
            hint=f"Install that version: pip install 'kensho-tui>={unknown[-1]}'",
        )


def migrate(connection: sqlite3.Connection, path: Path, migrations: Sequence[Migration]) -> None:
    """Apply what is missing. A database that held something is copied before each step.

    A step that fails leaves the shape, and everything in it, as it was; its error is raised.
    """
    done = applied(connection)
    connection.execute("PRAGMA foreign_keys = OFF")  # a step may rebuild tables; keys are checked at its end
    for migration in migrations:
        if migration.name in done:
            continue
        if done:
            _copy(connection, path, migration.name)
            _drop_old_copies(path)
        _apply(connection, migration)


def _apply(connection: sqlite3.Connection, migration: Migration) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(_TABLE)
        migration.run(connection)
        broken = connection.execute("PRAGMA foreign_key_check").fetchone()
        if broken is not None:
            raise sqlite3.IntegrityError(f"{migration.name} leaves a broken reference in {broken[0]}")
        connection.execute(
            "INSERT INTO migrations (name, applied, version) VALUES (?, ?, ?)",
            (migration.name, now(), __version__),
        )
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _copy(connection: sqlite3.Connection, path: Path, name: str) -> None:
    """Copy the database, write-ahead log included, to ``<path>.before-<name>`` in one rename."""
    part = beside(path, ".copying")
    for leftover in family(part):
        leftover.unlink(missing_ok=True)
    make_private(part)
    try:
        with closing(sqlite3.connect(part, isolation_level=None)) as target:
            connection.backup(target)
        os.replace(part, beside(path, f".before-{name}"))  # noqa: PTH105 - replaces, as its name says
    finally:
        for leftover in family(part):
            leftover.unlink(missing_ok=True)


def _drop_old_copies(path: Path) -> None:
    copies = [entry for entry in path.parent.iterdir() if entry.name.startswith(f"{path.name}.before-")]
    copies.sort(key=lambda copy: (copy.stat().st_mtime_ns, copy.name), reverse=True)
    for old in copies[COPIES_KEPT:]:
        old.unlink()
