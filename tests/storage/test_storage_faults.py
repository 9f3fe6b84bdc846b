"""Full disks and kills: what was saved stays, what was not is said, and the database goes on."""

import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from kensho_tui.core.errors import DiskFullError, StorageError
from kensho_tui.storage.chats import Chats, Outcome
from kensho_tui.storage.database import Database, open_database
from kensho_tui.storage.failures import explain


async def test_a_full_disk_is_said_and_nothing_is_half_written(chats: Chats, database: Database) -> None:
    row = await chats.begin_turn(None, "one", "tiny", None, "streaming")
    await chats.checkpoint(row.message_id, "half")
    [(pages,)] = await database.fetch("PRAGMA page_count")
    await database.fetch(f"PRAGMA max_page_count = {pages}")
    before = await chats.path(row.chat_id)
    big = "x" * 100_000
    with pytest.raises(DiskFullError, match="the disk is full: the prompt was not saved") as raised:
        await chats.begin_turn(None, big, None, None, "queued")
    assert "Free some space" in raised.value.hint
    with pytest.raises(DiskFullError, match="last words"):
        await chats.checkpoint(row.message_id, big)
    with pytest.raises(DiskFullError, match="end of the answer"):
        await chats.finish(row, big, Outcome("complete", "end"))
    assert await chats.path(row.chat_id) == before
    assert len(await chats.list(9)) == 1

    await database.fetch(f"PRAGMA max_page_count = {pages + 1000}")
    await chats.finish(row, big, Outcome("complete", "end"))
    assert (await chats.message(row.message_id)).content == big


FILE_SIZE_LIMIT = """
import asyncio, json, pathlib, resource, sys
from kensho_tui.core.errors import DiskFullError
from kensho_tui.storage.chats import Chats
from kensho_tui.storage.database import open_database

async def main():
    database = (await open_database(pathlib.Path(sys.argv[1]))).database
    chats = Chats(database)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    saved, error = [], None
    for number in range(1000):
        try:
            row = await chats.begin_turn(None, f"{number} " + "x" * 20_000, None, None, "queued")
        except DiskFullError as full:
            error = full.line()
            break
        saved.append(row.chat_id)
    listed = [chat.id for chat in await chats.list(1000)]
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    more = (await chats.begin_turn(None, "more", None, None, "queued")).chat_id
    await database.close()
    print(json.dumps({"saved": saved, "listed": listed[::-1], "error": error, "more": more}))

asyncio.run(main())
"""


async def test_a_file_size_limit_counts_as_a_full_disk(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FILE_SIZE_LIMIT, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["error"].startswith("the disk is full: the prompt was not saved")
    assert said["saved"] and said["listed"] == said["saved"]
    opened = await open_database(path)
    assert opened.notices == ()
    listed = [chat.id for chat in await Chats(opened.database).list(1000)]
    assert listed[::-1] == [*said["saved"], said["more"]]
    await opened.database.close()


OPEN_WITHOUT_ROOM = """
import asyncio, pathlib, resource, sys
from kensho_tui.core.errors import DiskFullError
from kensho_tui.storage.database import open_database
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
try:
    asyncio.run(open_database(pathlib.Path(sys.argv[1])))
except DiskFullError as error:
    print(error.line())
"""


@pytest.mark.parametrize("room", [0, 4096, 20_000])
async def test_no_room_for_a_new_database(path: Path, room: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", OPEN_WITHOUT_ROOM, str(path), str(room)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith("the disk is full: the database"), done.stderr
    opened = await open_database(path)
    assert opened.notices == ()
    await opened.database.close()


MIGRATE_WITHOUT_ROOM = """
import asyncio, pathlib, resource, sys
from kensho_tui.core.errors import DiskFullError
from kensho_tui.storage.database import open_database
from kensho_tui.storage.migrations import MIGRATIONS, Migration
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
step = Migration("9001-nothing", lambda connection: None)
try:
    asyncio.run(open_database(pathlib.Path(sys.argv[1]), migrations=(*MIGRATIONS, step)))
except DiskFullError as error:
    print(error.line())
"""


async def test_no_room_for_the_copy_before_a_migration(path: Path) -> None:
    opened = await open_database(path)
    await Chats(opened.database).begin_turn(None, "x" * 500_000, None, None, "queued")
    await opened.database.close()
    before = path.read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", MIGRATE_WITHOUT_ROOM, str(path)], capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("the disk is full: the database"), done.stderr
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


WRITER = """
import asyncio, pathlib, sys
from kensho_tui.storage.chats import Chats, Outcome
from kensho_tui.storage.database import open_database

async def main():
    chats = Chats((await open_database(pathlib.Path(sys.argv[1]))).database)
    chat = None
    for number in range(100_000):
        row = await chats.begin_turn(chat, f"prompt {number}", "tiny", None, "streaming")
        chat = row.chat_id
        await chats.checkpoint(row.message_id, f"half {number} " * 50)
        print(row.message_id, flush=True)
        if number % 2:
            await chats.finish(row, f"whole {number}", Outcome("complete", "end"))

asyncio.run(main())
"""


@pytest.mark.parametrize("turns", [1, 20, 137])
async def test_a_killed_writer_leaves_whole_turns(path: Path, turns: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = [process.stdout.readline().strip() for _ in range(turns)]
        process.send_signal(signal.SIGKILL)
        said += process.stdout.read().split()
    assert all(said)
    opened = await open_database(path)
    assert opened.notices == ()
    chats = Chats(opened.database)
    assert await chats.recover() >= turns // 2
    [chat] = await chats.list(9)
    messages = await chats.path(chat.id)
    answers = {message.id: message for message in messages[1::2]}
    assert len(messages) % 2 == 0
    assert set(said) <= set(answers)
    for number, name in enumerate(said):
        answer = answers[name]
        # A turn that printed its id was checkpointed; whether its end was saved too, the kill decided.
        assert answer.content in (f"half {number} " * 50, f"whole {number}")
        assert answer.state == ("complete" if answer.content.startswith("whole") else "interrupted")
    await opened.database.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def sqlite_error(code: int) -> sqlite3.Error:
    error = sqlite3.OperationalError("as SQLite says it")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("error", "kind", "hint"),
    [
        (OSError(28, "No space left on device"), DiskFullError, "Free some space"),
        (OSError(13, "Permission denied"), StorageError, "may be read and written"),
        (sqlite3.OperationalError("odd"), StorageError, ""),
        (sqlite_error(sqlite3.SQLITE_FULL), DiskFullError, "Free some space"),
        (sqlite_error(sqlite3.SQLITE_BUSY), StorageError, "Another program"),
        (sqlite_error(sqlite3.SQLITE_READONLY_DIRECTORY), StorageError, "may be read and written"),
        (sqlite_error(sqlite3.SQLITE_CORRUPT_INDEX), StorageError, "Restart the host"),
    ],
)
def test_errors_in_a_persons_words(
    path: Path, error: OSError | sqlite3.Error, kind: type[StorageError], hint: str
) -> None:
    said = explain(error, "the prompt was not saved", path)
    assert type(said) is kind
    assert "the prompt was not saved" in said.message
    assert hint in said.hint


def test_a_failing_disk_is_not_called_full(path: Path) -> None:
    path.write_bytes(b"x")
    said = explain(sqlite_error(sqlite3.SQLITE_IOERR_WRITE), "the prompt was not saved", path)
    assert type(said) is StorageError
    assert "may be failing" in said.hint
    assert list(path.parent.iterdir()) == [path]
