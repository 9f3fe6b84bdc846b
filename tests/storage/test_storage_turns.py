"""Writing turns: what each step leaves in the database."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

import pytest

from kensho_tui.core.contract import Role, State, StopReason, Timings, Usage
from kensho_tui.core.errors import NotFoundError, StorageError, UsageError
from kensho_tui.storage.chats import Chats, ModelIdentity, Outcome, Started
from kensho_tui.storage.database import Database
from kensho_tui.storage.turns import Given

USAGE = Usage(prompt_tokens=11, cached_tokens=5, completion_tokens=7)
TIMINGS = Timings(
    queue_s=0.1, load_s=0.2, prefill_s=0.3, ttft_s=0.6, prompt_tok_s=20.0, decode_tok_s=30.0, total_s=1.5
)
MODEL = ModelIdentity("/models/tiny.gguf", 123, 1700000000.25)


async def test_a_new_chat_holds_the_prompt_and_an_empty_answer(chats: Chats) -> None:
    row = await chats.begin_turn(
        None, "  \nWhat is\ta cat?\nSay it briefly.", "tiny", "Be kind.", "streaming"
    )
    user, answer = await chats.path(row.chat_id)
    assert (user.id, user.parent_id, user.role, user.state) == (row.user_id, None, "user", "complete")
    assert user.content == "  \nWhat is\ta cat?\nSay it briefly."
    assert (answer.id, answer.parent_id, answer.role) == (row.message_id, row.user_id, "assistant")
    assert (answer.state, answer.content, answer.model) == ("streaming", "", "tiny")
    assert answer.usage is None and answer.timings is None
    summary = await chats.summary(row.chat_id)
    assert (summary.title, summary.model, summary.messages) == ("What is a cat?", None, 2)
    assert summary.state == "streaming"
    assert await chats.system(row.chat_id) == "Be kind."
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", summary.created)


async def test_a_long_title_is_cut_and_an_unprintable_one_named(chats: Chats) -> None:
    long = await chats.begin_turn(None, "word " * 100, None, None, "queued")
    title = (await chats.summary(long.chat_id)).title
    assert len(title) <= 60 and title.endswith("…")
    empty = await chats.begin_turn(None, "\x1b[31m\x07", None, None, "queued")
    assert (await chats.summary(empty.chat_id)).title == "Untitled"


async def test_turns_of_a_chat_form_one_path(chats: Chats) -> None:
    first = await chats.begin_turn(None, "one", "tiny", "first", "streaming")
    second = await chats.begin_turn(first.chat_id, "two", None, None, "queued")
    third = await chats.begin_turn(first.chat_id, "three", "big", "second", "queued")
    path = await chats.path(first.chat_id)
    assert [message.parent_id for message in path] == [None, *(message.id for message in path[:-1])]
    assert [message.id for message in path][1::2] == [first.message_id, second.message_id, third.message_id]
    assert await chats.system(first.chat_id) == "second"
    # The chat's model is the last one that was at work, not one that was only asked for.
    assert (await chats.summary(first.chat_id)).model is None
    await chats.start_generation(third, Started("big", ModelIdentity("/m", 1, 0.0), {}))
    assert (await chats.summary(first.chat_id)).model == "big"


async def test_an_unknown_chat_gets_nothing(chats: Chats, database: Database) -> None:
    with pytest.raises(NotFoundError):
        await chats.begin_turn("nothing", "one", None, None, "queued")
    assert await database.fetch("SELECT count(*) FROM messages") == [(0,)]


async def test_a_prompt_asked_anew_has_both_answers_and_the_path_ends_with_the_new_one(chats: Chats) -> None:
    first = await chats.begin_turn(None, "one", "tiny", None, "streaming")
    await chats.finish(first, "eins", Outcome("complete", "end"))
    second = await chats.begin_turn(first.chat_id, "two", "tiny", None, "streaming")
    await chats.finish(second, "zwei", Outcome("complete", "end"))
    assert second.user_id is not None
    anew = await chats.begin_anew(second.user_id, "big", "queued")
    assert (anew.chat_id, anew.user_id) == (first.chat_id, second.user_id)
    await chats.finish(anew, "deux", Outcome("complete", "end"))
    assert [m.content for m in await chats.path(first.chat_id)] == ["one", "eins", "two", "deux"]
    assert [m.content for m in await chats.path_to(anew.message_id)] == ["one", "eins", "two", "deux"]
    every = [m.content for m in await chats.all_messages(first.chat_id)]
    assert every == ["one", "eins", "two", "zwei", "deux"]
    third = await chats.begin_turn(first.chat_id, "three", None, None, "queued")
    assert [m.content for m in await chats.path_to(third.message_id)][3:] == ["deux", "three", ""]


async def test_only_the_last_prompt_that_is_answered_can_be_asked_anew(
    chats: Chats, database: Database
) -> None:
    first = await chats.begin_turn(None, "one", None, None, "streaming")
    assert first.user_id is not None
    with pytest.raises(UsageError, match="is being answered"):
        await chats.begin_anew(first.user_id, None, "streaming")
    await chats.finish(first, "eins", Outcome("stopped", "abort"))
    with pytest.raises(UsageError, match="last prompt"):
        await chats.begin_anew(first.message_id, None, "streaming")
    second = await chats.begin_turn(first.chat_id, "two", None, None, "streaming")
    await chats.finish(second, "zwei", Outcome("complete", "end"))
    with pytest.raises(UsageError, match="last prompt"):
        await chats.begin_anew(first.user_id, None, "streaming")
    with pytest.raises(NotFoundError):
        await chats.begin_anew("nothing", None, "streaming")
    assert await database.fetch("SELECT count(*) FROM messages") == [(4,)]


async def test_a_turn_from_queue_to_end(chats: Chats, database: Database) -> None:
    row = await chats.begin_turn(None, "one", None, None, "queued")
    await chats.start_generation(row, Started("tiny", MODEL, {"context": 8192}))
    started = await chats.message(row.message_id)
    assert (started.state, started.model) == ("streaming", "tiny")
    assert (await chats.summary(row.chat_id)).model == "tiny"

    await chats.checkpoint(row.message_id, "half an ans")
    half = await chats.message(row.message_id)
    assert (half.state, half.content) == ("streaming", "half an ans")

    await chats.finish(
        row, "half an answer.", Outcome("complete", "end", usage=USAGE, timings=TIMINGS, trimmed=2)
    )
    ended = await chats.message(row.message_id)
    assert (ended.state, ended.content, ended.stop_reason) == ("complete", "half an answer.", "end")
    assert (ended.usage, ended.timings) == (USAGE, TIMINGS)
    assert (await chats.summary(row.chat_id)).state == "idle"
    [generation] = await database.fetch(
        "SELECT model, model_path, model_size, model_mtime, settings, state, trimmed,"
        " created <= started AND started <= ended FROM generations"
    )
    assert generation[:4] == ("tiny", MODEL.path, MODEL.size, MODEL.mtime)
    assert json.loads(generation[4]) == {"context": 8192}
    assert generation[5:] == ("complete", 2, 1)


async def test_what_has_ended_stays_as_it_is(chats: Chats) -> None:
    row = await chats.begin_turn(None, "one", "tiny", None, "streaming")
    await chats.finish(row, "all", Outcome("stopped", "abort"))
    await chats.checkpoint(row.message_id, "late")
    with pytest.raises(UsageError):
        await chats.finish(row, "later", Outcome("complete", "end"))
    with pytest.raises(UsageError):
        await chats.start_generation(row, Started("tiny", MODEL, {}))
    message = await chats.message(row.message_id)
    assert (message.content, message.state, message.stop_reason) == ("all", "stopped", "abort")


async def test_finish_takes_only_states_of_an_end(chats: Chats) -> None:
    row = await chats.begin_turn(None, "one", "tiny", None, "streaming")
    with pytest.raises(UsageError):
        await chats.finish(row, "all", Outcome("queued"))
    with pytest.raises(NotFoundError):
        await chats.finish(replace(row, message_id="nothing"), "all", Outcome("complete"))


async def test_resume_keeps_the_text_and_adds_a_generation(chats: Chats, database: Database) -> None:
    row = await chats.begin_turn(None, "one", "tiny", None, "streaming")
    await chats.finish(row, "part", Outcome("failed", "error", "it broke", usage=USAGE))
    again = await chats.begin_resume(row.message_id, "big")
    assert (again.chat_id, again.user_id, again.message_id) == (row.chat_id, row.user_id, row.message_id)
    assert again.generation_id != row.generation_id
    message = await chats.message(row.message_id)
    assert (message.state, message.content, message.model) == ("streaming", "part", "big")
    assert (message.stop_reason, message.error, message.usage) == (None, None, None)
    await chats.finish(again, "part two", Outcome("complete", "end", timings=TIMINGS))
    message = await chats.message(row.message_id)
    assert (message.content, message.usage, message.timings) == ("part two", Usage(), TIMINGS)
    rows = await database.fetch("SELECT id, state, error FROM generations ORDER BY number")
    assert rows == [(row.generation_id, "failed", "it broke"), (again.generation_id, "complete", None)]


async def test_resume_refuses_what_cannot_go_on(chats: Chats) -> None:
    row = await chats.begin_turn(None, "one", "tiny", None, "queued")
    assert row.user_id is not None
    with pytest.raises(UsageError):
        await chats.begin_resume(row.message_id, "tiny")
    with pytest.raises(UsageError):
        await chats.begin_resume(row.user_id, "tiny")
    with pytest.raises(NotFoundError):
        await chats.begin_resume("nothing", "tiny")


async def test_recover_interrupts_what_was_left(chats: Chats, database: Database) -> None:
    done = await chats.begin_turn(None, "one", "tiny", None, "streaming")
    await chats.finish(done, "whole", Outcome("complete", "end"))
    cut = await chats.begin_turn(done.chat_id, "two", "tiny", None, "streaming")
    await chats.checkpoint(cut.message_id, "half")
    waiting = await chats.begin_turn(done.chat_id, "three", None, None, "queued")
    updated = (await chats.summary(done.chat_id)).updated
    assert await chats.recover() == 2
    answers = (await chats.path(done.chat_id))[1::2]
    assert [(answer.state, answer.content) for answer in answers] == [
        ("complete", "whole"),
        ("interrupted", "half"),
        ("interrupted", ""),
    ]
    states = await database.fetch("SELECT state FROM generations ORDER BY number")
    assert states == [("complete",), ("interrupted",), ("interrupted",)]
    summary = await chats.summary(done.chat_id)
    assert (summary.state, summary.updated) == ("interrupted", updated)
    assert await chats.recover() == 0
    resumed = await chats.begin_resume(waiting.message_id, None)
    assert resumed.user_id == waiting.user_id


async def test_hostile_text_is_kept(chats: Chats) -> None:
    prompt = "lone \ud83d surrogate, \x1b]0;title\x07 escape, \x00 nul, עברית, 👩‍👩‍👧"
    row = await chats.begin_turn(None, prompt, "m\udc80", "s\udfff", "streaming")
    await chats.checkpoint(row.message_id, "a\ud800b")
    assert (await chats.message(row.message_id)).content == "a\ufffdb"
    identity = ModelIdentity("/p\udc80", 1, 0.0)
    await chats.start_generation(row, Started("m\udc80", identity, {"stop": ["\ud800"]}))
    await chats.finish(row, "c\udfff", Outcome("failed", "error", "e\ud800"))
    user, answer = await chats.path(row.chat_id)
    assert user.content == prompt.replace("\ud83d", "\ufffd")
    assert (answer.content, answer.error, answer.model) == ("c\ufffd", "e\ufffd", "m\ufffd")
    assert await chats.system(row.chat_id) == "s\ufffd"
    for unknown in ("\ud800", "x'; DROP TABLE chats; --"):
        with pytest.raises(NotFoundError):
            await chats.path(unknown)


async def test_a_megabyte_on_one_line(chats: Chats) -> None:
    text = "x" * 999_999 + "é"
    row = await chats.begin_turn(None, text, None, None, "streaming")
    for length in (250_000, 500_000, 1_000_000):
        await chats.checkpoint(row.message_id, text[:length])
    assert [message.content == text for message in await chats.path(row.chat_id)] == [True, True]
    assert len((await chats.summary(row.chat_id)).title) == 60


async def test_the_tables_know_every_word_of_the_contract(chats: Chats, database: Database) -> None:
    """The CHECK constraints and the columns follow the contract; this fails when one of them moves on."""
    await chats.begin_turn(None, "one", None, None, "streaming")
    words: tuple[tuple[str, tuple[str, ...]], ...] = (
        ("role", get_args(Role)),
        ("state", get_args(State)),
        ("stop_reason", get_args(StopReason)),
    )
    for column, allowed in words:
        for word in allowed:
            async with database.transaction("test") as work:
                await work.run(f"UPDATE messages SET {column} = ?", (word,))
    columns = [name for _, name, *_ in await database.fetch("PRAGMA table_info(generations)")]
    assert {*Usage.__struct_fields__, *Timings.__struct_fields__} <= set(columns)
    first = columns.index("queue_s")
    assert tuple(columns[first : first + 7]) == Timings.__struct_fields__


@pytest.mark.parametrize("column", ["role", "state", "stop_reason"])
async def test_the_tables_refuse_other_words(
    chats: Chats, database: Database, column: Literal["role", "state", "stop_reason"]
) -> None:
    await chats.begin_turn(None, "one", None, None, "streaming")
    with pytest.raises(StorageError, match="CHECK constraint"):
        async with database.transaction("nothing was changed") as work:
            await work.run(f"UPDATE messages SET {column} = 'odd'")


def test_the_identity_of_a_model_file(tmp_path: Path) -> None:
    file = tmp_path / "tiny.gguf"
    file.write_bytes(b"GGUF")
    identity = ModelIdentity.of(str(file))
    assert (identity.path, identity.size, identity.mtime) == (str(file), 4, file.stat().st_mtime)
    file.unlink()
    assert ModelIdentity.of(file) == ModelIdentity(str(file), 0, 0.0)


async def test_an_answer_given_again_is_saved_with_its_prompt(chats: Chats, database: Database) -> None:
    ended = Outcome("complete", "end", usage=USAGE, timings=TIMINGS)
    given = Given(Started("m", MODEL, {}, from_cache=True), "four", ended)
    first = await chats.give_turn(None, None, "2 + 2?", "Be short.", given)
    assert first is not None
    second = await chats.give_turn(first.chat_id, first.message_id, "again?", None, given)
    assert second is not None
    before = await chats.path(first.chat_id)
    assert await chats.give_turn(first.chat_id, first.message_id, "late?", None, given) is None
    assert await chats.path(first.chat_id) == before
    assert [(m.role, m.content, m.state, m.cached) for m in before[2:]] == [
        ("user", "again?", "complete", False),
        ("assistant", "four", "complete", True),
    ]
    assert (before[1].stop_reason, before[1].usage, before[1].timings) == ("end", USAGE, TIMINGS)
    assert await chats.system(first.chat_id) == "Be short."
    assert (await chats.summary(first.chat_id)).model == "m"
    assert await database.fetch("SELECT state, from_cache FROM generations") == [("complete", 1)] * 2
