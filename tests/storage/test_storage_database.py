"""Transactions: whole or not at all, one after the other, whatever the tasks do."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from kensho_tui.core.errors import StorageError
from kensho_tui.storage.chats import Chats, Outcome
from kensho_tui.storage.database import Database, open_database


async def count(database: Database) -> int:
    [(found,)] = await database.fetch("SELECT count(*) FROM chats")
    return int(found)


INSERT = "INSERT INTO chats (id, title, created, updated) VALUES (?, '', '', '')"


async def test_the_settings_of_the_connection(database: Database) -> None:
    assert await database.fetch("PRAGMA foreign_keys") == [(1,)]
    assert await database.fetch("PRAGMA journal_mode") == [("wal",)]
    assert await database.fetch("PRAGMA busy_timeout") == [(2000,)]
    for durable, level in ((True, 2), (False, 1)):
        async with database.transaction("test", durable=durable) as work:
            assert await work.first("PRAGMA synchronous") == (level,)
        assert await database.fetch("PRAGMA synchronous") == [(level,)]


async def test_an_error_rolls_back_and_the_next_transaction_works(database: Database) -> None:
    with pytest.raises(RuntimeError):
        async with database.transaction("test") as work:
            await work.run(INSERT, ("a",))
            raise RuntimeError
    with pytest.raises(StorageError, match="the chat was not saved: UNIQUE constraint"):
        async with database.transaction("the chat was not saved") as work:
            await work.run(INSERT, ("b",))
            await work.run(INSERT, ("b",))
    assert await count(database) == 0
    async with database.transaction("test") as work:
        await work.run(INSERT, ("c",))
    assert await count(database) == 1


async def test_an_error_of_a_reader_is_told(database: Database) -> None:
    with pytest.raises(StorageError, match="could not be read: no such table"):
        await database.fetch("SELECT * FROM absent")


async def test_a_cancelled_task_leaves_no_transaction_open(database: Database) -> None:
    inside = asyncio.Event()

    async def hold() -> None:
        async with database.transaction("test") as work:
            await work.run(INSERT, ("a",))
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hold())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await count(database) == 0
    async with database.transaction("test") as work:
        await work.run(INSERT, ("b",))
    assert await count(database) == 1


async def test_tasks_cancelled_anywhere_leave_whole_transactions(database: Database) -> None:
    """Each task is cancelled after another number of turns of the loop; pairs are saved whole."""

    async def pair(number: int) -> None:
        async with database.transaction("test") as work:
            await work.run(INSERT, (f"{number}-a",))
            await work.run(INSERT, (f"{number}-b",))

    for number in range(60):
        task = asyncio.create_task(pair(number))
        for _ in range(number):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    ids = [name for (name,) in await database.fetch("SELECT id FROM chats ORDER BY id")]
    assert {name[:-1] + "a" for name in ids} == {name for name in ids if name.endswith("a")}
    assert len(ids) % 2 == 0
    async with database.transaction("test") as work:
        await work.run(INSERT, ("last",))


async def test_tasks_never_interleave_in_a_transaction(database: Database) -> None:
    async def add_one() -> None:
        async with database.transaction("test") as work:
            found = await work.first("SELECT count(*) FROM chats")
            await asyncio.sleep(0)
            assert found is not None
            await work.run(INSERT, (f"chat {found[0]}",))  # the id repeats if another task came between

    async def read() -> None:
        seen = await count(database)
        assert 0 <= seen <= 20

    await asyncio.gather(*(task for _ in range(20) for task in (add_one(), read())))
    assert await count(database) == 20


async def test_many_turns_at_once(chats: Chats) -> None:
    first = await chats.begin_turn(None, "one", None, None, "streaming")

    async def turn(number: int) -> None:
        row = await chats.begin_turn(first.chat_id, str(number), None, None, "queued")
        await chats.checkpoint(row.message_id, "half")
        await chats.finish(row, f"to {number}", Outcome("complete"))

    await asyncio.gather(*(turn(number) for number in range(30)))
    path = await chats.path(first.chat_id)
    assert len(path) == 62
    assert [message.parent_id for message in path] == [None, *(message.id for message in path[:-1])]
    for asked, answered in zip(path[2::2], path[3::2], strict=True):
        assert answered.content == f"to {asked.content}"


async def test_an_opening_that_fails_at_the_end_closes_its_connection(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kensho_tui.storage import database

    monkeypatch.setattr(database, "_SETTINGS", ("SELECT absent",))
    with pytest.raises(StorageError, match="could not be opened: no such column"):
        await open_database(path)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


async def test_closing(path: Path) -> None:
    database = (await open_database(path)).database
    await Chats(database).begin_turn(None, "one", None, None, "queued")
    await database.close()
    await database.close()
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    with pytest.raises(StorageError, match="closed"):
        await database.fetch("SELECT 1")
    with pytest.raises(StorageError, match="closed"):
        async with database.transaction("test"):
            pass


async def test_closing_waits_for_the_transaction_under_way(path: Path) -> None:
    database = (await open_database(path)).database
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with database.transaction("test") as work:
            inside.set()
            await go_on.wait()
            await work.run(INSERT, ("a",))

    task = asyncio.create_task(hold())
    await inside.wait()
    closing = asyncio.create_task(database.close())
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(task, closing)
    database = (await open_database(path)).database
    assert await count(database) == 1
    await database.close()


def test_a_database_left_open_does_not_keep_the_process(path: Path) -> None:
    script = (
        "import asyncio, sys, pathlib\n"
        "from kensho_tui.storage.database import open_database\n"
        "async def main():\n"
        "    global opened\n"
        "    opened = await open_database(pathlib.Path(sys.argv[1]))\n"
        "    await opened.database.fetch('SELECT 1')\n"
        "asyncio.run(main())\n"
        "print('ended', flush=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "ended\n"), done.stderr
    assert "Traceback" not in done.stderr


def test_the_room_stands_alone() -> None:
    script = (
        "import sys, kensho_tui.storage.chats\n"
        "rooms = {name.split('.')[1] for name in sys.modules if name.startswith('kensho_tui.')}\n"
        "print(*sorted(rooms))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["core", "storage"]
