"""The response cache over a real database, with a clock that the tests own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kensho_tui.core.errors import StorageError
from kensho_tui.dialogue.response_cache import ROW_BYTES, Limits, ResponseCache
from kensho_tui.storage.chats import Chats
from kensho_tui.storage.database import Database, open_database
from kensho_tui.storage.responses import Response, Responses

DAY_S = 86_400.0
TTL_S = 1800.0


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class NoDisk(Responses):
    """A database that neither gives nor takes anything."""

    async def get(self, key: str, now: float) -> Response | None:
        raise StorageError("the disk is on fire")

    async def put(self, key: str, response: Response, chat_id: str, now: float) -> None:
        raise StorageError("the disk is on fire")

    async def used(self, key: str, chat_id: str, now: float) -> None:
        raise StorageError("the disk is on fire")


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = (await open_database(tmp_path / "kensho.db")).database
    yield database
    await database.close()


@pytest.fixture
async def chat(database: Database) -> str:
    return (await Chats(database).begin_turn(None, "hello", "m", None, "streaming")).chat_id


@pytest.fixture
def clock() -> Clock:
    return Clock()


def said(text: str, model: str = "/m.gguf") -> Response:
    return Response(text, "end", 12, 3, model)


def cache_of(
    database: Database, clock: Clock, limits: Limits | None = None, *, disk: bool = True
) -> ResponseCache:
    rows = Responses(database, 1 << 20, 7 * DAY_S) if disk else NoDisk(database, 0, 0)
    return ResponseCache(rows, limits or Limits(), clock)


async def test_what_was_put_is_there_and_counted(database: Database, clock: Clock, chat: str) -> None:
    cache = cache_of(database, clock)
    assert await cache.get("a", chat) is None
    cache.put("a", said("one"), chat)
    assert await cache.get("a", chat) == said("one")
    use = await cache.use()
    assert (use.hits, use.misses, use.entries, use.size) == (1, 1, 1, 3 + ROW_BYTES)
    await cache.settled()
    assert ((await cache.use()).disk_entries, (await cache.use()).disk_size) == (1, 3)


async def test_the_least_recently_used_goes_first(database: Database, clock: Clock, chat: str) -> None:
    cache = cache_of(database, clock, Limits(entries=2), disk=False)
    for key in "ab":
        cache.put(key, said(key), chat)
    await cache.get("a", chat)
    cache.put("c", said("c"), chat)
    assert [await cache.get(key, chat) is not None for key in "abc"] == [True, False, True]
    await cache.settled()


async def test_bytes_are_a_limit_too(database: Database, clock: Clock, chat: str) -> None:
    cache = cache_of(database, clock, Limits(size=3 * (ROW_BYTES + 100)), disk=False)
    cache.put("large", said("x" * 4 * ROW_BYTES), chat)
    assert await cache.get("large", chat) is None
    for key in "abcd":
        cache.put(key, said("é" * 50), chat)
    assert [await cache.get(key, chat) is not None for key in "abcd"] == [False, True, True, True]
    assert cache.misses == 2
    await cache.settled()


async def test_age_is_renewed_by_use(database: Database, clock: Clock, chat: str) -> None:
    cache = cache_of(database, clock, Limits(ttl_s=TTL_S), disk=False)
    cache.put("used", said("a"), chat)
    cache.put("unused", said("b"), chat)
    cache.put("short", said("c"), chat, ttl_s=60.0)
    for _ in range(3):
        clock.now += TTL_S - 1
        assert await cache.get("used", chat) == said("a")
    assert await cache.get("unused", chat) is None
    assert await cache.get("short", chat) is None
    clock.now += TTL_S
    assert await cache.get("used", chat) is None
    await cache.settled()


async def test_the_disk_has_what_memory_has_forgotten(database: Database, clock: Clock, chat: str) -> None:
    cache = cache_of(database, clock, Limits(ttl_s=TTL_S))
    cache.put("a", said("one"), chat)
    await cache.settled()
    for _ in range(3):
        clock.now += 6 * DAY_S
        assert await cache.get("a", chat) == said("one")
        await cache.settled()
    assert await cache_of(database, clock).get("a", chat) == said("one")
    clock.now += 7 * DAY_S
    assert await cache.get("a", chat) is None


async def test_a_disk_that_fails_costs_nothing_but_its_answers(
    database: Database, clock: Clock, chat: str
) -> None:
    cache = cache_of(database, clock, disk=False)
    assert await cache.get("a", chat) is None
    cache.put("a", said("one"), chat)
    assert await cache.get("a", chat) == said("one")
    await cache.settled()


async def test_purging_takes_both_layers(database: Database, clock: Clock, chat: str) -> None:
    other = (await Chats(database).begin_turn(None, "hi", "m", None, "streaming")).chat_id
    cache = cache_of(database, clock)
    cache.put("both", said("one"), chat)
    cache.put("mine", said("two", "/other.gguf"), chat)
    await cache.get("both", other)
    gone = await cache.purge(chat=other)
    assert (gone.entries, gone.size) == (1, 3)
    assert await cache.get("both", chat) is None
    assert await cache.get("mine", chat) is not None
    assert (await cache.purge(model_path="/m.gguf")).entries == 0
    assert (await cache.purge(model_path="/other.gguf")).entries == 1
    cache.put("last", said("three"), chat)
    assert (await cache.purge()).entries == 1  # what was still on its way is waited for
    use = await cache.use()
    assert (use.entries, use.disk_entries) == (0, 0)


async def after_a_restart(database: Database, clock: Clock, chat: str) -> ResponseCache:
    """One that has an answer made for `chat`, under ``a``, on the disk alone."""
    before = cache_of(database, clock)
    before.put("a", said("one"), chat)
    await before.settled()
    return cache_of(database, clock)


async def test_purging_a_chat_takes_what_came_from_the_disk(
    database: Database, clock: Clock, chat: str
) -> None:
    """Memory knows only where this host gave it, not what it was made for."""
    other = (await Chats(database).begin_turn(None, "hi", "m", None, "streaming")).chat_id
    cache = await after_a_restart(database, clock, chat)
    assert await cache.get("a", other) == said("one")
    assert (await cache.purge(chat=chat)).entries == 1
    assert await cache.get("a", other) is None


async def test_what_is_purged_while_it_is_given_stays_forgotten(
    database: Database, clock: Clock, chat: str
) -> None:
    cache = await after_a_restart(database, clock, chat)
    assert await cache.find("a") == said("one")
    await cache.purge()
    cache.given("a", chat)
    await cache.settled()
    use = await cache.use()
    assert (use.hits, use.entries, use.disk_entries) == (1, 0, 0)


async def test_purging_a_chat_takes_what_is_in_memory_alone(
    database: Database, clock: Clock, chat: str
) -> None:
    """An answer that the disk had no more room for, after it had come from there."""
    other = (await Chats(database).begin_turn(None, "hi", "m", None, "streaming")).chat_id
    cache = await after_a_restart(database, clock, chat)
    assert await cache.find("a") == said("one")
    cache.put("b", said("x" * ((1 << 20) - 2)), other)
    assert (await cache.purge(chat=chat)).entries == 0
    assert await cache.find("a") is None
