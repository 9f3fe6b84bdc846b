"""Migrations: from every shape there ever was, with a copy before each, whole or not at all."""

import hashlib
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from kensho_tui import __version__
from kensho_tui.core.errors import StorageError
from kensho_tui.storage.chats import Chats
from kensho_tui.storage.database import open_database
from kensho_tui.storage.migrations import COPIES_KEPT, MIGRATIONS, Migration


def add_stars(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE chats ADD COLUMN starred INTEGER NOT NULL DEFAULT 0")
    connection.execute("UPDATE chats SET starred = 1 WHERE title = 'one'")


def rebuild_chats(connection: sqlite3.Connection) -> None:
    """A table rebuilt under the keys that point to it."""
    connection.execute("CREATE TABLE other AS SELECT * FROM chats")
    connection.execute("DROP TABLE chats")
    connection.execute("ALTER TABLE other RENAME TO chats")
    connection.execute("CREATE UNIQUE INDEX chats_id ON chats(id)")


def fail_half_way(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE chats ADD COLUMN half INTEGER")
    connection.execute("DELETE FROM messages WHERE role = 'assistant'")
    connection.execute("INSERT INTO nowhere VALUES (1)")


def orphan(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM chats")


STARS = Migration("9001-stars", add_stars)
REBUILD = Migration("9002-rebuild", rebuild_chats)


async def filled(path: Path, count: int) -> str:
    """A database after the first `count` migrations of the program, with a chat in it."""
    database = (await open_database(path, migrations=MIGRATIONS[:count])).database
    row = await Chats(database).begin_turn(None, "one", "tiny", None, "queued")
    await database.close()
    return row.chat_id


def copies(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.parent.iterdir() if ".before-" in entry.name)


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


async def test_a_new_database_records_what_made_it(path: Path) -> None:
    database = (await open_database(path)).database
    rows = await database.fetch("SELECT name, version, length(applied) FROM migrations")
    assert rows == [(migration.name, __version__, 24) for migration in MIGRATIONS]
    await database.close()
    assert copies(path) == []


def test_names_are_unique_and_in_order() -> None:
    names = [migration.name for migration in MIGRATIONS]
    assert names == sorted(set(names))


@pytest.mark.parametrize("count", range(1, len(MIGRATIONS) + 1))
async def test_from_every_old_shape(path: Path, count: int) -> None:
    chat = await filled(path, count)
    database = (await open_database(path, migrations=(*MIGRATIONS, STARS, REBUILD))).database
    assert await database.fetch("SELECT id, starred FROM chats") == [(chat, 1)]
    assert [message.content for message in await Chats(database).path(chat)] == ["one", ""]
    await database.close()
    assert copies(path)[-2:] == [f"{path.name}.before-9001-stars", f"{path.name}.before-9002-rebuild"]


async def test_the_copy_is_the_old_database_and_private(path: Path) -> None:
    chat = await filled(path, len(MIGRATIONS))
    before = dump(path)
    await (await open_database(path, migrations=(*MIGRATIONS, STARS))).database.close()
    copy = path.with_name(f"{path.name}.before-9001-stars")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert dump(copy) == before
    opened = await open_database(copy)
    assert opened.notices == ()
    assert (await Chats(opened.database).list(9))[0].id == chat
    await opened.database.close()


async def test_a_newer_one_is_refused_by_the_program_before_it(path: Path) -> None:
    await filled(path, len(MIGRATIONS))
    await (await open_database(path, migrations=(*MIGRATIONS, STARS))).database.close()
    before = hashlib.sha256(path.read_bytes()).digest()
    with pytest.raises(StorageError, match="nothing was changed") as raised:
        await open_database(path)
    assert raised.value.code == "database_newer"
    assert hashlib.sha256(path.read_bytes()).digest() == before


@pytest.mark.parametrize(
    ("step", "reason"), [(fail_half_way, "no such table"), (orphan, "leaves a broken reference")]
)
async def test_a_failing_step_leaves_everything_as_it_was(path: Path, step: object, reason: str) -> None:
    chat = await filled(path, len(MIGRATIONS))
    before = dump(path)
    assert callable(step)
    with pytest.raises(StorageError, match=reason):
        await open_database(path, migrations=(*MIGRATIONS, Migration("9003-broken", step)))
    assert dump(path) == before
    assert copies(path) == [f"{path.name}.before-9003-broken"]
    database = (await open_database(path)).database
    assert len(await Chats(database).path(chat)) == 2
    await database.close()


async def test_steps_before_a_failing_one_are_kept(path: Path) -> None:
    await filled(path, len(MIGRATIONS))
    broken = Migration("9003-broken", fail_half_way)
    for _ in range(2):
        with pytest.raises(StorageError):
            await open_database(path, migrations=(*MIGRATIONS, STARS, broken))
    database = (await open_database(path, migrations=(*MIGRATIONS, STARS))).database
    assert await database.fetch("SELECT starred FROM chats") == [(1,)]
    await database.close()


async def test_the_last_copies_are_kept(path: Path) -> None:
    await filled(path, len(MIGRATIONS))
    steps = tuple(Migration(f"90{number:02}-nothing", lambda connection: None) for number in range(5))
    for count in range(1, 6):
        await (await open_database(path, migrations=(*MIGRATIONS, *steps[:count]))).database.close()
    assert copies(path) == [f"{path.name}.before-90{number:02}-nothing" for number in range(5)[-COPIES_KEPT:]]
