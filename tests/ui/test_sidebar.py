"""The chat sidebar: its keys, what it shows, and that it stays out of the way."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from rich.cells import cell_len
from textual import events
from textual.pilot import Pilot

from kensho_tui.ui.choice_list import ChoiceList
from kensho_tui.ui.filtered_list import Filter
from tests.ui.conftest import NOW, Started, app_of, at_once, screen_text, shown, until
from tests.ui.fake_host import FakeHost

WIDE, NARROW = (120, 40), (80, 24)
CHATS = (
    ("Rezepte mit Kürbis", "2025-03-03"),
    ("Trip to Kyoto", "2026-11-12"),
    ("Rust lifetimes", "2026-11-19"),
    ("Kyudo for beginners", "2026-11-20"),
    ("Why is the sky blue?", "2026-11-21"),
)


@pytest.fixture(autouse=True)
def chats(host: FakeHost) -> None:
    for title, day in CHATS:
        messages = host.message("user", title), host.message("assistant", f"About: {title}")
        host.add_chat(title, *messages, updated=f"{day}T08:00:00+00:00")


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The rows of lists that are drawn, in order."""
    rows: list[int] = []
    render = ChoiceList.render_line

    def counting(self: ChoiceList, y: int) -> object:
        rows.append(y)
        return render(self, y)

    monkeypatch.setattr(ChoiceList, "render_line", counting)
    yield rows


def in_prompt(pilot: Pilot[None]) -> bool:
    return pilot.app.focused is app_of(pilot).chat_screen.prompt


def in_filter(pilot: Pilot[None]) -> bool:
    return isinstance(pilot.app.focused, Filter)


def rows_of(pilot: Pilot[None]) -> ChoiceList:
    return pilot.app.screen.query_one("#sidebar ChoiceList", ChoiceList)


def is_open(pilot: Pilot[None]) -> bool:
    return any(sidebar.display for sidebar in pilot.app.screen.query("#sidebar"))


def title_of(pilot: Pilot[None], host: FakeHost) -> str:
    """The chat whose row is highlighted."""
    return host.chats_now[rows_of(pilot).highlighted].title


@pytest.mark.parametrize("key", ["ctrl+r", "f2"])
async def test_a_key_opens_it_with_the_chats_by_day_and_closes_it(start: Started, key: str) -> None:
    async with start(size=WIDE) as pilot:
        await shown(pilot, "About: Why")
        await pilot.press(key)
        await shown(
            pilot,
            "Today",
            "Yesterday",
            "Thursday",
            "12 Nov",
            "3 Mar 2025",
            "›• Why is the sky blue?",
            "09:14",
        )
        assert in_filter(pilot)
        lines = screen_text(pilot).splitlines()
        assert lines[2].split() == ["Chats", "5", "▌", "you", "09:14"]
        assert [line[2:34].rsplit(maxsplit=1) for line in lines if line[1:2] in ("·", "•")] == [
            [f" {title}", "08:00"] for title, _ in reversed(CHATS)
        ]
        await pilot.press(key)
        await until(pilot, lambda: "Yesterday" not in screen_text(pilot))
        assert in_prompt(pilot)


async def test_equal_titles_are_told_apart_by_their_time(host: FakeHost, start: Started) -> None:
    title = "What is a REST API? Say it in two sentences"
    for hour in (7, 8):
        host.add_chat(title, host.message("user", title), updated=f"2026-11-20T{hour:02}:30:00+00:00")
    async with start(size=WIDE) as pilot:
        await pilot.press("ctrl+r")
        await shown(pilot, "What is a REST API? Sa…  08:30", "What is a REST API? Sa…  07:30")


async def test_from_the_prompt_the_key_goes_to_the_open_sidebar(start: Started) -> None:
    async with start(size=WIDE) as pilot:
        await pilot.press("ctrl+r", *"kyo", "escape")
        await shown(pilot, "Yesterday", "^R search")
        assert in_prompt(pilot)
        await pilot.press("ctrl+r", "r", "u", "enter", "ctrl+r")
        assert in_filter(pilot)
        # What was searched before is there still, and is replaced by what is typed now.
        await shown(pilot, "›• Rust lifetimes")
        await pilot.press("k")
        await shown(pilot, "Trip to Kyoto")
        assert "· Rust" not in screen_text(pilot)


async def test_enter_opens_a_chat_and_the_sidebar_stays_beside_it(start: Started) -> None:
    async with start(size=WIDE) as pilot:
        await pilot.press("ctrl+r", *"trip", "enter", *"hello")
        await shown(pilot, "About: Trip to Kyoto", "› hello", "▌• Trip to Kyoto", "1 of 5")
        assert in_prompt(pilot) and is_open(pilot)


async def test_in_a_narrow_terminal_it_lies_over_the_transcript_and_goes_with_the_focus(
    start: Started,
) -> None:
    async with start(size=NARROW) as pilot:
        await shown(pilot, "About: Why")
        width = app_of(pilot).chat_screen.transcript.size.width
        await pilot.press("ctrl+r")
        await shown(pilot, "Yesterday", "› Ask anything")
        assert app_of(pilot).chat_screen.transcript.size.width == width
        await pilot.press(*"trip", "enter", "a")
        await shown(pilot, "About: Trip to Kyoto", "› a")
        assert not is_open(pilot)
        for leave in ("escape", "tab"):
            await pilot.press("ctrl+r")
            assert is_open(pilot) and in_filter(pilot)
            await pilot.press(leave)
            assert not is_open(pilot) and not in_filter(pilot)


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_keys_in_one_go_open_search_choose_and_type(start: Started, size: tuple[int, int]) -> None:
    async with start(size=size) as pilot:
        at_once(pilot, "ctrl+r", *"trip", "enter", *"one")
        await pilot.pause()
        await shown(pilot, "About: Trip to Kyoto", "› one")
        at_once(pilot, "f2", *"k", "down", "down", "enter", *"two")
        await pilot.pause()
        await shown(pilot, "About: Rezepte mit Kürbis", "› onetwo")
        at_once(pilot, "ctrl+r", "k", "down", "y", "u", "enter", *"three")
        await pilot.pause()
        await shown(pilot, "About: Kyudo for beginners", "› onetwothree")


async def test_keys_in_one_go_before_it_is_opened_and_after_it_is_left_are_for_the_prompt(
    start: Started,
) -> None:
    async with start(size=WIDE) as pilot:
        at_once(
            pilot, *"ax", "backspace", "b", "ctrl+r", *"trx", "backspace", *"ip", "tab", *"cx", "backspace"
        )
        await pilot.pause()
        await shown(pilot, "› abc", " trip", "1 of 5")
        at_once(pilot, "ctrl+r", "down", *"zz", "escape", "d")
        await pilot.pause()
        await shown(pilot, "› abcd", "Yesterday")


async def test_esc_in_it_goes_back_and_esc_in_the_prompt_stops(host: FakeHost, start: Started) -> None:
    async with start(size=WIDE) as pilot:
        await pilot.press(*"hi", "enter")
        await until(pilot, lambda: bool(app_of(pilot).session.live))
        await pilot.press("ctrl+r", "x", "escape")
        assert in_prompt(pilot) and is_open(pilot)
        await shown(pilot, "Yesterday")
        assert not host.called("abort")
        await pilot.press("escape")
        await until(pilot, lambda: bool(host.called("abort")))


async def test_the_list_is_walked_by_keys_and_headings_are_not_chosen(host: FakeHost, start: Started) -> None:
    async with start(size=WIDE) as pilot:
        await pilot.press("ctrl+r")
        for key, title in (
            ("down", "Kyudo for beginners"),
            ("down", "Rust lifetimes"),
            ("end", "Rezepte mit Kürbis"),
            ("down", "Rezepte mit Kürbis"),
            ("up", "Trip to Kyoto"),
            ("pageup", "Why is the sky blue?"),
            ("pagedown", "Rezepte mit Kürbis"),
            ("home", "Why is the sky blue?"),
        ):
            await pilot.press(key)
            assert title_of(pilot, host) == title, key
        await pilot.press("up")
        assert in_filter(pilot)


async def test_opened_again_it_begins_at_the_open_chat(host: FakeHost, start: Started) -> None:
    async with start(size=WIDE) as pilot:
        await pilot.press("ctrl+r", "down", "down", "escape", "ctrl+r")
        assert title_of(pilot, host) == "Why is the sky blue?"
        await pilot.press("enter", "a")
        await shown(pilot, "About: Why is the sky blue?", "› a")


async def test_a_slash_command_opens_it_with_a_filter(start: Started) -> None:
    async with start(size=WIDE) as pilot:
        await pilot.press(*"/chats kyo", "enter")
        await shown(pilot, "2 of 5", "Trip to Kyoto")
        assert in_filter(pilot)
        await pilot.press("t")
        await shown(pilot, "1 of 5")
        await pilot.press(*"zz")
        await shown(pilot, "nothing found", "0 of 5")
        await pilot.press("enter", "down")
        assert in_filter(pilot)


async def test_the_palette_opens_it(start: Started) -> None:
    async with start(size=WIDE) as pilot:
        await pilot.press("ctrl+p")
        await shown(pilot, "New chat")
        await pilot.press(*"chats")
        await pilot.pause(0.5)
        await pilot.press("enter")
        await shown(pilot, "Yesterday")
        assert in_filter(pilot)


async def test_a_click_opens_a_chat_and_on_a_heading_does_nothing(start: Started) -> None:
    async with start(size=WIDE) as pilot:
        await pilot.press("ctrl+r")
        await shown(pilot, "Yesterday")
        lines = screen_text(pilot).splitlines()
        heading = next(y for y, line in enumerate(lines) if "Thursday" in line)
        await pilot.click(offset=(3, heading))
        assert not in_prompt(pilot)
        await pilot.hover(offset=(3, heading + 1))
        await pilot.click(offset=(3, heading + 1))
        await shown(pilot, "About: Rust lifetimes", "▌• Rust lifetimes")
        assert in_prompt(pilot)


async def test_a_new_chat_is_no_row_until_it_has_a_prompt(host: FakeHost, start: Started) -> None:
    async with start(size=WIDE) as pilot:
        await pilot.press("ctrl+r", "ctrl+n", *"first")
        await shown(pilot, "Private and local", "› first", " · Why is the sky blue?")
        assert "•" not in screen_text(pilot) and is_open(pilot)
        await pilot.press("enter")
        await shown(pilot, "▌◉ first")
        host.end(host.hub.get(host.called("read")[-1]))  # type: ignore[arg-type]
        await shown(pilot, "▌• first")


async def test_news_keep_filter_row_and_focus(host: FakeHost, start: Started) -> None:
    async with start(size=WIDE) as pilot:
        await pilot.press("ctrl+r", *"ky", "down")
        row, title = rows_of(pilot).highlighted, title_of(pilot, host)
        new = host.add_chat("Kyrgyzstan", host.message("user", "Kyrgyzstan"), updated=NOW.isoformat())
        host.put(new.id, *new.messages)
        await shown(pilot, "Kyrgyzstan", "of 6")
        assert rows_of(pilot).highlighted == row and pilot.app.focused is rows_of(pilot)
        await pilot.press("enter")
        await shown(pilot, f"About: {title}")


async def test_news_do_not_move_what_is_in_sight(host: FakeHost, start: Started) -> None:
    for number in range(60):
        host.add_chat(f"Chat {number}", host.message("user", "x"), updated=f"2026-11-21T08:{number:02d}:00Z")
    async with start(size=WIDE) as pilot:
        await pilot.press("ctrl+r", "pagedown", "pagedown", "pagedown")
        await shown(pilot, "Chat 2  ")
        before = [line[:32].rstrip() for line in screen_text(pilot).splitlines()[5:30]]
        new = host.add_chat("New", host.message("user", "x"), updated=NOW.isoformat())
        host.put(new.id, *new.messages)
        await shown(pilot, " 66 ")
        assert [line[:32].rstrip() for line in screen_text(pilot).splitlines()[5:30]] == before
        # When the highlighted chat goes, the row that takes its place is highlighted.
        del host.chats_now[rows_of(pilot).highlighted]
        host.put(new.id, *new.messages)
        await shown(pilot, " 65 ")
        assert rows_of(pilot).highlighted in host.chats_now


async def test_a_stream_and_facts_that_change_no_chat_draw_no_row(
    host: FakeHost, start: Started, drawn: list[int]
) -> None:
    async with start(size=WIDE) as pilot:
        await pilot.press(*"hi", "enter", "ctrl+r", "escape")
        await until(pilot, lambda: bool(app_of(pilot).session.live))
        await shown(pilot, "▌◉ Why is the sky blue?")
        await pilot.pause(0.3)
        drawn.clear()
        stream = host.hub.get(host.called("read")[-1])  # type: ignore[arg-type]
        for number in range(30):
            stream.append(f"Line {number} of the answer.\n\n", number, 10)
        host.post_status(streams=1, front_ends=2)
        await shown(pilot, "Line 29")
        await pilot.press(*"typing")
        await shown(pilot, "› typing")
        assert drawn == []


async def test_of_a_thousand_chats_only_those_in_sight_are_drawn(
    host: FakeHost, start: Started, drawn: list[int]
) -> None:
    when = datetime(2024, 1, 1, tzinfo=UTC)
    for number in range(1000):
        updated = (when + timedelta(hours=number)).isoformat()
        host.add_chat(f"Number {number}", host.message("user", "x"), updated=updated)
    async with start(size=WIDE) as pilot:
        await pilot.press("ctrl+r")
        await shown(pilot, "1005", "Number 999")
        assert len(drawn) < 200
        drawn.clear()
        await pilot.press("7")
        await shown(pilot, "271 of 1005")
        assert len(drawn) < 100
        drawn.clear()
        await pilot.press("down", "end")
        await until(pilot, lambda: len(drawn) > 20)  # all that is in sight now
        await pilot.pause(0.1)
        drawn.clear()
        await pilot.press("up")
        await until(pilot, lambda: bool(drawn))
        assert len(drawn) <= 2


async def test_it_says_that_it_waits_for_the_host(host: FakeHost, make_app: Started) -> None:
    host.reachable = False
    app = make_app()
    async with app.run_test(size=WIDE) as pilot:  # type: ignore[attr-defined]
        await pilot.press("ctrl+r")
        await shown(pilot, "waiting for the host")
        host.reachable = True
        await shown(pilot, "Yesterday", "›• Why is the sky blue?")
        assert in_filter(pilot)


async def test_without_chats_it_says_so(host: FakeHost, start: Started) -> None:
    host.chats_now.clear()
    async with start(size=WIDE) as pilot:
        await pilot.press("ctrl+r", "enter", "down")
        await shown(pilot, "No chats yet")
        assert in_filter(pilot)


async def test_it_gives_way_when_the_terminal_becomes_narrow(start: Started) -> None:
    async with start(size=WIDE) as pilot:
        await pilot.press("ctrl+r", "escape")
        await shown(pilot, "Yesterday", "About: Why")
        await pilot.resize_terminal(*NARROW)
        await until(pilot, lambda: "Yesterday" not in screen_text(pilot))
        await pilot.resize_terminal(*WIDE)
        await shown(pilot, "Yesterday")
        await pilot.press("ctrl+r")
        await pilot.resize_terminal(40, 12)
        await shown(pilot, "Chats", "type to filter", "› Ask anything")
        assert in_filter(pilot)


async def test_help_and_a_dialog_over_it_leave_it_as_it_is(start: Started) -> None:
    async with start(size=NARROW) as pilot:
        await pilot.press("ctrl+r", *"kyo", "f1")
        await shown(pilot, "^R F2", "/chats [words]")
        await pilot.press("escape")
        await shown(pilot, "2 of 5")
        assert in_filter(pilot)


async def test_a_paste_into_the_filter_is_one_line(start: Started) -> None:
    async with start(size=WIDE) as pilot:
        await pilot.press("ctrl+r")
        pilot.app.post_message(events.Paste("trip\n  to\tky"))
        await shown(pilot, "trip to ky", "1 of 5")


async def test_titles_are_text_and_states_have_their_glyphs(host: FakeHost, start: Started) -> None:
    for title, state in (("[b]no markup[/b] 漢字" + "漢" * 20, "failed"), ("Cut", "interrupted")):
        cut = host.message("assistant", "Half", state=state, stop_reason=None)
        host.add_chat(title, host.message("user", "x"), cut, updated="2026-11-21T09:00:00Z")
    async with start(size=WIDE) as pilot:
        await pilot.press("ctrl+r")
        await shown(pilot, "✗ [b]no markup[/b] 漢字 …  09:00", "›■ Cut")
        row = next(line for line in screen_text(pilot).splitlines() if "✗" in line)
        assert cell_len(row[: row.index("…") + 1]) <= 33
        await pilot.press(*"[b]")
        await shown(pilot, "1 of 7")


async def test_a_chat_that_is_gone_is_a_new_one(host: FakeHost, start: Started) -> None:
    async with start(size=WIDE) as pilot:
        await pilot.press("ctrl+r", *"trip")
        await shown(pilot, "1 of 5")
        del host.chats_now[rows_of(pilot).highlighted]
        await pilot.press("enter")
        await shown(pilot, "Private and local")


async def test_a_prompt_typed_after_enter_goes_to_the_chosen_chat(host: FakeHost, start: Started) -> None:
    async with start(size=WIDE) as pilot:
        at_once(pilot, "ctrl+r", *"trip", "enter", *"more", "enter")
        await pilot.pause()
        await until(pilot, lambda: bool(host.called("submit")))
        chosen = next(chat.id for chat in host.chats_now.values() if chat.title == "Trip to Kyoto")
        assert [(r.prompt, r.chat) for r in host.called("submit")] == [("more", chosen)]  # type: ignore[attr-defined]
