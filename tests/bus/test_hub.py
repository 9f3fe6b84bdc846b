import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kensho_tui.bus import hub as hub_module
from kensho_tui.bus.board import FactBoard
from kensho_tui.bus.hub import Stream, StreamHub
from kensho_tui.core.contract import Message, Phase
from kensho_tui.core.errors import NotFoundError

RESULT = Message(
    id="m",
    parent_id=None,
    role="assistant",
    state="complete",
    model="x",
    content="",
    stop_reason="end",
    error=None,
    created="2026-01-01T00:00:00.000Z",
)


@given(st.lists(st.text(max_size=5)), st.integers(-3, 60))
def test_a_piece_is_the_text_from_the_cursor_on(parts: list[str], cursor: int) -> None:
    stream = Stream("s")
    for number, part in enumerate(parts):
        stream.append(part, number, 0)
    whole = "".join(parts)
    piece = stream.piece(cursor)
    assert piece.text == whole[max(cursor, 0) :]
    assert (piece.cursor, stream.text) == (len(whole), whole)


def test_a_resumed_stream_begins_with_what_stands() -> None:
    stream = Stream("s", "before")
    stream.append(" after", 1, 0)
    assert stream.piece(6).text == " after"
    assert stream.piece(0).text == "before after"


async def test_a_held_read_returns_with_the_next_text() -> None:
    stream = Stream("s")
    held = asyncio.create_task(stream.read(0, 30))
    await asyncio.sleep(0)
    stream.append("x", 1, 5)
    piece = await held
    assert (piece.text, piece.state, piece.prompt_tokens) == ("x", "streaming", 5)


async def test_a_held_read_returns_with_the_end_and_with_a_phase() -> None:
    stream = Stream("s")
    held = asyncio.create_task(stream.read(0, 30))
    await asyncio.sleep(0)
    stream.set_phase(Phase(name="prefill", done=1, total=4))
    assert (await held).phase.fraction == 0.25
    held = asyncio.create_task(stream.read(0, 30))
    await asyncio.sleep(0)
    stream.end(RESULT)
    piece = await held
    assert (piece.state, piece.result) == ("ended", RESULT)
    assert (await stream.read(0, 30)).state == "ended"


async def test_a_read_without_news_is_answered_when_its_wait_is_over() -> None:
    stream = Stream("s")
    assert (await stream.read(0, 0.01)).state == "waiting"
    assert (await stream.read(0, 0)).text == ""


async def test_ended_streams_are_forgotten_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = StreamHub()
    old, live = hub.open("old"), hub.open("live")
    old.end(RESULT)
    assert hub.get("old") is old
    now = time.monotonic()
    monkeypatch.setattr(hub_module.time, "monotonic", lambda: now + hub_module.KEEP_ENDED_S + 1)
    hub.open("new")
    assert hub.get("live") is live
    with pytest.raises(NotFoundError):
        hub.get("old")


async def test_the_board_keeps_the_latest_and_tells_only_news() -> None:
    board = FactBoard()
    board.post("a", {"n": 1})
    board.post("a", {"n": 2})
    first = (await board.watch({"a": 0, "b": 0}, 0)).facts
    assert set(first) == {"a"} and bytes(first["a"].body) == b"\x81\xa1n\x02"
    seen = {"a": first["a"].version, "b": 0}
    board.post("a", {"n": 2})
    assert (await board.watch(seen, 0)).facts == {}
    held = asyncio.create_task(board.watch(seen, 30))
    await asyncio.sleep(0)
    board.post("b", {})
    assert set((await held).facts) == {"b"}
    board.touch("a", {"n": 2})
    assert set((await board.watch(seen, 0)).facts) == {"a", "b"}


async def test_the_board_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kensho_tui.bus.board.MAX_TOPICS", 3)
    board = FactBoard()
    for number in range(5):
        board.post(str(number), {})
    assert set((await board.watch({str(n): 0 for n in range(5)}, 0)).facts) == {"2", "3", "4"}
