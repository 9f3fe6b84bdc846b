"""Text that means harm, or only too much: the terminal stays whole and the app awake."""

import time
from functools import partial

import pytest

from kensho_tui.core.text import Cleaner
from kensho_tui.ui.app import KenshoApp
from kensho_tui.ui.transcript.blocks import split
from kensho_tui.ui.transcript.parts import drawable
from tests.ui.conftest import Started, app_of, screen_text, shown, until
from tests.ui.fake_host import FakeHost
from tests.ui.test_chat import only_stream

ESCAPES = "\x1b]52;c;ZXZpbA==\x07\x1b[2Jred \x1b[31malert\x1b[0m\x9b31m\x07 bell\x00"
RTL = "שלום \u202eevil\u202c العربية"
EMOJI = "👩‍👩‍👧‍👦 🇨🇭 ❤️ é 漢字"


@pytest.mark.parametrize("size", range(1, 8))
def test_an_escape_cut_by_pieces_is_dropped_whole(size: int) -> None:
    cleaner = Cleaner()
    pieces = [ESCAPES[at : at + size] for at in range(0, len(ESCAPES), size)]
    assert "".join(map(cleaner.feed, pieces)) + cleaner.flush() == "red alert bell"


def test_line_ends_cut_by_pieces_are_one_line_end() -> None:
    cleaner = Cleaner()
    assert cleaner.feed("a\r") + cleaner.feed("\nb\r") + cleaner.flush() == "a\nb\n"


async def test_hostile_text_reaches_the_screen_as_text(host: FakeHost, start: Started) -> None:
    host.add_chat(
        f"evil \x1b[31mtitle\n{RTL}",
        host.message("user", f"{ESCAPES}\n{RTL}\n{EMOJI}\nlone \ud83d surrogate [bold]no markup[/bold]"),
        host.message(
            "assistant", f"{ESCAPES}\n\n{RTL}\n\n{EMOJI}\n\n<script>alert(1)</script> [x](javascript:1)"
        ),
    )
    async with start(size=(100, 30)) as pilot:
        await shown(pilot, "red alert bell", "שלום", "漢字", "[bold]no markup[/bold]", "<script>alert(1)")
        text = screen_text(pilot)
        assert not any(char in text for char in "\x1b\x07\x9b\u202e\ud83d")
        app_of(pilot).export_screenshot()  # draws every cell
        await pilot.press("ctrl+r")
        await shown(pilot, "evil title")


async def test_a_line_of_a_megabyte_does_not_hold_up_the_app(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        app = app_of(pilot)
        await pilot.press(*"go", "enter")
        await until(pilot, lambda: bool(app.session.live))
        stream = host.hub.get(only_stream(host))
        began = time.process_time()
        for _ in range(16):
            stream.append("x" * 65536, 100, 10)
            await pilot.press("k")
        await until(pilot, lambda: app.chat_screen.transcript.virtual_size.height > 16 * 65536 // 80)
        assert app.chat_screen.prompt.text == "k" * 16
        host.end(stream)
        await until(pilot, lambda: not app.session.live)
        assert time.process_time() - began < 10
        answer = app.session.last_answer()
        assert answer is not None
        assert len(answer.content) == 16 * 65536


@pytest.mark.parametrize(
    "text",
    ["> " * 400 + "deep", "- " * 300 + "x", "[" * 20_000, "*" * 9_000 + "a", "x" * 20_000, "word\n" * 20_000],
    ids=("quotes", "items", "brackets", "stars", "letters", "lines"),
)
async def test_text_that_markdown_would_choke_on_is_shown_plainly(
    text: str, host: FakeHost, start: Started
) -> None:
    assert not all(drawable(block.text) for block in split(text))
    host.add_chat("Deep", host.message("user", "x"), host.message("assistant", f"{text}\n\nthe end"))
    async with start() as pilot:
        await shown(pilot, "the end", text.strip()[-1:])


async def test_what_is_streamed_looks_like_what_is_loaded(host: FakeHost, start: Started) -> None:
    """Pieces of any size make the same document as the whole text."""
    text = (
        "# Title\n\nSome *text* with `code`.\n\n```python\nprint('a')\n\nprint('b')\n```\n\n"
        "1. one\n2. two\n   - deep\n\n> quote\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\nthe end"
    )
    async with start(size=(80, 50)) as pilot:
        app = app_of(pilot)
        await pilot.press(*"go", "enter")
        await until(pilot, lambda: bool(app.session.live))
        stream = host.hub.get(only_stream(host))
        for at in range(0, len(text), 37):
            stream.append(text[at : at + 37], at, 10)
            await until(pilot, partial(_read, app, min(at + 37, len(text))))
        host.end(stream)
        await until(pilot, lambda: not app.session.live)
        await shown(pilot, "the end")
        streamed = screen_text(pilot)
        chat = app.session.chat_id
        for place in (None, chat):
            app.session.enter(place)
            await app.session.show_entered()
        await shown(pilot, "the end")
        assert screen_text(pilot) == streamed


def _read(app: KenshoApp, length: int) -> bool:
    return any(live.piece is not None and live.piece.cursor >= length for live in app.session.live.values())
