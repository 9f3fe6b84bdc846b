"""Esc and Ctrl+C, wherever the prompt is that they mean: not sent yet, on its way, or just answered."""

import asyncio
from collections.abc import Callable

import pytest
from textual.pilot import Pilot

from kensho_tui.core import contract as c
from kensho_tui.core.errors import StorageError
from kensho_tui.ui.app import KenshoApp
from kensho_tui.ui.outgoing import Outgoing
from tests.ui.conftest import Started, app_of, at_once, screen_text, shown, until
from tests.ui.fake_host import FakeHost
from tests.ui.test_session import session_on


class SlowHost(FakeHost):
    """One that takes a prompt, or goes on with an answer, only when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.lets = asyncio.Event()

    async def submit(self, request: c.Submit) -> c.Submitted:
        await self.lets.wait()
        return await super().submit(request)

    async def resume(self, message: str) -> c.Submitted:
        await self.lets.wait()
        return await super().resume(message)


@pytest.fixture
def host() -> SlowHost:
    return SlowHost()


def prompt_of(pilot: Pilot[None]) -> str:
    return app_of(pilot).chat_screen.prompt.text


@pytest.mark.parametrize("key", ["escape", "ctrl+c"])
async def test_stopping_at_once_after_enter_stops_the_answer(
    host: SlowHost, start: Started, key: str
) -> None:
    async with start() as pilot:
        at_once(pilot, *"something", " ", *"long", "enter", key)
        await shown(pilot, "a prompt waits to be taken")
        host.lets.set()
        await until(pilot, lambda: host.called("abort") == ["s3"])
        await shown(pilot, "something long", "■ stopped")
        assert prompt_of(pilot) == ""


async def test_esc_stops_the_prompt_on_its_way_and_none_behind_it(host: SlowHost, start: Started) -> None:
    async with start() as pilot:
        for text in ("first", "second"):
            app_of(pilot).chat_screen.prompt.put(text)
            await pilot.press("enter")
        await pilot.press("escape")
        host.lets.set()
        await until(pilot, lambda: len(host.called("submit")) == 2)
        await shown(pilot, "first", "■ stopped", "second")
        assert len(host.called("abort")) == 1


async def test_esc_takes_back_what_no_host_was_asked(
    host: SlowHost, make_app: Callable[[], KenshoApp]
) -> None:
    host.reachable = False
    async with make_app().run_test(size=(80, 24)) as pilot:
        await pilot.press(*"early", "enter", *"bird")
        await shown(pilot, "a prompt waits for the host")
        await pilot.press("escape")
        assert prompt_of(pilot) == "early\nbird"
        assert "waits for the host" not in screen_text(pilot)
        host.reachable = True
        host.lets.set()
        await until(pilot, lambda: app_of(pilot).session.link == "connected")
        assert not host.called("submit")
        await pilot.press("enter")
        await until(pilot, lambda: len(host.called("submit")) == 1)


@pytest.mark.parametrize("keys", [("ctrl+q",), ("ctrl+c", "ctrl+c")])
async def test_what_is_typed_until_one_leaves_is_kept(start: Started, keys: tuple[str, ...]) -> None:
    async with start() as pilot:
        at_once(pilot, *"hello", *keys)
        await until(pilot, lambda: app_of(pilot)._exit)
        assert app_of(pilot).unsent == "hello"


async def test_one_can_leave_while_a_key_waits_for_the_host(
    host: SlowHost, start: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def prompts() -> tuple[str, ...]:
        await host.lets.wait()
        return ()

    monkeypatch.setattr("kensho_tui.ui.keys.CATCH_UP_S", 0.01)
    host.prompts = prompts  # type: ignore[method-assign]
    async with start() as pilot:
        at_once(pilot, "up", "ctrl+q")
        await until(pilot, lambda: app_of(pilot)._exit)
        host.lets.set()


async def test_a_prompt_that_is_not_taken_comes_back_and_esc_stops_nothing(
    host: SlowHost, start: Started
) -> None:
    host.fail["submit"] = StorageError("the disk is full")
    async with start() as pilot:
        await pilot.press(*"long", "enter", "escape")
        host.lets.set()
        await shown(pilot, "the disk is full")
        assert prompt_of(pilot) == "long" and not host.called("abort")


async def test_esc_in_another_chat_leaves_the_prompt_of_the_one_before(
    host: SlowHost, start: Started
) -> None:
    async with start() as pilot:
        await pilot.press(*"long", "enter", "ctrl+n", "escape")
        host.lets.set()
        await until(pilot, lambda: bool(host.called("submit")))
        await pilot.pause()
        assert not host.called("abort")


async def test_esc_at_once_after_continuing_stops_the_answer(host: SlowHost, start: Started) -> None:
    cut = host.message("assistant", "One, two", state="stopped", stop_reason="abort")
    host.add_chat("Counting", host.message("user", "count"), cut)
    async with start() as pilot:
        await shown(pilot, "One, two", "stopped")
        await pilot.press("ctrl+g", "escape")
        host.lets.set()
        await until(pilot, lambda: len(host.called("abort")) == 1)


async def test_the_first_of_two_streams_is_stopped_before_anything_of_it_was_read(host: SlowHost) -> None:
    host.lets.set()
    async with session_on(host) as (session, view):
        await session.submit(Outgoing("one", session.place))
        running = session.running()
        host.read = lambda *_: asyncio.Event().wait()  # type: ignore[assignment]
        await session.submit(Outgoing("two", session.place))
        await view.until(lambda: len(session.live) == 2)
        assert session.running() is running
