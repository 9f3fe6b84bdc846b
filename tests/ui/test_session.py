"""The controller of the open chat, without Textual."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest

from kensho_tui.core import contract as c
from kensho_tui.core import hub_contract as h
from kensho_tui.core.errors import HostBusyError, HostGoneError, KenshoError, StorageError
from kensho_tui.ui import facts
from kensho_tui.ui.live import resumable
from kensho_tui.ui.outgoing import Outgoing, anew
from kensho_tui.ui.session import Session
from tests.ui.fake_host import FakeHost
from tests.ui.fake_hub import FakeHub, download
from tests.ui.test_chat import only_stream


class Seen:
    """A view that remembers, and wakes whoever waits for something to be seen."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.chat: c.Chat | None = None
        self.pieces: list[tuple[str, c.Piece]] = []
        self.errors: list[KenshoError] = []
        self._news = asyncio.Condition()

    async def _wake(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def show_chat(self, chat: c.Chat | None) -> None:
        self.chat = chat
        await self._wake()

    async def show_piece(self, message_id: str, piece: c.Piece) -> None:
        self.pieces.append((message_id, piece))
        await self._wake()

    def show_state(self) -> None:
        self.told.append("state")
        asyncio.get_running_loop().create_task(self._wake())

    def show_downloads(self) -> None:
        self.told.append("downloads")
        asyncio.get_running_loop().create_task(self._wake())

    def show_error(self, error: KenshoError) -> None:
        self.errors.append(error)
        asyncio.get_running_loop().create_task(self._wake())

    @property
    def text(self) -> str:
        return "".join(piece.text for _, piece in self.pieces)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10), self._news:
            await self._news.wait_for(condition)


@asynccontextmanager
async def session_on(host: FakeHost) -> AsyncIterator[tuple[Session, Seen]]:
    view = Seen()
    session = Session(host, view)
    running = asyncio.create_task(session.run())
    try:
        yield session, view
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_late_view_gets_the_text_so_far_once(host: FakeHost) -> None:
    await host.open()
    sent = await host.submit(c.Submit(prompt="x"))
    stream = host.hub.get(sent.stream)
    stream.append("first ", 1, 5)
    host.change(sent.message, content="first ")
    async with session_on(host) as (session, view):
        await view.until(lambda: bool(session.live))
        stream.append("second", 2, 5)
        await view.until(lambda: view.text == "second")  # what the chat had is not read again
        host.end(stream)
        await view.until(lambda: not session.live)
        assert view.chat is not None
        assert view.chat.messages[-1].content == "first second"


async def test_the_open_chat_is_watched_and_another_one_after_a_switch(host: FakeHost) -> None:
    old = host.add_chat("old", host.message("user", "old"))
    new = host.add_chat("new", host.message("user", "new"))
    async with session_on(host) as (session, view):
        await view.until(lambda: view.chat is not None and view.chat.id == new.id)
        session.enter(old.id)
        await session.show_entered()
        host.put(old.id, *old.messages, host.message("assistant", "more"))
        await view.until(lambda: view.chat is not None and len(view.chat.messages) == 2)
        topics = [topics for topics in host.called("watch") if isinstance(topics, tuple)]
        assert c.chat_topic(old.id) in topics[-1]
        assert c.chat_topic(new.id) not in topics[-1]


async def test_a_refusing_host_is_said_once_and_tried_again(host: FakeHost) -> None:
    refusals = 3

    async def refuse() -> FakeHost:
        nonlocal refusals
        refusals -= 1
        if refusals >= 0:
            raise HostBusyError("a host of version 0.1 is at work")
        host.connected = True
        return host

    host.open = refuse  # type: ignore[method-assign]
    async with session_on(host) as (session, view):
        await session.connected()
        assert len(view.errors) == 1
        assert session.link == "connected"


async def test_stop_ends_what_runs_before_what_waits(host: FakeHost) -> None:
    async with session_on(host) as (session, view):
        await session.submit(Outgoing("one", session.place))
        running = only_stream(host)
        host.hub.get(running).append("text", 1, 5)
        await session.submit(Outgoing("two", session.place))
        await view.until(lambda: len(session.live) == 2 and view.text == "text")
        assert await session.stop()
        await view.until(lambda: len(session.live) == 1)
        assert host.called("abort") == [running]
        assert await session.stop()
        await view.until(lambda: not session.live)
        assert not await session.stop()


@pytest.mark.parametrize("in_a_chat", [True, False])
async def test_a_prompt_that_arrived_before_the_line_was_cut_is_not_asked_twice(
    in_a_chat: bool, host: FakeHost
) -> None:
    if in_a_chat:
        host.add_chat("old", host.message("user", "same"), host.message("assistant", "y"))
    async with session_on(host) as (session, _):
        await session.connected()
        host.cut_replies = True
        await session.submit(Outgoing("same", session.place))
        assert len(host.called("submit")) == 1
        assert session.chat is not None
        assert [m.content for m in session.chat.messages if m.role == "user"][-1] == "same"


async def test_a_prompt_asked_anew_before_the_line_was_cut_is_not_asked_twice(host: FakeHost) -> None:
    chat = host.add_chat("old", host.message("user", "same"), host.message("assistant", "y"))
    async with session_on(host) as (session, _):
        await session.connected()
        host.cut_replies = True
        await session.submit(anew(session.place, chat))
        assert len(host.called("submit")) == 1
        assert session.chat is not None and [m.content for m in session.chat.messages] == ["same", ""]


async def test_a_prompt_that_did_not_arrive_is_an_error(host: FakeHost) -> None:
    host.add_chat("old", host.message("user", "same"), host.message("assistant", "y"))
    async with session_on(host) as (session, _):
        await session.connected()
        host.fail["submit"] = HostGoneError("the connection to the host was lost")
        host.vanish()
        with pytest.raises(HostGoneError):
            await session.submit(Outgoing("same", session.place))


@pytest.mark.parametrize("error", [HostGoneError("the host is gone"), StorageError("not now")], ids=str)
async def test_a_prompt_that_was_taken_is_sent_whatever_can_be_shown_of_it(
    host: FakeHost, error: KenshoError, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = host.submit

    async def taken(request: c.Submit) -> c.Submitted:
        sent = await submit(request)
        host.fail["chat"] = error
        return msgspec.structs.replace(sent, shown=None)

    monkeypatch.setattr(host, "submit", taken)
    async with session_on(host) as (session, view):
        await session.connected()
        await session.submit(Outgoing("hello", session.place))
        await view.until(lambda: view.chat is not None)
        assert view.chat is not None and view.chat.messages[0].content == "hello"
        assert len(host.called("submit")) == 1


async def test_a_chat_that_is_gone_becomes_an_empty_one(host: FakeHost) -> None:
    chat = host.add_chat("doomed", host.message("user", "x"))
    async with session_on(host) as (session, view):
        await view.until(lambda: view.chat is not None)
        del host.chats_now[chat.id]
        await session.refresh()
        assert session.chat_id is None
        assert view.chat is None


@pytest.mark.parametrize(
    ("changes", "can"),
    [
        ({"state": "stopped"}, True),
        ({"state": "failed"}, True),
        ({"state": "interrupted"}, True),
        ({"stop_reason": "length"}, True),
        ({"stop_reason": "context"}, True),
        ({"stop_reason": "end"}, False),
        ({"state": "streaming"}, False),
        ({"state": "queued"}, False),
    ],
)
def test_what_can_be_continued(changes: dict[str, object], can: bool, host: FakeHost) -> None:
    asked, answer = host.message("user", "x"), host.message("assistant", "y", **changes)
    assert (resumable((asked, answer)) is answer) == can
    assert resumable((answer, asked)) is None
    assert resumable(()) is None


async def test_downloads_are_there_from_the_start_and_go_on_without_asking_anything_else(
    host: FakeHost,
) -> None:
    hub = FakeHub(host)
    hub.put(download("d1"))
    async with session_on(host) as (session, view):
        await view.until(lambda: session.models is not None)
        assert [one.id for one in session.downloads] == ["d1"]
        watched: list[int] = []
        session.download_watchers.append(lambda: watched.append(session.downloads[0].done))
        await view.until(lambda: view.told[-1] == "state")
        view.told.clear()
        host.calls.clear()
        for share in range(50, 60):
            hub.alter("d1", done=hub.named("d1").total * share // 100)
            await view.until(lambda: len(watched) == len(view.told) and session.downloads == hub.downloads)
        assert len(watched) == 10
        assert set(view.told) == {"downloads"}
        assert {name for name, _ in host.calls} == {"watch"}


async def test_downloads_are_those_of_the_host_that_came_back(host: FakeHost) -> None:
    hub = FakeHub(host)
    hub.put(download("d1"), download("d2"))
    async with session_on(host) as (session, view):
        await session.connected()
        host.vanish()
        hub.put(download("d2", "paused"))
        await view.until(lambda: session.downloads == hub.downloads)


def test_the_topic_is_that_of_the_contract() -> None:
    assert facts.TOPIC_DOWNLOADS == h.TOPIC_DOWNLOADS
