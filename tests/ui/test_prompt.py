"""The prompt: keys, pasting, history, slash commands."""

import pytest
from textual import events

from kensho_tui.core import contract as c
from kensho_tui.ui.prompt import Prompt
from tests.ui.conftest import Started, app_of, screen_text, shown, until
from tests.ui.fake_host import MODEL, FakeHost


@pytest.mark.parametrize("key", ["ctrl+j", "shift+enter", "alt+enter"])
async def test_newline_keys_do_not_send(key: str, host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        await pilot.press("a", key, "b")
        assert app_of(pilot).chat_screen.prompt.text == "a\nb"
        await pilot.press("enter")
        await until(pilot, lambda: host.called("submit") == [c.Submit(prompt="a\nb", model=MODEL, show=True)])


async def test_a_backslash_before_enter_is_a_newline(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        await pilot.press("a", "\\", "enter", "b")
        assert app_of(pilot).chat_screen.prompt.text == "a\nb"
        assert not host.called("submit")


async def test_a_blank_prompt_is_not_sent(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        await pilot.press("space", "enter")
        await pilot.pause()
        assert not host.called("submit")


async def test_a_paste_with_newlines_never_sends(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        prompt = app_of(pilot).chat_screen.prompt
        prompt.post_message(events.Paste("one\r\ntwo\rthree\n"))
        await until(pilot, lambda: bool(prompt.text))
        assert prompt.text == "one\ntwo\nthree\n"
        assert not host.called("submit")


async def test_the_prompt_grows_to_a_third_of_the_screen(start: Started) -> None:
    async with start() as pilot:
        prompt = app_of(pilot).chat_screen.prompt
        assert prompt.size.height == 1
        await pilot.press("a", "ctrl+j", "b", "ctrl+j", "c")
        await until(pilot, lambda: prompt.size.height == 3)
        prompt.put("\n".join(map(str, range(50))))
        await until(pilot, lambda: prompt.size.height == 6)
        await shown(pilot, "49")


async def test_up_and_down_go_through_history_and_keep_the_draft(host: FakeHost, start: Started) -> None:
    host.prompts_now = ["newest", "older\nwith two lines", "oldest"]
    async with start() as pilot:
        prompt = app_of(pilot).chat_screen.prompt
        assert not host.called("prompts")
        await pilot.press(*"draft", "up")
        await until(pilot, lambda: prompt.text == "newest")
        await pilot.press("up")
        await until(pilot, lambda: prompt.text.startswith("older"))
        await pilot.press("up", "up")  # within the two lines, then out of them
        await until(pilot, lambda: prompt.text == "oldest")
        await pilot.press("up")
        await pilot.pause()
        assert prompt.text == "oldest"
        await pilot.press("down")
        await until(pilot, lambda: prompt.text.startswith("older"))
        await pilot.press("down")
        await until(pilot, lambda: prompt.text == "newest")
        await pilot.press("down")
        await until(pilot, lambda: prompt.text == "draft")
        assert len(host.called("prompts")) == 1


async def test_a_sent_prompt_is_in_the_history_at_once(host: FakeHost, start: Started) -> None:
    host.prompts_now = ["before"]
    async with start() as pilot:
        prompt = app_of(pilot).chat_screen.prompt
        await pilot.press(*"now", "enter")
        await until(pilot, lambda: prompt.text == "")
        await pilot.press("up")
        await until(pilot, lambda: prompt.text == "now")


async def test_an_unknown_slash_command_is_said_and_kept(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        await pilot.press(*"/nonsense", "enter")
        await shown(pilot, "there is no command /nonsense", "/nonsense")
        assert app_of(pilot).chat_screen.prompt.text == "/nonsense"
        assert not host.called("submit")


@pytest.mark.parametrize(
    ("typed", "sent"),
    [("//new is a word", "/new is a word"), ("/usr/bin/env what?", "/usr/bin/env what?")],
)
async def test_text_with_a_slash_can_be_sent(typed: str, sent: str, host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        app_of(pilot).chat_screen.prompt.put(typed)
        await pilot.press("enter")
        await until(pilot, lambda: host.called("submit") == [c.Submit(prompt=sent, model=MODEL, show=True)])


async def test_tab_completes_a_slash_command_and_enter_runs_it(host: FakeHost, start: Started) -> None:
    host.add_chat("Old", host.message("user", "x"), host.message("assistant", "an old answer"))
    async with start() as pilot:
        await shown(pilot, "an old answer")
        await pilot.press(*"/ne")
        await shown(pilot, "/new New chat")
        await pilot.press("tab")
        assert app_of(pilot).chat_screen.prompt.text == "/new"
        await pilot.press("enter")
        await shown(pilot, "Private and local")
        assert "an old answer" not in screen_text(pilot)


async def test_tab_in_an_empty_prompt_goes_to_the_transcript_and_a_letter_back(start: Started) -> None:
    async with start() as pilot:
        app = app_of(pilot)
        await pilot.press("tab")
        assert app.focused is app.chat_screen.transcript
        await pilot.press("question_mark")
        await shown(pilot, "Commands", "Continue the answer")
        await pilot.press("escape", "a")
        assert isinstance(app.focused, Prompt)
        assert app.chat_screen.prompt.text == "a"


async def test_the_cursor_does_not_blink_over_ssh(monkeypatch: pytest.MonkeyPatch, start: Started) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "1.2.3.4 5 6.7.8.9 22")
    async with start() as pilot:
        app = app_of(pilot)
        assert not app.chat_screen.prompt.cursor_blink
        assert app.animation_level == "none"
        await pilot.press("a")
        assert not app.chat_screen.prompt.cursor_blink


async def test_keys_that_come_in_one_go_do_what_they_do_one_by_one(start: Started) -> None:
    async with start() as pilot:
        keys = (
            *"one",
            "ctrl+u",
            *"twx",
            "backspace",
            *"oo",
            "left",
            "backspace",
            "home",
            *"no. ",
            "end",
            "!",
        )
        for key in keys:
            pilot.app.post_message(events.Key(key, key if len(key) == 1 else None))
        await until(pilot, lambda: app_of(pilot).chat_screen.prompt.text == "no. two!")


async def test_keys_behind_up_mean_the_entry_that_it_brings(host: FakeHost, start: Started) -> None:
    host.prompts_now = ["newest", "older"]
    async with start() as pilot:
        prompt = app_of(pilot).chat_screen.prompt
        for name, character in (("up", None), ("up", None), ("x", "x")):
            prompt.post_message(events.Key(name, character))
        await until(pilot, lambda: prompt.text == "olderx")
        prompt.post_message(events.Key("enter", "\r"))
        await until(pilot, lambda: bool(host.called("submit")))
        assert host.called("submit") == [c.Submit(prompt="olderx", model=MODEL, show=True)]
