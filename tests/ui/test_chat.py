"""The chat screen on a host in memory: what is asked of the host, and what is on the screen."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from kensho_tui.core import contract as c
from kensho_tui.core.errors import StorageError
from kensho_tui.ui.app import KenshoApp
from tests.ui.conftest import Started, app_of, at_once, screen_text, shown, until
from tests.ui.fake_host import MODEL, FakeHost


def only_stream(host: FakeHost) -> str:
    return next(m.stream for chat in host.chats_now.values() for m in chat.messages if m.stream)


async def test_a_prompt_is_sent_and_its_answer_streams(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        await pilot.press(*"hello", "enter")
        await until(pilot, lambda: bool(host.called("submit")))
        assert host.called("submit") == [c.Submit(prompt="hello", model=MODEL, show=True)]
        stream = host.hub.get(only_stream(host))
        stream.set_phase(c.Phase(name="loading", done=62, total=100))
        await shown(pilot, "you", "hello", "loading the model", "62 %", "Esc stops")
        assert app_of(pilot).chat_screen.prompt.text == ""
        stream.append("Good **mor", 2, 10)
        await shown(pilot, "Good")
        stream.append("ning**, you.", 5, 10)
        await shown(pilot, "Good morning, you.")
        host.end(stream)
        await shown(pilot, "148 tok/s", "TTFT 34 ms", "15 of 8,192 tokens")
        assert "Esc stops" not in screen_text(pilot)
        assert not app_of(pilot).session.live


async def test_esc_stops_keeps_the_partial_and_says_so(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        await pilot.press(*"hi", "enter")
        await until(pilot, lambda: bool(app_of(pilot).session.live))
        stream = host.hub.get(only_stream(host))
        stream.append("Half an ans", 3, 10)
        await shown(pilot, "Half an ans")
        await pilot.press("escape")
        await shown(pilot, "Half an ans", "stopped", "^G continues")
        assert host.called("abort") == [stream.id]


@pytest.mark.parametrize(("state", "reason"), [("stopped", "abort"), ("complete", "end")])
async def test_of_an_answer_that_is_not_saved_it_is_not_said_that_it_is_kept(
    host: FakeHost, start: Started, state: c.State, reason: c.StopReason
) -> None:
    answer = host.message("assistant", "One, two", state=state, stop_reason=reason)
    host.add_chat("Counting", host.message("user", "count"), replace(answer, unsaved=True))
    async with start() as pilot:
        await shown(pilot, "One, two", "is in memory only")
        assert "is kept" not in screen_text(pilot)


async def test_continue_goes_on_where_the_text_ends(host: FakeHost, start: Started) -> None:
    cut = host.message("assistant", "One, two", state="stopped", stop_reason="abort")
    host.add_chat("Counting", host.message("user", "count"), cut)
    async with start() as pilot:
        await shown(pilot, "One, two", "stopped")
        await pilot.press("ctrl+g")
        await until(pilot, lambda: bool(app_of(pilot).session.live))
        assert host.called("resume") == [cut.id]
        stream = host.hub.get(only_stream(host))
        stream.append(", three", 3, 10)
        await shown(pilot, "One, two, three")
        assert "stopped" not in screen_text(pilot)
        host.end(stream)
        await until(pilot, lambda: not app_of(pilot).session.live)
        assert screen_text(pilot).count("One, two, three") == 1


async def test_a_prompt_sent_while_an_answer_streams_is_queued(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        await pilot.press(*"first", "enter")
        await until(pilot, lambda: bool(app_of(pilot).session.live))
        first = host.hub.get(only_stream(host))
        first.append("an answer", 2, 10)
        await pilot.press(*"second", "enter")
        await until(pilot, lambda: len(host.called("submit")) == 2)
        await shown(pilot, "first", "an answer", "second", "queued")


async def test_a_prompt_that_could_not_be_sent_stays(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        host.fail["submit"] = StorageError("the disk is full", hint="Free some space")
        await pilot.press(*"precious", "enter")
        await shown(pilot, "the disk is full", "Free some space", "precious")
        assert app_of(pilot).chat_screen.prompt.text == "precious"
        await pilot.press("enter")
        await until(pilot, lambda: app_of(pilot).chat_screen.prompt.text == "")
        assert len(host.called("submit")) == 2


async def test_what_is_typed_early_is_sent_when_the_host_is_there(
    host: FakeHost, make_app: Callable[[], KenshoApp]
) -> None:
    host.reachable = False
    async with make_app().run_test(size=(80, 24)) as pilot:
        await pilot.press(*"early bird", "enter")
        await shown(pilot, "early bird", "a prompt waits for the host")
        host.reachable = True
        await until(pilot, lambda: bool(host.called("submit")))
        assert host.called("submit") == [c.Submit(prompt="early bird", model=MODEL, show=True)]
        await until(pilot, lambda: app_of(pilot).chat_screen.prompt.text == "")


async def test_prompts_that_wait_for_the_host_are_asked_in_the_chat_where_they_were_typed(
    host: FakeHost, start: Started
) -> None:
    old = host.add_chat("old", host.message("user", "q"), host.message("assistant", "a"))
    async with start() as pilot:
        await shown(pilot, "q", "a")
        host.reachable = False
        host.vanish()
        await shown(pilot, "reconnecting")
        await pilot.press(*"here", "enter", "ctrl+n", *"one", "enter", *"two", "enter")
        await shown(pilot, "3 prompts wait for the host")
        host.reachable = True
        await until(pilot, lambda: len(host.called("submit")) == 3)
        await until(pilot, lambda: app_of(pilot).session.chat_id is not None)
        there, new, same = host.called("submit")
        assert (there.prompt, there.chat) == ("here", old.id)
        assert (new.prompt, new.chat) == ("one", None)
        assert (same.prompt, same.chat) == ("two", app_of(pilot).session.chat_id)


async def test_a_prompt_typed_in_one_go_with_a_new_chat_goes_there(host: FakeHost, start: Started) -> None:
    host.add_chat("old", host.message("user", "q"), host.message("assistant", "a"))
    async with start() as pilot:
        await shown(pilot, "q", "a")
        at_once(pilot, "ctrl+n", *"new", "enter")
        await until(pilot, lambda: bool(host.called("submit")))
        assert [(r.prompt, r.chat) for r in host.called("submit")] == [("new", None)]


async def test_a_lost_host_is_found_again_and_the_answer_can_go_on(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        await pilot.press(*"hi", "enter")
        await until(pilot, lambda: bool(app_of(pilot).session.live))
        stream = host.hub.get(only_stream(host))
        stream.append("Half", 1, 10)
        await shown(pilot, "Half")
        host.reachable = False
        host.vanish()
        await shown(pilot, "reconnecting", "Half")
        await pilot.press(*"kept")
        host.reachable = True
        await until(pilot, lambda: app_of(pilot).session.link == "connected")
        await shown(pilot, "Half", "interrupted", "^G continues", "kept")
        await pilot.press("ctrl+g")
        await until(pilot, lambda: bool(app_of(pilot).session.live))
        again = host.hub.get(only_stream(host))
        again.append(" and half", 2, 10)
        await shown(pilot, "Half and half")


async def test_a_prompt_from_another_terminal_appears_with_its_stream(host: FakeHost, start: Started) -> None:
    chat = host.add_chat("Shared", host.message("user", "one"), host.message("assistant", "eins"))
    async with start() as pilot:
        await shown(pilot, "eins")
        await host.submit(c.Submit(prompt="from elsewhere", chat=chat.id))
        await shown(pilot, "from elsewhere")
        await until(pilot, lambda: bool(app_of(pilot).session.live))
        stream = host.hub.get(only_stream(host))
        stream.append("seen here too", 3, 10)
        await shown(pilot, "eins", "seen here too")


async def test_the_model_is_prepared_once_when_typing_begins(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        assert not host.called("prepare")
        await pilot.press(*"abc")
        await until(pilot, lambda: host.called("prepare") == [c.Prepare(model=MODEL)])
        await pilot.press(*"def")
        await pilot.pause()
        assert host.called("prepare") == [c.Prepare(model=MODEL)]


async def test_a_prompt_that_cannot_fit_is_not_said_to_go_on(host: FakeHost, start: Started) -> None:
    error = "the prompt has 9,000 tokens, and 6,144 fit. Load the model with a larger context"
    failed = host.message("assistant", "", state="failed", stop_reason="context", error=error)
    host.add_chat("Long", host.message("user", "word"), failed)
    async with start() as pilot:
        await shown(pilot, "with a larger context ^G continues", "Enter send")
        assert "^G continue ·" not in screen_text(pilot)
