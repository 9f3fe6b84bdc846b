"""Answers on disk: bounded, and never shown when they are not what was written."""

import sqlite3

import pytest

from kensho_tui.core.errors import StorageError
from kensho_tui.storage.chats import Chats
from kensho_tui.storage.database import Database
from kensho_tui.storage.responses import Kept, Response, Responses, may_keep

KEY = "k" * 64
ONE = Response("an answer", "end", 12, 3, "/m.gguf")


@pytest.fixture
async def chat(chats: Chats) -> str:
    return (await chats.begin_turn(None, "hello", "m", None, "streaming")).chat_id


@pytest.fixture
def responses(database: Database) -> Responses:
    return Responses(database, 100, 1000.0)


async def test_it_comes_back_as_it_was(responses: Responses, chat: str) -> None:
    said = Response("\x00 مرحبا 👩‍👩‍👧 \x1b[0m\r\n", "length", 1, 2, "/ü.gguf")
    await responses.put(KEY, said, chat, 5000.0)
    assert await responses.get(KEY, 5000.0) == said
    assert await responses.get("other", 5000.0) is None
    newer = Response("newer", "end", 1, 2, "/m.gguf")
    await responses.put(KEY, newer, chat, 5000.0)
    assert (await responses.get(KEY, 5000.0), await responses.kept()) == (newer, Kept(1, 5))


@pytest.mark.parametrize(
    "damage",
    [
        "text = 'another answer'",
        "text = x'ff00'",
        "stop_reason = 'length'",
        "stop_reason = 'abort'",
        "completion_tokens = 4",
        "completion_tokens = 'many'",
        "model_path = '/other.gguf'",
        "digest = ''",
        "key = 'other'",
    ],
)
async def test_a_damaged_row_is_dropped(
    responses: Responses, database: Database, chat: str, damage: str
) -> None:
    await responses.put(KEY, ONE, chat, 5000.0)
    await database.fetch("PRAGMA foreign_keys = OFF")
    await database.fetch(f"UPDATE responses SET {damage}")
    key = "other" if damage.startswith("key") else KEY
    assert await responses.get(key, 5000.0) is None
    assert (await responses.kept()).entries == 0


async def test_age_and_size_are_bounds(responses: Responses, chat: str) -> None:
    for number in range(4):
        await responses.put(f"{number}", Response("x" * 30, "end", 1, 1, "/m"), chat, 5000.0 + number)
    await responses.used("1", chat, 5010.0)
    await responses.put("large", Response("x" * 101, "end", 1, 1, "/m"), chat, 5010.0)
    assert await responses.get("large", 5010.0) is None
    assert [await responses.get(f"{n}", 5010.0) is not None for n in range(4)] == [False, True, True, True]
    await responses.put("4", Response("é" * 15, "end", 1, 1, "/m"), chat, 5011.0)
    assert [await responses.get(f"{n}", 5011.0) is not None for n in range(5)] == [
        False,
        True,
        False,
        True,
        True,
    ]
    assert await responses.get("3", 6003.0) is None
    await responses.prune(6003.0)
    assert await responses.kept() == Kept(2, 60)


@pytest.mark.parametrize(("limit", "age_s"), [(0, 1000.0), (100, 0.0)])
async def test_nothing_is_kept_where_there_is_no_room_or_time(
    database: Database, chat: str, limit: int, age_s: float
) -> None:
    responses = Responses(database, limit, age_s)
    await responses.put(KEY, ONE, chat, 5000.0)
    assert await responses.get(KEY, 5000.0) is None
    assert await responses.kept() == Kept(0, 0)


async def test_a_deleted_chat_takes_its_answers_along(
    responses: Responses, database: Database, chats: Chats, chat: str
) -> None:
    other = (await chats.begin_turn(None, "hi", "m", None, "streaming")).chat_id
    await responses.put(KEY, ONE, chat, 5000.0)
    await responses.put("mine", ONE, chat, 5000.0)
    await responses.used(KEY, other, 5000.0)
    await responses.used("gone", other, 5000.0)
    await database.fetch("DELETE FROM messages WHERE chat_id = ?", (other,))
    await database.fetch("DELETE FROM chats WHERE id = ?", (other,))
    assert await responses.get(KEY, 5000.0) is None
    assert await responses.get("mine", 5000.0) == ONE
    assert len(await database.fetch("SELECT 1 FROM response_chats")) == 1


async def test_an_answer_of_a_chat_that_is_gone_is_not_kept(responses: Responses) -> None:
    await responses.put(KEY, ONE, "nobody", 5000.0)
    assert await responses.get(KEY, 5000.0) is None


async def test_errors_of_the_database_are_ours(responses: Responses, database: Database, chat: str) -> None:
    await database.fetch("DROP TABLE response_chats")
    with pytest.raises(StorageError):
        await responses.put(KEY, ONE, chat, 5000.0)
    assert await responses.kept() == Kept(0, 0)


async def test_counting_and_ageing_read_no_text(database: Database) -> None:
    plan = await database.fetch("EXPLAIN QUERY PLAN SELECT coalesce(sum(size), 0) FROM responses")
    assert "COVERING INDEX responses_used" in plan[0][3]
    assert sqlite3.sqlite_version_info >= (3, 25), "window functions"


@pytest.mark.parametrize("reason", ["end", "stop_sequence", "length"])
def test_whole_answers_may_be_kept(reason: str) -> None:
    assert may_keep(reason) == reason


@pytest.mark.parametrize("reason", ["context", "abort", "error", None])
def test_others_may_not(reason: str | None) -> None:
    assert may_keep(reason) is None
