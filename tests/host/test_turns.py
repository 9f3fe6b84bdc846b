"""Turns through a real host, real sockets and real SQLite; only the worker is scripted."""

import asyncio
import json
import os
import signal

import msgspec
import psutil
import pytest

from kensho_tui.client.facade import Kensho
from kensho_tui.core.contract import HostStatus, Prepare, chat_topic
from kensho_tui.core.errors import DiskFullError, HostGoneError, NotFoundError, UsageError
from tests.support.home import Home, wait_until
from tests.support.turns import read_to_end, read_until, script, submit, wait_for_phase


async def test_an_answer_streams_and_is_saved(home: Home) -> None:
    home.start_scripted_host()
    async with Kensho() as kensho:
        submitted = await submit(kensho, "hello")
        text, result = await read_to_end(kensho, submitted.stream)
        chat = await kensho.chat(submitted.chat)
    assert text == "You said: hello"
    assert (result.state, result.stop_reason) == ("complete", "end")
    assert [(m.role, m.content, m.state) for m in chat.messages] == [
        ("user", "hello", "complete"),
        ("assistant", "You said: hello", "complete"),
    ]
    assert result.timings is not None and result.timings.ttft_s > 0 and result.timings.load_s > 0
    assert result.usage is not None and result.usage.completion_tokens > 0


async def test_a_late_reader_gets_the_text_so_far_and_then_the_rest(home: Home) -> None:
    home.start_scripted_host()
    async with Kensho() as first, Kensho() as second:
        submitted = await submit(first, script(text="abcd", repeat=60, rate=100))
        await read_until(first, submitted.stream, 40)
        late, _ = await read_to_end(second, submitted.stream)
    assert late == "abcd" * 60


async def test_stop_keeps_the_partial_and_resume_goes_on(home: Home) -> None:
    home.start_scripted_host()
    async with Kensho() as kensho:
        submitted = await submit(kensho, script(text="abcd", repeat=400, rate=100))
        await read_until(kensho, submitted.stream, 20)
        await kensho.abort(submitted.stream)
        text, result = await read_to_end(kensho, submitted.stream)
        assert (result.state, result.stop_reason) == ("stopped", "abort")
        assert 20 <= len(text) < 1600
        again = await kensho.resume(submitted.message)
        whole, result = await read_to_end(kensho, again.stream)
        chat = await kensho.chat(submitted.chat)
    assert whole.startswith(text) and len(whole) == len(text) + 1600
    assert chat.messages[-1].content == whole
    assert (result.state, len(chat.messages)) == ("complete", 2)


async def test_a_prompt_that_is_being_answered_is_not_asked_anew_beside_that(home: Home) -> None:
    home.start_scripted_host()
    async with Kensho() as kensho:
        submitted = await submit(kensho, script(text="abcd", repeat=400, rate=100), show=True)
        assert submitted.shown is not None
        prompt = submitted.shown.messages[0]
        with pytest.raises(UsageError, match="is being answered"):
            await submit(kensho, prompt.content, submitted.chat, anew=prompt.id)
        await kensho.abort(submitted.stream)
        await read_to_end(kensho, submitted.stream)
        anew = await submit(kensho, prompt.content, submitted.chat, anew=prompt.id)
        await kensho.abort(anew.stream)
        await read_to_end(kensho, anew.stream)
        chat = await kensho.chat(submitted.chat)
    assert [m.id for m in chat.messages] == [prompt.id, anew.message]


async def test_a_complete_answer_cannot_be_resumed(home: Home) -> None:
    home.start_scripted_host()
    async with Kensho() as kensho:
        submitted = await submit(kensho, "hello")
        await read_to_end(kensho, submitted.stream)
        with pytest.raises(UsageError, match="complete"):
            await kensho.resume(submitted.message)


async def test_stop_in_prefill_says_stopped_and_the_next_prompt_works(home: Home) -> None:
    home.start_scripted_host()
    async with Kensho() as kensho:
        submitted = await submit(kensho, script(text="x", prefill_s=60))
        await wait_for_phase(kensho, submitted.stream, "prefill")
        await kensho.abort(submitted.stream)
        text, result = await read_to_end(kensho, submitted.stream)
        assert (text, result.state) == ("", "stopped")
        times = result.timings
        assert times is not None and times.prefill_s > 0
        assert (times.ttft_s, times.load_s > 0, times.prompt_tok_s, times.decode_tok_s) == (0, True, 0, 0)
        following = await submit(kensho, "next", submitted.chat)
        assert (await read_to_end(kensho, following.stream))[0] == "You said: next"


async def test_stop_while_the_model_loads_cancels_the_load(home: Home) -> None:
    home.add_model("slow")
    home.start_scripted_host()
    async with Kensho() as kensho:
        submitted = await submit(kensho, "hello", model="slow")
        await wait_for_phase(kensho, submitted.stream, "reading")
        await kensho.abort(submitted.stream)
        _, result = await read_to_end(kensho, submitted.stream)
        assert (result.state, result.stop_reason) == ("stopped", "abort")
        times = result.timings
        assert times is not None and times.load_s > times.prefill_s == times.ttft_s == 0
        assert times.queue_s + times.load_s == pytest.approx(times.total_s)
        wait_until(lambda: not home.named("scripted_worker"), what="for the worker to end")
        following = await submit(kensho, "again", submitted.chat)
        assert (await read_to_end(kensho, following.stream))[0] == "You said: again"


async def test_a_second_prompt_is_queued_and_answered_after_the_first(home: Home) -> None:
    home.start_scripted_host()
    async with Kensho() as kensho, Kensho() as other:
        first = await submit(kensho, script(text="abcd", repeat=60, rate=100))
        second = await submit(other, "second", first.chat)
        assert second.queued
        chat = await kensho.chat(first.chat)
        assert [m.state for m in chat.messages] == ["complete", "streaming", "complete", "queued"]
        assert chat.messages[3].stream == second.stream
        text, _ = await read_to_end(kensho, second.stream)
        chat = await kensho.chat(first.chat)
    assert text == "You said: second"
    assert [m.state for m in chat.messages] == ["complete"] * 4
    assert [m.parent_id for m in chat.messages[1:]] == [m.id for m in chat.messages[:3]]


async def test_a_queued_prompt_is_asked_after_all_that_was_answered_before_it(home: Home) -> None:
    home.start_scripted_host()
    async with Kensho() as kensho:
        short = script(text="abcd", repeat=10, rate=50)  # ended before its first checkpoint
        first = await submit(kensho, short)
        second = await submit(kensho, script(turns=True), first.chat)
        assert second.queued
        told, _ = await read_to_end(kensho, second.stream)
    assert json.loads(told) == [short, "abcd" * 10, script(turns=True)]


async def test_a_queued_prompt_can_be_stopped_before_it_runs(home: Home) -> None:
    home.start_scripted_host()
    async with Kensho() as kensho:
        first = await submit(kensho, script(text="abcd", repeat=100, rate=100))
        second = await submit(kensho, "second", first.chat)
        await kensho.abort(second.stream)
        _, result = await read_to_end(kensho, second.stream)
        assert result.state == "stopped"
        times = result.timings
        assert times is not None and times.queue_s == pytest.approx(times.total_s)
        assert times.load_s == times.prefill_s == times.ttft_s == 0
        text, result = await read_to_end(kensho, first.stream)
    assert (len(text), result.state) == (400, "complete")


async def test_a_killed_worker_costs_nothing_but_its_answers_rest(home: Home) -> None:
    home.start_scripted_host()
    async with Kensho() as kensho:
        submitted = await submit(kensho, script(text="abcd", repeat=100, rate=200, die_after=20))
        text, result = await read_to_end(kensho, submitted.stream)
        assert text == "abcd" * 20
        assert result.state == "failed" and "signal 9" in (result.error or "")
        times = result.timings
        assert times is not None and 0 < times.prefill_s < times.total_s - times.load_s
        assert times.ttft_s == pytest.approx(times.queue_s + times.load_s + times.prefill_s)
        following = await submit(kensho, "next", submitted.chat)
        assert (await read_to_end(kensho, following.stream))[0] == "You said: next"
        chat = await kensho.chat(submitted.chat)
    assert chat.messages[1].content == text and chat.messages[1].state == "failed"


async def test_a_malformed_frame_ends_that_worker_with_a_clear_error(home: Home) -> None:
    home.start_scripted_host()
    async with Kensho() as kensho:
        submitted = await submit(kensho, script(text="abcd", repeat=10, garbage_after=5))
        text, result = await read_to_end(kensho, submitted.stream)
        assert text == "abcd" * 5
        assert result.state == "failed" and "could not be understood" in (result.error or "")


async def test_an_engine_error_is_said_and_the_worker_stays(home: Home) -> None:
    home.start_scripted_host()
    async with Kensho() as kensho:
        submitted = await submit(kensho, script(error="the template is broken"))
        _, result = await read_to_end(kensho, submitted.stream)
        assert result.state == "failed" and "the template is broken" in (result.error or "")
        before = (await kensho.status()).workers[0].pid
        await read_to_end(kensho, (await submit(kensho, "next")).stream)
        assert (await kensho.status()).workers[0].pid == before


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty", b"", "is empty"),
        ("letters", b"not a model at all", "is not a GGUF file"),
        ("broken", b"GGUF", "could not be loaded: scripted"),
        ("fatal", b"GGUF", "GGML_ASSERT"),
    ],
)
async def test_a_model_that_cannot_be_loaded(home: Home, name: str, content: bytes, said: str) -> None:
    home.add_model(name, content)
    home.start_scripted_host()
    async with Kensho() as kensho:
        submitted = await submit(kensho, "hello", model=name)
        _, result = await read_to_end(kensho, submitted.stream)
        assert result.state == "failed" and said in (result.error or "")
        following = await submit(kensho, "again", submitted.chat, model="scripted")
        assert (await read_to_end(kensho, following.stream))[0] == "You said: again"


async def test_what_makes_no_sense_is_refused(home: Home) -> None:
    home.start_scripted_host()
    async with Kensho() as kensho:
        with pytest.raises(UsageError, match="empty"):
            await submit(kensho, " \n")
        with pytest.raises(NotFoundError, match="no model 'nothing'"):
            await submit(kensho, "hello", model="nothing")
        with pytest.raises(NotFoundError):
            await submit(kensho, "hello", chat="ffffffffffff")
        assert await kensho.chats() == ()


async def test_an_attached_answer_ends_with_its_connection(home: Home) -> None:
    home.start_scripted_host()
    async with Kensho() as watcher:
        async with Kensho() as kensho:
            submitted = await submit(kensho, script(text="abcd", repeat=4000, rate=100), attached=True)
            await read_until(kensho, submitted.stream, 8)
        text, result = await read_to_end(watcher, submitted.stream)
    assert result.state == "stopped" and 0 < len(text) < 16000


async def test_an_answer_that_is_not_attached_goes_on_without_anybody(home: Home) -> None:
    home.start_scripted_host()
    async with Kensho() as kensho:
        submitted = await submit(kensho, script(text="abcd", repeat=50, rate=100))
    async with Kensho() as kensho:
        text, result = await read_to_end(kensho, submitted.stream)
    assert (len(text), result.state) == (200, "complete")


async def test_killing_the_host_loses_at_most_a_second(home: Home) -> None:
    first = home.start_scripted_host()
    kensho = await Kensho().open()
    submitted = await submit(kensho, script(text="abcd", repeat=4000, rate=100))
    seen = await read_until(kensho, submitted.stream, 900)
    os.kill(first, signal.SIGKILL)
    with pytest.raises(HostGoneError):
        await read_to_end(kensho, submitted.stream)
    wait_until(lambda: not home.named("scripted_worker"), what="for the orphaned worker to end")
    home.start_scripted_host()
    await kensho.open()
    answer = (await kensho.chat(submitted.chat)).messages[-1]
    assert answer.state == "interrupted"
    assert seen.startswith(answer.content) or answer.content.startswith(seen)
    # 400 characters a second were on their way.
    assert len(seen) - len(answer.content) <= 400
    again = await kensho.resume(submitted.message)
    await kensho.abort(again.stream)
    whole, _ = await read_to_end(kensho, again.stream)
    assert whole.startswith(answer.content)
    await kensho.close()


async def test_an_orderly_end_of_the_host_saves_everything(home: Home) -> None:
    pid = home.start_scripted_host()
    async with Kensho() as kensho:
        submitted = await submit(kensho, script(text="abcd", repeat=4000, rate=100))
        queued = await submit(kensho, "and then?", submitted.chat)
        seen = await read_until(kensho, submitted.stream, 100)
        await kensho.stop_host()
        await kensho.closed()
    wait_until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie")
    home.wait_empty()
    home.start_scripted_host()
    async with Kensho() as kensho:
        chat = await kensho.chat(submitted.chat)
    answer = next(m for m in chat.messages if m.id == submitted.message)
    assert answer.state == "interrupted" and answer.content.startswith(seen)
    assert next(m for m in chat.messages if m.id == queued.message).state == "interrupted"


UNSAVED = "1 answer is not saved yet: free disk space (it is kept in memory until then)"


async def test_a_full_disk_is_told_while_an_answer_streams_and_taken_back(home: Home) -> None:
    pid = home.start_scripted_host()
    async with Kensho() as kensho:
        submitted = await submit(kensho, script(text="abcd" * 1000, repeat=4000, piece=400, rate=100))
        await read_until(kensho, submitted.stream, 400)
        size = home.paths.database.with_name("kensho.db-wal").stat().st_size
        host = psutil.Process(pid)
        host.rlimit(psutil.RLIMIT_FSIZE, (size, psutil.RLIM_INFINITY))
        for notices in ((UNSAVED,), ()):
            while (status := await kensho.status()).notices != notices:
                assert status.streams == 1
                await asyncio.sleep(0.02)
            host.rlimit(psutil.RLIMIT_FSIZE, (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY))
        host.rlimit(psutil.RLIMIT_FSIZE, (size, psutil.RLIM_INFINITY))
        while (await kensho.status()).notices != (UNSAVED,):
            await asyncio.sleep(0.02)
        await kensho.abort(submitted.stream)
        _, result = await read_to_end(kensho, submitted.stream)
        assert (result.state, result.unsaved) == ("stopped", True)
        assert (await kensho.chat(submitted.chat)).messages[-1].unsaved
        assert (await kensho.status()).notices == (UNSAVED,)
        host.rlimit(psutil.RLIMIT_FSIZE, (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY))
        while (await kensho.status()).notices:
            await asyncio.sleep(0.05)
        assert not (await kensho.chat(submitted.chat)).messages[-1].unsaved


async def test_a_full_disk_loses_nothing_that_was_said(home: Home) -> None:
    pid = home.start_scripted_host()
    async with Kensho() as kensho:
        submitted = await submit(kensho, script(text="abcd" * 1000, repeat=30, piece=400, rate=100))
        await read_until(kensho, submitted.stream, 400)
        size = home.paths.database.with_name("kensho.db-wal").stat().st_size
        host = psutil.Process(pid)
        host.rlimit(psutil.RLIMIT_FSIZE, (size, psutil.RLIM_INFINITY))
        text, result = await read_to_end(kensho, submitted.stream)
        assert len(text) == 120_000
        assert "not" in (result.error or "") and "kept in memory" in (result.error or "")
        assert (await kensho.chat(submitted.chat)).messages[-1].content == text
        with pytest.raises(DiskFullError):
            await submit(kensho, "one more " * 2000)
        assert (await kensho.status()).notices == (UNSAVED,)
        host.rlimit(psutil.RLIMIT_FSIZE, (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY))
        while (await kensho.status()).notices:
            await asyncio.sleep(0.05)
        saved = (await kensho.chat(submitted.chat)).messages[-1]
    assert (saved.state, saved.content, saved.error) == ("complete", text, None)


async def test_hostile_text_survives_the_round_trip(home: Home) -> None:
    home.start_scripted_host()
    hostile = "\x1b]52;c;aGk=\x07 \ud800 مرحبا 👩‍👩‍👧 \u202e \x00 end"
    async with Kensho() as kensho:
        submitted = await submit(kensho, script(text=hostile.encode("utf-8", "replace").decode(), piece=1))
        text, _ = await read_to_end(kensho, submitted.stream)
        chat = await kensho.chat(submitted.chat)
        assert chat.messages[-1].content == text
        long = await submit(kensho, script(text="x", repeat=1_000_000, piece=100_000))
        text, result = await read_to_end(kensho, long.stream)
    assert (len(text), result.state) == (1_000_000, "complete")


async def test_facts_tell_of_changes(home: Home) -> None:
    home.start_scripted_host()
    async with Kensho() as kensho, Kensho() as watcher:
        seen = await watcher.watch({"host": 0}, 0)
        status = msgspec.msgpack.decode(seen["host"].body, type=HostStatus)
        assert status.running and status.workers == ()
        submitted = await submit(kensho, script(text="abcd", repeat=40, rate=100))
        topic = chat_topic(submitted.chat)
        news = await watcher.watch({topic: 0}, 10)
        await read_to_end(kensho, submitted.stream)
        later = await watcher.watch({topic: news[topic].version}, 10)
    assert later[topic].version > news[topic].version


async def test_prepare_loads_the_chats_model(home: Home) -> None:
    home.start_scripted_host()
    async with Kensho() as kensho:
        await kensho.prepare(Prepare())
        while not [w for w in (await kensho.status()).workers if w.state == "ready"]:
            await asyncio.sleep(0.02)
        submitted = await submit(kensho, "hello")
        _, result = await read_to_end(kensho, submitted.stream)
    assert result.timings is not None and result.timings.load_s == 0
