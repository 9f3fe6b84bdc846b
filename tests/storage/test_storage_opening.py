"""Opening: a new file, a damaged one, a newer one, one that cannot be used."""

import hashlib
import os
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from kensho_tui.core.errors import DatabaseNewerError, StorageError
from kensho_tui.storage import files, opening
from kensho_tui.storage.chats import Chats
from kensho_tui.storage.database import open_database


@pytest.fixture
def open_umask() -> Iterator[None]:
    old = os.umask(0)
    yield
    os.umask(old)


async def written(path: Path, turns: int = 200) -> str:
    """A sound database with some pages in it; returns the id of its chat."""
    database = (await open_database(path)).database
    chats = Chats(database)
    chat: str | None = None
    for number in range(turns):
        row = await chats.begin_turn(chat, f"prompt {number} " * 20, "tiny", None, "streaming")
        chat = row.chat_id
    await database.close()
    assert chat is not None
    return chat


def contents(folder: Path) -> dict[str, str]:
    return {
        entry.name: hashlib.sha256(entry.read_bytes()).hexdigest()
        for entry in folder.iterdir()
        if not entry.name.endswith(
            "-shm"
        )  # SQLite's shared memory: an index of the log, made anew by each reader
    }


def modes(folder: Path) -> set[int]:
    return {stat.S_IMODE(entry.stat().st_mode) for entry in folder.iterdir()}


@pytest.mark.usefixtures("open_umask")
async def test_every_file_is_private_whatever_the_umask(path: Path) -> None:
    database = (await open_database(path)).database
    await Chats(database).begin_turn(None, "one", None, None, "queued")
    assert {entry.name for entry in path.parent.iterdir()} == {
        path.name,
        f"{path.name}-wal",
        f"{path.name}-shm",
    }
    assert modes(path.parent) == {0o600}
    for part in files.family(path):
        if part.exists():
            part.chmod(0o644)
    shutil.copytree(path.parent, path.parent / "killed")  # as a killed host leaves it
    await database.close()
    database = (await open_database(path.parent / "killed" / path.name)).database
    assert modes(path.parent / "killed") == {0o600}
    assert await Chats(database).prompts(9) == ("one",)
    await database.close()


async def test_an_empty_file_is_a_new_database(path: Path) -> None:
    path.touch()
    opened = await open_database(path)
    assert opened.notices == ()
    assert await Chats(opened.database).list(9) == ()
    await opened.database.close()
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


async def test_a_link_is_followed(path: Path, tmp_path: Path) -> None:
    real = tmp_path / "elsewhere" / "real.db"
    real.parent.mkdir()
    chat = await written(real, 1)
    path.symlink_to(real)
    opened = await open_database(path)
    assert opened.database.path == real
    assert (await Chats(opened.database).list(9))[0].id == chat
    await opened.database.close()


def random_bytes(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 64)


def a_text_file(path: Path) -> None:
    path.write_text("dear diary")


def zero_page_in_the_middle(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'messages_chat'"
        ).fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(bytes(4096))


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 3 // 4)


def overwritten_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(bytes(100))


def another_programs(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")


@pytest.mark.parametrize(
    ("damage", "messages"),
    [
        (random_bytes, range(1)),
        (a_text_file, range(1)),
        (another_programs, range(1)),
        (zero_page_in_the_middle, range(400, 401)),
        (overwritten_header, range(400, 401)),
        (truncated, range(100, 400)),
    ],
)
async def test_a_damaged_file_is_set_aside_whole(
    path: Path, damage: Callable[[Path], None], messages: range
) -> None:
    chat = await written(path)
    damage(path)
    before = path.read_bytes()
    opened = await open_database(path)
    [notice] = opened.notices
    [kept] = [entry for entry in path.parent.iterdir() if ".damaged-" in entry.name]
    assert str(kept) in notice
    assert kept.read_bytes() == before
    chats = Chats(opened.database)
    found = await chats.list(9)
    assert [one.id for one in found] == [chat][: messages.stop - 1]
    assert sum(one.messages for one in found) in messages
    assert notice.startswith("1 chat saved" if found else "The database was damaged")
    row = await chats.begin_turn(None, "one", None, None, "queued")
    await opened.database.close()
    opened = await open_database(path)
    assert opened.notices == ()
    assert (await Chats(opened.database).list(9))[0].id == row.chat_id
    await opened.database.close()


async def test_a_damaged_file_keeps_its_log(path: Path, tmp_path: Path) -> None:
    database = (await open_database(path)).database
    await Chats(database).begin_turn(None, "one", None, None, "queued")
    killed = tmp_path / "killed"
    killed.mkdir()
    for part in files.family(path):
        if part.exists():
            shutil.copy(part, killed)
    await database.close()
    broken = killed / path.name
    for size in (0, None):
        if size is None:
            broken.unlink()
        else:
            os.truncate(broken, size)
        log = files.beside(broken, "-wal")
        log.write_bytes(b"the last words")
        opened = await open_database(broken)
        await opened.database.close()
        [notice] = opened.notices
        kept = Path(notice.split("kept as ")[1].split(";")[0])
        assert files.beside(kept, "-wal").read_bytes() == b"the last words"
        assert kept.exists() == (size == 0)


def test_nothing_is_overwritten_when_set_aside_twice_in_a_second(path: Path) -> None:
    names = set()
    for number in range(5):
        path.write_text(f"broken {number}")
        files.beside(path, "-wal").write_text(f"log {number}")
        names.add(files.set_aside(path))
    assert len(names) == 5
    assert {name.read_text() for name in names} == {f"broken {number}" for number in range(5)}
    assert {files.beside(name, "-wal").read_text() for name in names} == {f"log {n}" for n in range(5)}
    assert not path.exists()


@pytest.mark.parametrize("log", ["no log", "a log"])
async def test_a_newer_database_is_refused_untouched(path: Path, log: str) -> None:
    await written(path, 3)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        for name, version in (("0002-later", "7.1.0"), ("0003-last", "8.0.2")):
            connection.execute(
                "INSERT INTO migrations (name, applied, version) VALUES (?, '', ?)", (name, version)
            )
        if log == "a log":  # the newer program was killed: its rows are in the log alone
            killed = path.parent / "killed"
            killed.mkdir()
            for part in files.family(path)[:2]:
                shutil.copy(part, killed)
            path = killed / path.name
    before = contents(path.parent)
    assert (f"{path.name}-wal" in before) == (log == "a log")
    with pytest.raises(DatabaseNewerError) as raised:
        await open_database(path)
    assert raised.value.hint == "Install that version: pip install 'kensho-tui>=8.0.2'"
    assert contents(path.parent) == before


async def test_a_folder_in_its_place_is_no_damage(path: Path) -> None:
    path.mkdir()
    with pytest.raises(StorageError, match="could not be opened"):
        await open_database(path)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


async def test_a_folder_that_is_not_there(path: Path) -> None:
    with pytest.raises(StorageError) as raised:
        await open_database(path.parent / "absent" / path.name)
    assert "No such file or directory" in raised.value.message
    assert raised.value.hint


async def test_a_file_that_may_not_be_read_is_no_damage(path: Path) -> None:
    await written(path, 1)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("root may read every file")
    with pytest.raises(StorageError) as raised:
        await open_database(path)
    assert "may be read and written" in raised.value.hint
    path.chmod(0o600)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


async def test_a_locked_file_is_no_damage(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "BUSY_TIMEOUT", 0.05)
    await written(path, 1)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StorageError, match="locked") as raised:
            await open_database(path)
        assert "Another program holds" in raised.value.hint
        connection.execute("ROLLBACK")
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    opened = await open_database(path)
    assert len(await Chats(opened.database).list(9)) == 1
    await opened.database.close()


async def test_a_rollback_journal_left_by_a_kill_is_played_back(path: Path) -> None:
    """What a kill leaves before the database was ever in WAL mode."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("CREATE TABLE migrations (number INTEGER PRIMARY KEY, name, applied, version)")
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("CREATE TABLE filler (text)")
        connection.executemany("INSERT INTO filler VALUES (?)", [("x" * 4000,) for _ in range(100)])
        killed = path.parent / "killed"
        killed.mkdir()
        for part in files.family(path):
            if part.exists():
                shutil.copy(part, killed)
        connection.execute("ROLLBACK")
    assert (killed / f"{path.name}-journal").stat().st_size > 0
    assert opening.inspect(killed / path.name, ()) == "it was not written by kensho-tui"
    with closing(sqlite3.connect(killed / path.name)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master").fetchall()
    assert tables == [("migrations",)]
