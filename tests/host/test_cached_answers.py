"""Cached answers through a real host: real sockets, real SQLite, scripted workers."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from kensho_tui.client.facade import Kensho
from kensho_tui.core.contract import Empty, Message, Sampling
from kensho_tui.core.errors import NotFoundError, UsageError
from kensho_tui.core.model_contract import (
    CHANGE,
    DELETE,
    DISK_USE,
    FREE_DISK,
    ChangeModel,
    Defaults,
    FreeDisk,
    ModelRef,
)
from kensho_tui.core.response_contract import CACHE_USE, PURGE, CacheUse, Purge
from tests.support.home import Home
from tests.support.turns import read_to_end, read_until, script, submit

SAID = "You said: hello"


async def asked(kensho: Kensho, prompt: str = "hello", chat: str | None = None, **more: object) -> Message:
    """The answer, its text included, once it has ended; and nothing of the cache is under way any more."""
    submitted = await submit(kensho, prompt, chat, **more)
    await read_to_end(kensho, submitted.stream)
    await used(kensho)
    return next(m for m in (await kensho.chat(submitted.chat)).messages if m.id == submitted.message)


async def used(kensho: Kensho) -> CacheUse:
    return await kensho.call(CACHE_USE, Empty())


def rows(home: Home, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(home.paths.database, isolation_level=None)) as connection:
        return connection.execute(sql).fetchall()


async def test_the_same_question_gets_the_same_answer_and_says_so(home: Home) -> None:
    home.start_scripted_host()
    async with Kensho() as kensho:
        first = await asked(kensho)
        again = await submit(kensho, "hello")
        text, result = await read_to_end(kensho, again.stream)
        chat = await kensho.chat(again.chat)
        use = await used(kensho)
    assert (first.content, first.cached) == (SAID, False)
    assert (text, result.cached, result.state, result.stop_reason) == (SAID, True, "complete", "end")
    assert [(m.role, m.content, m.state, m.cached) for m in chat.messages] == [
        ("user", "hello", "complete", False),
        ("assistant", SAID, "complete", True),
    ]
    assert chat.model == "scripted"
    assert result.timings is not None and result.timings.ttft_s > 0
    assert (result.timings.load_s, result.timings.prefill_s, result.timings.decode_tok_s) == (0, 0, 0)
    assert result.usage is not None and first.usage is not None
    assert result.usage.completion_tokens == first.usage.completion_tokens
    assert (use.hits, use.misses, use.entries, use.disk_entries) == (1, 1, 1, 1)
    assert rows(home, "SELECT from_cache FROM generations ORDER BY number") == [(0,), (1,)]


async def test_a_hit_comes_whole_with_the_reply(home: Home) -> None:
    home.start_scripted_host()
    async with Kensho() as kensho:
        first = await submit(kensho, "hello", show=True)
        await read_to_end(kensho, first.stream)
        await asked(kensho, "and then?", first.chat)
        again = await submit(kensho, "hello", show=True)
        follows = await submit(kensho, "and then?", again.chat, show=True)
        told = [await read_to_end(kensho, one.stream) for one in (again, follows)]
        chat = await kensho.chat(again.chat)
    assert first.shown is not None and first.shown.messages[-1].stream == first.stream
    assert follows.shown == chat
    assert [m.content for m in chat.messages] == ["hello", SAID, "and then?", "You said: and then?"]
    assert [(m.state, m.stream, m.cached) for m in chat.messages[1::2]] == [("complete", None, True)] * 2
    assert [(text, result.state, result.cached) for text, result in told] == [
        (SAID, "complete", True),
        ("You said: and then?", "complete", True),
    ]


async def test_a_very_long_chat_does_not_come_with_the_reply(home: Home) -> None:
    """One that no frame holds would turn the reply to a prompt that was taken into an error."""
    home.start_scripted_host()
    async with Kensho() as kensho:
        long = "x" * 600_000
        first = await submit(kensho, script(text="short", note=long), show=True)
        await read_to_end(kensho, first.stream)
        following = await submit(kensho, script(text="short", note=long), first.chat, show=True)
        assert first.shown is not None and following.shown is None
        assert (await read_to_end(kensho, following.stream))[0] == "short"
        assert len((await kensho.chat(first.chat)).messages) == 4


async def test_what_follows_an_answer_under_way_waits_for_it(home: Home) -> None:
    """The answer that is there is to another conversation than the one this will be."""
    home.start_scripted_host()
    async with Kensho() as kensho:
        first = await submit(kensho, "hello")
        await read_to_end(kensho, first.stream)
        long = await submit(kensho, script(text="abcd", repeat=4000, rate=100), first.chat)
        await read_until(kensho, long.stream, 4)
        following = await submit(kensho, "hello", first.chat)
        assert following.queued
        await kensho.abort(long.stream)
        _, result = await read_to_end(kensho, following.stream)
    assert (result.state, result.cached) == ("complete", False)


async def test_a_hit_survives_a_restart_and_needs_no_worker(home: Home) -> None:
    home.settings('model = "scripted"\npreload = false\n')
    home.start_scripted_host()
    async with Kensho() as kensho:
        await asked(kensho)
        await kensho.stop_host()
        await kensho.closed()
    home.wait_empty()
    home.start_scripted_host()
    async with Kensho() as kensho:
        again = await asked(kensho)
        assert (await kensho.status()).workers == ()
    assert (again.content, again.cached) == (SAID, True)
    assert home.named("scripted_worker") == []


async def test_a_cached_answer_can_be_followed_up(home: Home) -> None:
    home.start_scripted_host()
    async with Kensho() as kensho:
        for _ in range(2):
            first = await submit(kensho, "hello")
            await read_to_end(kensho, first.stream)
            following = await asked(kensho, "and then?", first.chat)
    assert (following.content, following.cached) == ("You said: and then?", True)


@pytest.mark.parametrize(
    "changed",
    [
        {"prompt": "hello "},
        {"system": "Be short."},
        {"sampling": Sampling(max_tokens=7), "given": ("max_tokens",)},
        {"sampling": Sampling(stop=("x",))},
        {"model": "other"},
    ],
)
async def test_another_question_is_asked_anew(home: Home, changed: dict[str, object]) -> None:
    home.add_model("other", b"GGUF scripted too")
    home.start_scripted_host()
    async with Kensho() as kensho:
        await asked(kensho)
        assert not (await asked(kensho, **changed)).cached  # type: ignore[arg-type]
        assert (await asked(kensho)).cached
        assert (await asked(kensho, **changed)).cached  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "defaults",
    [
        Defaults(template="{{ messages[-1].content }}"),
        Defaults(system="Be kind."),
        Defaults(temperature=0.1),
        Defaults(context=1024),
        Defaults(kv_type="q8_0"),
    ],
)
async def test_a_model_set_up_otherwise_is_asked_anew(home: Home, defaults: Defaults) -> None:
    home.start_scripted_host()
    async with Kensho() as kensho:
        await asked(kensho)
        await kensho.call(CHANGE, ChangeModel(model="scripted", defaults=defaults))
        assert not (await asked(kensho)).cached
        await kensho.call(CHANGE, ChangeModel(model="scripted", defaults=Defaults()))
        assert (await asked(kensho)).cached


async def test_an_answer_of_a_model_that_was_loaded_otherwise_is_not_taken_for_one_of_today(
    home: Home,
) -> None:
    """The worker at work still has the template of before: what it says is no answer under the new one."""
    home.start_scripted_host()
    changed = Defaults(template="{{ messages[-1].content }}")
    async with Kensho() as kensho:
        await asked(kensho, "first")
        await kensho.call(CHANGE, ChangeModel(model="scripted", defaults=changed))
        await asked(kensho)
        assert not (await asked(kensho)).cached
        await kensho.call(CHANGE, ChangeModel(model="scripted", defaults=Defaults()))
        assert (await asked(kensho)).cached


async def test_a_replaced_model_file_is_asked_anew(home: Home) -> None:
    home.start_scripted_host()
    async with Kensho() as kensho:
        await asked(kensho)
        new = home.add_model("new", b"GGUF scripted")
        new.replace(home.paths.models / "scripted.gguf")
        assert not (await asked(kensho)).cached


async def test_a_hit_is_given_while_the_model_answers_somebody_else(home: Home) -> None:
    home.start_scripted_host()
    async with Kensho() as kensho:
        await asked(kensho)
        long = await submit(kensho, script(text="abcd", repeat=4000, rate=100))
        await read_until(kensho, long.stream, 4)
        assert (await asked(kensho)).cached
        await kensho.abort(long.stream)
        await read_to_end(kensho, long.stream)


async def test_of_two_prompts_at_once_one_is_asked(home: Home) -> None:
    home.start_scripted_host()
    async with Kensho() as kensho:
        prompt = script(text="abcd", repeat=30, rate=100)
        both = [await submit(kensho, prompt) for _ in range(2)]
        ended = await asyncio.gather(*(read_to_end(kensho, one.stream) for one in both))
        use = await used(kensho)
    assert [text for text, _ in ended] == ["abcd" * 30] * 2
    assert [result.cached for _, result in ended] == [False, True]
    assert (use.hits, use.misses) == (1, 1)


async def test_when_the_first_of_two_is_stopped_the_second_is_asked(home: Home) -> None:
    home.start_scripted_host()
    async with Kensho() as kensho:
        prompt = script(text="abcd", repeat=60, rate=100)
        first, second, third = [await submit(kensho, prompt) for _ in range(3)]
        await read_until(kensho, first.stream, 4)
        await kensho.abort(third.stream)
        _, stopped = await read_to_end(kensho, third.stream)
        await kensho.abort(first.stream)
        text, result = await read_to_end(kensho, second.stream)
    assert stopped.state == "stopped"
    assert (text, result.state, result.cached) == ("abcd" * 60, "complete", False)


@pytest.mark.parametrize(
    ("more", "kept"),
    [
        ({"fresh": True}, True),
        ({"sampling": Sampling(temperature=0.7), "given": ("temperature",)}, False),
        ({"sampling": Sampling(seed=1), "given": ("seed",)}, False),
    ],
)
async def test_asking_anew(home: Home, more: dict[str, object], kept: bool) -> None:
    """A fresh answer takes the place of the older one; one by hand stands for itself."""
    home.start_scripted_host()
    async with Kensho() as kensho:
        first = await asked(kensho, **more)  # type: ignore[arg-type]
        again = await asked(kensho, **more)  # type: ignore[arg-type]
        assert (first.cached, again.cached) == (False, False)
        assert (await used(kensho)).disk_entries == int(kept)
        assert (await asked(kensho)).cached is kept


async def test_a_prompt_answered_once_more_neither_takes_a_cached_answer_nor_leaves_one(home: Home) -> None:
    home.start_scripted_host()
    async with Kensho() as kensho:
        first = await submit(kensho, "hello")
        await read_to_end(kensho, first.stream)
        given = await submit(kensho, "hello", show=True)
        assert given.shown is not None
        prompt, old = given.shown.messages
        anew = await submit(kensho, prompt.content, given.chat, anew=prompt.id, show=True)
        assert anew.chat == given.chat and anew.shown is not None
        assert [m.id for m in anew.shown.messages] == [prompt.id, anew.message]
        text, result = await read_to_end(kensho, anew.stream)
        assert (text, result.cached, result.parent_id) == (SAID, False, prompt.id)
        assert result.usage is not None and old.usage is not None
        assert result.usage.prompt_tokens == old.usage.prompt_tokens  # the same history, not one answer more
        every = (await kensho.chat(given.chat, all_branches=True)).messages
        assert [(m.id, m.cached) for m in every] == [(prompt.id, False), (old.id, True), (result.id, False)]
        assert (await used(kensho)).disk_entries == 1
        follows = await asked(kensho, "and then?", given.chat)
        assert follows.parent_id != old.id
        with pytest.raises(UsageError, match="last prompt"):
            await submit(kensho, prompt.content, given.chat, anew=prompt.id)


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ({"text": "x", "stop_reason": "stop_sequence"}, True),
        ({"text": "x", "stop_reason": "length"}, True),
        ({"text": "x", "stop_reason": "context"}, False),
        ({"text": ""}, False),
        ({"text": "x", "error": "it failed"}, False),
    ],
)
async def test_only_whole_answers_are_kept(home: Home, fields: dict[str, object], kept: bool) -> None:
    home.start_scripted_host()
    async with Kensho() as kensho:
        await asked(kensho, script(**fields))
        assert (await used(kensho)).disk_entries == int(kept)


async def test_what_was_stopped_and_continued_is_not_kept(home: Home) -> None:
    home.start_scripted_host()
    async with Kensho() as kensho:
        prompt = script(text="abcd", repeat=40, rate=100)
        submitted = await submit(kensho, prompt)
        await read_until(kensho, submitted.stream, 4)
        await kensho.abort(submitted.stream)
        await read_to_end(kensho, submitted.stream)
        again = await kensho.resume(submitted.message)
        await read_to_end(kensho, again.stream)
        assert (await used(kensho)).entries == 0


async def test_a_cut_answer_that_was_given_again_can_be_continued(home: Home) -> None:
    home.start_scripted_host()
    async with Kensho() as kensho:
        prompt = script(text="abcd", stop_reason="length")
        await asked(kensho, prompt)
        cut = await asked(kensho, prompt)
        assert cut.cached and cut.resumable
        again = await kensho.resume(cut.id)
        text, result = await read_to_end(kensho, again.stream)
    assert (text, result.cached) == ("abcdabcd", False)


async def test_a_damaged_row_is_dropped_and_never_shown(home: Home) -> None:
    home.start_scripted_host()
    async with Kensho() as kensho:
        await asked(kensho)
        await kensho.stop_host()
        await kensho.closed()
    home.wait_empty()
    rows(home, "UPDATE responses SET text = 'You said: hellO'")
    home.start_scripted_host()
    async with Kensho() as kensho:
        again = await asked(kensho)
    assert (again.content, again.cached) == (SAID, False)
    assert rows(home, "SELECT text FROM responses") == [(SAID,)]


async def test_a_full_disk_while_an_answer_is_cached_leaves_the_answer_alone(home: Home) -> None:
    pid = home.start_scripted_host()
    async with Kensho() as kensho:
        await asked(kensho)
        submitted = await submit(kensho, script(text="abcd" * 1000, repeat=30, piece=400, rate=100))
        await read_until(kensho, submitted.stream, 400)
        host = psutil.Process(pid)
        size = Path(f"{home.paths.database}-wal").stat().st_size
        host.rlimit(psutil.RLIMIT_FSIZE, (size, psutil.RLIM_INFINITY))
        text, result = await read_to_end(kensho, submitted.stream)
        host.rlimit(psutil.RLIMIT_FSIZE, (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY))
        assert (len(text), result.state) == (120_000, "complete")
        while (await kensho.status()).notices:
            await asyncio.sleep(0.05)
        assert (await kensho.chat(submitted.chat)).messages[-1].content == text


async def test_purging(home: Home) -> None:
    home.add_model("other", b"GGUF scripted too")
    home.start_scripted_host()
    async with Kensho() as kensho:
        first = await submit(kensho, "one")
        await read_to_end(kensho, first.stream)
        await asked(kensho, "two")
        await asked(kensho, "three", model="other")
        second = await submit(kensho, "one")  # the same answer belongs to this chat, too
        await read_to_end(kensho, second.stream)
        assert (await kensho.call(PURGE, Purge(chat=second.chat))).entries == 1
        assert not (await asked(kensho, "one")).cached
        assert (await kensho.call(PURGE, Purge(model="other"))).entries == 1
        assert (await asked(kensho, "two")).cached
        assert (await kensho.call(PURGE, Purge())).entries == 2
        use = await used(kensho)
        assert (use.entries, use.disk_entries, use.disk_size, use.size) == (0, 0, 0, 0)
        with pytest.raises(NotFoundError):
            await kensho.call(PURGE, Purge(model="nobody"))
        with pytest.raises(UsageError):
            await kensho.call(PURGE, Purge(model="other", chat=first.chat))


async def test_answers_go_with_their_model(home: Home) -> None:
    home.start_scripted_host()
    async with Kensho() as kensho:
        await asked(kensho)
        await kensho.call(DELETE, ModelRef(model="scripted"))
        assert (await used(kensho)).disk_entries == 0


async def test_they_are_a_store_that_can_be_freed(home: Home) -> None:
    home.start_scripted_host()
    async with Kensho() as kensho:
        await asked(kensho)
        before = {store.name: store for store in (await kensho.call(DISK_USE, Empty())).stores}
        assert before["responses"].files == 1
        assert before["responses"].size == before["responses"].freeable == len(SAID)
        on_disk = sum(path.stat().st_size for path in home.paths.data.glob("kensho.db*"))
        assert before["responses"].size + before["database"].size <= on_disk
        await kensho.call(FREE_DISK, FreeDisk(stores=("logs",)))
        assert (await used(kensho)).disk_entries == 1
        freed = await kensho.call(FREE_DISK, FreeDisk(stores=("responses",)))
        assert (freed.files, freed.size) == (1, len(SAID))
        assert not (await asked(kensho)).cached


@pytest.mark.parametrize(
    ("settings", "cached"),
    [("cache_answers = false", False), ("cache_entries = 0", True), ("cache_days = 0", True)],
)
async def test_settings(home: Home, settings: str, cached: bool) -> None:
    home.settings(f'model = "scripted"\n{settings}\n')
    home.start_scripted_host()
    async with Kensho() as kensho:
        await asked(kensho)
        assert (await asked(kensho)).cached is cached


def test_ask_says_that_an_answer_is_cached(home: Home) -> None:
    home.start_scripted_host()
    first = home.run("ask", "hello")
    again = home.run("ask", "hello")
    document = home.run("ask", "--json", "hello")
    fresh = home.run("ask", "--fresh", "--json", "hello")
    assert (first.stdout, "cached" in first.stderr) == (f"{SAID}\n", False)
    assert again.stdout == f"{SAID}\n"
    assert again.stderr == "kensho-tui: cached answer; --fresh asks the model again\n"
    assert '"from_cache": true' in document.stdout
    assert '"from_cache": false' in fresh.stdout and fresh.stderr == ""
