"""Scrolling: arriving text moves nothing that is read, End follows again, old messages on demand."""

from kensho_tui.ui.message_view import MessageView
from kensho_tui.ui.transcript import SHOWN
from tests.ui.conftest import Started, app_of, screen_text, shown, until
from tests.ui.fake_host import FakeHost
from tests.ui.test_chat import only_stream


async def test_reading_up_stays_where_it_is_and_end_follows_again(host: FakeHost, start: Started) -> None:
    long = "\n\n".join(f"paragraph {number}" for number in range(40))
    host.add_chat("Long", host.message("user", "x"), host.message("assistant", long))
    async with start() as pilot:
        app = app_of(pilot)
        await shown(pilot, "paragraph 39")
        await pilot.press(*"more", "enter")
        await until(pilot, lambda: bool(app.session.live))
        stream = host.hub.get(only_stream(host))
        stream.append("new text\n\n", 2, 10)
        await shown(pilot, "new text")
        await pilot.press("pageup")
        await shown(pilot, "End newest text")
        top = screen_text(pilot).splitlines()[2]
        stream.append("\n\n".join(f"line {number}" for number in range(60)), 200, 10)
        host.end(stream)
        await until(pilot, lambda: not app.session.live)
        assert screen_text(pilot).splitlines()[2] == top
        assert "line 59" not in screen_text(pilot)
        await pilot.press("end")
        await shown(pilot, "line 59")
        assert app.chat_screen.transcript.following


async def test_old_messages_are_mounted_when_somebody_scrolls_to_the_top(
    host: FakeHost, start: Started
) -> None:
    roles = ("user", "assistant")
    messages = [host.message(roles[n % 2], f"message {n}") for n in range(50)]  # type: ignore[arg-type]
    host.add_chat("Old", *messages)
    async with start() as pilot:
        transcript = app_of(pilot).chat_screen.transcript
        await shown(pilot, "message 49")
        assert len(transcript.query(MessageView)) == SHOWN
        transcript.focus()
        await pilot.press("home")
        await until(pilot, lambda: len(transcript.query(MessageView)) == 2 * SHOWN)
        await shown(pilot, "message 30")  # still at the top of the window, not thrown to another place
        await pilot.press("home")
        await until(pilot, lambda: len(transcript.query(MessageView)) == 50)
        await pilot.press("home")
        await shown(pilot, "message 0")
        assert "earlier message" not in screen_text(pilot)
