"""Reading chats: lists, paths, branches, and finding a chat by the start of its id."""

import asyncio
import random
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kensho_tui.core.contract import ChatState, State, Usage
from kensho_tui.core.errors import NotFoundError, UsageError
from kensho_tui.storage.chats import Chats, ModelIdentity, Outcome, Started, TurnRow
from kensho_tui.storage.database import Database, open_database


async def say(chats: Chats, prompt: str, chat: str | None = None, state: State = "complete") -> TurnRow:
    """A whole turn."""
    row = await chats.begin_turn(chat, prompt, None, None, "streaming")
    await chats.finish(row, f"answer to {prompt}", Outcome(state))
    return row


async def write(database: Database, sql: str, values: tuple[str | int | None, ...] = ()) -> None:
    async with database.transaction("test") as work:
        await work.run(sql, values)


async def test_without_chats(chats: Chats) -> None:
    assert await chats.list(10) == ()
    assert await chats.last() is None
    assert await chats.models_used(None) == await chats.models_used("abc") == (None, None)
    assert await chats.prompts(10) == ()
    for read in (chats.path, chats.all_messages, chats.path_to, chats.summary, chats.system, chats.resolve):
        with pytest.raises(NotFoundError):
            await read("abc")
    for find in (chats.message, chats.chat_of):
        with pytest.raises(NotFoundError):
            await find("abc")


async def test_the_list_is_newest_first_even_within_a_millisecond(chats: Chats, database: Database) -> None:
    rows = [await say(chats, f"chat {number}") for number in range(5)]
    await write(database, "UPDATE chats SET updated = '2026-01-01T00:00:00.000Z'")
    assert [chat.id for chat in await chats.list(9)] == [row.chat_id for row in reversed(rows)]
    await say(chats, "again", rows[1].chat_id)
    assert [chat.title for chat in await chats.list(2)] == ["chat 1", "chat 4"]
    assert await chats.last() == rows[1].chat_id
    assert (await chats.list(1))[0].messages == 4


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("complete", "idle"),
        ("stopped", "idle"),
        ("failed", "failed"),
        ("interrupted", "interrupted"),
    ],
)
async def test_the_state_of_a_chat_is_that_of_its_head(
    chats: Chats, state: State, expected: ChatState
) -> None:
    row = await say(chats, "one", state=state)
    assert (await chats.summary(row.chat_id)).state == expected
    assert (await chats.list(1))[0].state == expected
    live = await chats.begin_turn(row.chat_id, "two", None, None, "queued")
    assert (await chats.summary(row.chat_id)).state == "streaming"
    await chats.finish(live, "", Outcome("complete"))
    assert (await chats.summary(row.chat_id)).state == "idle"


async def test_branches_are_kept_and_the_head_names_the_active_one(chats: Chats, database: Database) -> None:
    first = await say(chats, "one")
    old = await say(chats, "two", first.chat_id)
    await write(database, "UPDATE chats SET head = ? WHERE id = ?", (first.message_id, first.chat_id))
    new = await say(chats, "two, better", first.chat_id)
    trunk = [first.user_id, first.message_id]
    path = [message.id for message in await chats.path(first.chat_id)]
    assert path == [*trunk, new.user_id, new.message_id]
    other = [message.id for message in await chats.path_to(old.message_id)]
    assert other == [*trunk, old.user_id, old.message_id]
    every = [message.id for message in await chats.all_messages(first.chat_id)]
    assert every == [*trunk, old.user_id, old.message_id, new.user_id, new.message_id]
    assert (await chats.summary(first.chat_id)).messages == 6
    assert await chats.chat_of(old.message_id) == first.chat_id


async def test_a_chat_without_a_head_has_an_empty_path(chats: Chats, database: Database) -> None:
    row = await say(chats, "one")
    await write(database, "UPDATE chats SET head = NULL")
    assert await chats.path(row.chat_id) == ()
    assert (await chats.summary(row.chat_id)).state == "idle"


async def test_a_deleted_chat_takes_its_rows_along(chats: Chats, database: Database) -> None:
    row = await say(chats, "one")
    await say(chats, "two", row.chat_id)
    kept = await say(chats, "other")
    await write(database, "DELETE FROM chats WHERE id = ?", (row.chat_id,))
    assert await database.fetch("SELECT DISTINCT chat_id FROM messages") == [(kept.chat_id,)]
    assert await database.fetch("SELECT id FROM generations") == [(kept.generation_id,)]


async def test_resolve(chats: Chats, database: Database) -> None:
    for number, chat in enumerate(("aa1111111111", "aa2222222222", "b%3333333333")):
        row = await say(chats, f"chat {number}")
        await database_rename(database, row.chat_id, chat)
    assert await chats.resolve("aa1") == "aa1111111111"
    assert await chats.resolve(" AA2222222222 ") == "aa2222222222"
    assert await chats.resolve("b%") == "b%3333333333"
    with pytest.raises(UsageError, match=r"aa2222222222 \(chat 1\), aa1111111111 \(chat 0\)"):
        await chats.resolve("aa")
    for prefix in ("%", "_", "a%", "*", "ab", "aa11111111111"):
        with pytest.raises(NotFoundError) as raised:
            await chats.resolve(prefix)
        assert raised.value.hint
    with pytest.raises(UsageError):
        await chats.resolve("  ")


async def database_rename(database: Database, old: str, new: str) -> None:
    async with database.transaction("test") as work:
        await work.run("PRAGMA defer_foreign_keys = ON")
        await work.run("UPDATE chats SET id = ? WHERE id = ?", (new, old))
        await work.run("UPDATE messages SET chat_id = ? WHERE chat_id = ?", (new, old))


async def test_resolve_names_a_few_of_many(chats: Chats, database: Database) -> None:
    for number in range(7):
        row = await say(chats, f"chat {number}")
        await database_rename(database, row.chat_id, f"cc{number}000000000")
    with pytest.raises(UsageError, match="and 2 more"):
        await chats.resolve("cc")


async def test_models_used_are_that_of_the_chat_and_of_the_newest_with_one(chats: Chats) -> None:
    rows = [await chats.begin_turn(None, name, name, None, "queued") for name in ("tiny", "big")]
    for row, model in zip(rows, ("tiny", "big"), strict=True):
        await chats.start_generation(row, Started(model, ModelIdentity("/m", 1, 0.0), {}))
    newest = await chats.begin_turn(None, "three", "never loaded", None, "queued")
    assert await chats.models_used(rows[0].chat_id) == ("tiny", "big")
    assert await chats.models_used(newest.chat_id) == await chats.models_used(None) == (None, "big")


async def test_prompts_are_newest_first_without_repetitions(chats: Chats) -> None:
    for prompt in ("one", "two", "one", "three", "two"):
        await say(chats, prompt)
    assert await chats.prompts(10) == ("two", "three", "one")
    assert await chats.prompts(2) == ("two", "three")


async def fill(database: Database, parents: list[int | None]) -> None:
    """A chat "c" whose message `n` has the parent `parents[n]`, each with two generations."""
    date = "2026-01-01T00:00:00.000Z"
    async with database.transaction("test") as work:
        await work.run("INSERT INTO chats (id, title, created, updated) VALUES ('c', '', ?, ?)", (date, date))
        for number, parent in enumerate(parents):
            await work.run(
                "INSERT INTO messages (id, chat_id, parent_id, role, state, content, created, updated)"
                " VALUES (?, 'c', ?, 'assistant', 'complete', '', ?, ?)",
                (f"m{number}", None if parent is None else f"m{parent}", date, date),
            )
            for usage in (1, number):
                await work.run(
                    "INSERT INTO generations (id, message_id, state, created,"
                    " prompt_tokens, cached_tokens, completion_tokens) VALUES (?, ?, 'complete', ?, ?, 0, 0)",
                    (f"g{number}-{usage}-{random.random()}", f"m{number}", date, usage),
                )


def trees() -> st.SearchStrategy[list[int | None]]:
    """Random trees: each message's parent is an earlier one, or none."""
    return st.lists(st.integers(0, 10_000), min_size=1, max_size=40).map(
        lambda draws: [None if n == 0 or draw % 7 == 0 else draw % n for n, draw in enumerate(draws)]
    )


@settings(max_examples=30, deadline=None)
@given(trees(), st.data())
def test_a_path_is_what_walking_the_parents_finds(parents: list[int | None], data: st.DataObject) -> None:
    head = data.draw(st.integers(0, len(parents) - 1))
    expected: list[str] = []
    at: int | None = head
    while at is not None:
        expected.insert(0, f"m{at}")
        at = parents[at]

    async def check(folder: Path) -> None:
        database = (await open_database(folder / "kensho.db")).database
        try:
            await fill(database, parents)
            await write(database, "UPDATE chats SET head = ?", (f"m{head}",))
            chats = Chats(database)
            path = await chats.path("c")
            assert [message.id for message in path] == expected
            assert await chats.path_to(f"m{head}") == path
            assert [message.usage for message in path] == [
                Usage(prompt_tokens=int(name[1:])) for name in expected
            ]
            assert len(await chats.all_messages("c")) == len(parents)
        finally:
            await database.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(check(Path(folder)))


async def test_a_path_of_two_thousand_messages(chats: Chats, database: Database) -> None:
    await fill(database, [None, *range(1999)])
    await write(database, "UPDATE chats SET head = 'm1999'")
    begun = time.perf_counter()
    path = await chats.path("c")
    # About 20 ms here. A walk that reads the table once per step takes minutes.
    assert time.perf_counter() - begun < 2
    assert [message.id for message in path] == [f"m{number}" for number in range(2000)]


async def test_a_circle_of_parents_in_a_damaged_file_still_ends(chats: Chats, database: Database) -> None:
    await fill(database, [None, 0, 1])
    await write(database, "UPDATE messages SET parent_id = 'm2' WHERE id = 'm0'")
    await write(database, "UPDATE chats SET head = 'm1'")
    assert len(await chats.path("c")) == 3


async def test_bytes_that_are_no_text_do_not_hide_a_chat(chats: Chats, database: Database) -> None:
    row = await say(chats, "one")
    await write(database, "UPDATE messages SET content = CAST(x'61ff62' AS TEXT)")
    assert [message.content for message in await chats.path(row.chat_id)] == ["a\ufffdb", "a\ufffdb"]
