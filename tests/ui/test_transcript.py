"""Scrolling: arriving text moves nothing that is read, End follows again, rows are made on demand."""

import re

from kensho_tui.ui.transcript.view import Transcript
from tests.ui.conftest import Started, app_of, screen_text, shown, until
from tests.ui.fake_host import FakeHost
from tests.ui.test_chat import only_stream


def drawn_messages(transcript: Transcript) -> int:
    """How many messages have been cut into parts."""
    assert transcript._column is not None
    return sum(bool(item.parts) for item in transcript._column.items)


def many(host: FakeHost, count: int) -> None:
    """A chat of `count` messages of different heights, each with its number."""
    roles = ("user", "assistant")
    messages = [
        host.message(roles[n % 2], f"message {n}\n\n" + "some words " * (n * 7 % 60))  # type: ignore[arg-type]
        for n in range(count)
    ]
    host.add_chat("Long", *messages)


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


async def test_only_what_is_looked_at_is_drawn(host: FakeHost, start: Started) -> None:
    many(host, 400)
    async with start() as pilot:
        transcript = app_of(pilot).chat_screen.transcript
        await shown(pilot, "message 399")
        assert drawn_messages(transcript) < 20
        transcript.focus()
        await pilot.press("home")
        await shown(pilot, "message 0")
        assert drawn_messages(transcript) < 40
        await pilot.press("end")
        await shown(pilot, "message 399")


async def test_paging_up_and_down_shows_every_row_once(host: FakeHost, start: Started) -> None:
    """Estimated heights are corrected on the way: no row may be skipped or shown at two places."""
    many(host, 80)
    async with start() as pilot:
        transcript = app_of(pilot).chat_screen.transcript
        await shown(pilot, "message 79")
        transcript.focus()
        height = transcript.size.height

        def rows() -> list[str]:
            return screen_text(pilot).splitlines()[2 : 2 + height]

        seen = rows()
        while transcript.scroll_y > 0:
            before = rows()
            await pilot.press("pageup")
            await until(pilot, lambda before=before: rows() != before)  # type: ignore[misc]
            after = rows()
            if transcript.scroll_y > 0:
                assert after[-1][:79].rstrip() == before[0][:79].rstrip()
            seen = after + seen
        text = "\n".join(seen)
        positions = [re.search(rf"message {n}\b", text).start() for n in range(80)]  # type: ignore[union-attr]
        assert positions == sorted(positions)


async def test_a_new_width_keeps_the_place(host: FakeHost, start: Started) -> None:
    many(host, 120)
    async with start(size=(120, 40)) as pilot:
        transcript = app_of(pilot).chat_screen.transcript
        await shown(pilot, "message 119")
        transcript.focus()
        for _ in range(6):
            await pilot.press("pageup")
        await pilot.pause()
        read = next(row for row in screen_text(pilot).splitlines()[2:] if "message" in row)
        for width in (60, 97, 160, 120):
            await pilot.resize_terminal(width, 40)
            await until(pilot, lambda: transcript.size.width > 0)
            name = read.split("┃")[-1].split("▌")[-1].strip(" ▇▁▂▃▄▅▆")
            await shown(pilot, name)
            assert not transcript.following


async def test_selected_text_is_what_was_written(host: FakeHost, start: Started) -> None:
    text = "The **first** line.\n\n- item one\n- item two"
    host.add_chat("Copy", host.message("user", "x"), host.message("assistant", text))
    async with start() as pilot:
        await shown(pilot, "item two")
        rows = screen_text(pilot).splitlines()
        first = next(y for y, row in enumerate(rows) if "first" in row)
        last = next(y for y, row in enumerate(rows) if "item two" in row)
        await pilot.mouse_down(offset=(3, first))
        await pilot.hover(offset=(20, last))
        await pilot.mouse_up(offset=(20, last))
        await pilot.pause()
        selected = app_of(pilot).chat_screen.get_selected_text()
        assert selected is not None
        assert selected.splitlines() == ["The first line.", "", " • item one", " • item two"]


async def test_text_that_comes_with_the_first_prompt_is_there(host: FakeHost, start: Started) -> None:
    """It may be read before the transcript has ever had a size."""
    host.on_submit = lambda stream: stream.append("FIRST words", 2, 10)
    async with start() as pilot:
        await pilot.press(*"hi", "enter")
        await shown(pilot, "FIRST words")
        host.hub.get(only_stream(host)).append(", then more", 4, 10)
        await shown(pilot, "FIRST words, then more")


async def test_wide_characters_are_selected_by_the_cells_they_stand_in(
    host: FakeHost, start: Started
) -> None:
    host.add_chat("Wide", host.message("user", "x"), host.message("assistant", "日本語 abc"))
    async with start() as pilot:
        await shown(pilot, "abc")
        row = next(y for y, text in enumerate(screen_text(pilot).splitlines()) if "abc" in text)
        await pilot.mouse_down(offset=(10, row))
        await pilot.hover(offset=(13, row))
        await pilot.mouse_up(offset=(13, row))
        await pilot.pause()
        assert app_of(pilot).chat_screen.get_selected_text() == "abc"


async def test_clicking_twice_selects_a_word_and_three_times_a_paragraph(
    host: FakeHost, start: Started
) -> None:
    many(host, 60)
    text = "some words\nand another line\n\nthe end"
    host.add_chat("Click", host.message("user", "x"), host.message("assistant", text))
    async with start() as pilot:
        screen = app_of(pilot).chat_screen
        await shown(pilot, "another line")
        row = next(y for y, text in enumerate(screen_text(pilot).splitlines()) if "another" in text)
        await pilot.click(offset=(9, row), times=2)
        await until(pilot, lambda: screen.get_selected_text() == "another")
        await pilot.click(offset=(9, row), times=3)
        await until(
            pilot, lambda: (screen.get_selected_text() or "").endswith("some words\nand another line")
        )


async def test_a_selection_stays_on_its_words_while_heights_above_are_mended(
    host: FakeHost, start: Started
) -> None:
    many(host, 200)
    async with start() as pilot:
        screen = app_of(pilot).chat_screen
        await shown(pilot, "message 199")
        row = next(y for y, text in enumerate(screen_text(pilot).splitlines()) if "message 199" in text)
        await pilot.click(offset=(11, row), times=2)
        await until(pilot, lambda: screen.get_selected_text() == "199")
        screen.transcript.focus()
        for _ in range(12):
            await pilot.press("pageup")
        assert screen.get_selected_text() == "199"


async def test_a_message_that_is_gone_leaves_what_is_read_near_it(host: FakeHost, start: Started) -> None:
    many(host, 60)
    async with start() as pilot:
        app = app_of(pilot)
        await shown(pilot, "message 59")
        for _ in range(5):
            await pilot.press("pageup")
        transcript = app.chat_screen.transcript
        assert transcript._column is not None
        item = transcript._place.item
        chat = next(iter(host.chats_now.values()))
        host.put(chat.id, *chat.messages[:item], *chat.messages[item + 1 :])
        await until(pilot, lambda: app.session.chat is not None and len(app.session.chat.messages) == 59)
        assert transcript._place.item == item - 1


async def test_the_hint_follows_the_place_also_at_rest(host: FakeHost, start: Started) -> None:
    many(host, 60)
    async with start() as pilot:
        await shown(pilot, "message 59")
        await pilot.press("pageup")
        await shown(pilot, "End newest text")
        await pilot.press("end")
        await until(pilot, lambda: "newest text" not in screen_text(pilot))
