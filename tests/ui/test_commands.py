"""Commands: keys, pickers, copy, help, palette, themes, leaving, and the settings' keys."""

import base64

import pytest

from kensho_tui.config.settings import Settings
from kensho_tui.core import contract as c
from kensho_tui.ui.choice_list import ChoiceList
from kensho_tui.ui.commands import registry
from kensho_tui.ui.filtered_list import Filter
from kensho_tui.ui.picker import Picker
from tests.ui.conftest import Started, app_of, screen_text, shown, until
from tests.ui.fake_host import MODEL, FakeHost


def with_chats(host: FakeHost) -> None:
    for title in ("Trip to Kyoto", "Rust lifetimes", "Why is the sky blue?"):
        host.add_chat(title, host.message("user", title), host.message("assistant", f"About: {title}"))


async def test_the_last_chat_is_open_at_start(host: FakeHost, start: Started) -> None:
    with_chats(host)
    async with start() as pilot:
        await shown(pilot, "About: Why is the sky blue?")


async def test_a_theme_is_picked_by_a_few_letters(start: Started) -> None:
    async with start() as pilot:
        app = app_of(pilot)
        app.chat_screen.prompt.put("/theme")
        await pilot.press("enter")
        await shown(pilot, "Themes", "kensho-light", "in use")
        await pilot.press(*"nord")
        await until(pilot, lambda: "kensho-light" not in screen_text(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: app.theme == "nord")
        assert app.focused is app.chat_screen.prompt


async def test_in_the_picker_down_goes_to_the_list_and_letters_and_up_back(start: Started) -> None:
    async with start() as pilot:
        app = app_of(pilot)
        app.chat_screen.prompt.put("/theme")
        await pilot.press("enter")
        await shown(pilot, "kensho-light")
        await pilot.press("down")
        assert isinstance(app.focused, ChoiceList) and app.focused.highlighted == "kensho-light"
        await pilot.press("up", "up")
        assert isinstance(app.focused, Filter)
        await pilot.press("down", "g", "r", "u", "v")
        assert isinstance(app.focused, Filter) and app.focused.value == "gruv"
        await pilot.press("down", "backspace")
        assert isinstance(app.focused, Filter) and app.focused.value == "gru"
        await pilot.press("enter")
        await until(pilot, lambda: app.theme == "gruvbox")


async def test_esc_closes_the_picker_and_changes_nothing(start: Started) -> None:
    async with start() as pilot:
        app = app_of(pilot)
        app.chat_screen.prompt.put("/theme")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, Picker))
        await pilot.press(*"nord", "escape")
        await shown(pilot, "Private and local")
        assert app.theme == "kensho-dark"


async def test_copy_sends_osc_52_and_says_what_was_done(
    host: FakeHost, start: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.add_chat("Old", host.message("user", "x"), host.message("assistant", "Grüße 👋 \x1b[31m!"))
    async with start() as pilot:
        await shown(pilot, "Grüße")
        written: list[str] = []
        monkeypatch.setattr(pilot.app._driver, "write", written.append)
        await pilot.press("ctrl+y")
        await shown(pilot, "9 characters sent")
        osc = next(data for data in written if data.startswith("\x1b]52;c;"))
        assert base64.b64decode(osc[7:-1]).decode() == "Grüße 👋 !"


async def test_a_giant_answer_is_copied_in_part_and_that_is_said(host: FakeHost, start: Started) -> None:
    host.add_chat("Old", host.message("user", "x"), host.message("assistant", "word " * 40_000))
    async with start() as pilot:
        await shown(pilot, "word word")
        await pilot.press("ctrl+y")
        await shown(pilot, "74,000 characters sent", "the rest")
        assert len(pilot.app.clipboard.encode()) <= 74_000


async def test_help_lists_every_command(start: Started) -> None:
    async with start(size=(100, 100)) as pilot:
        await pilot.press("f1")
        await shown(pilot, "Commands", *(command.title for command in registry.COMMANDS))
        await pilot.press("escape")
        await shown(pilot, "Private and local")


async def test_keys_lead_away_from_help_to_what_it_says_of_them(start: Started) -> None:
    async with start() as pilot:
        await pilot.press("f1")
        await shown(pilot, "Help", "Esc close")
        await pilot.press("f4")
        await shown(pilot, "▸ Metrics")
        await pilot.press("f1")
        await shown(pilot, "In the metrics")
        await pilot.press("f3")
        await shown(pilot, "▸ Models")
        await pilot.press("f1")
        await shown(pilot, "In the models")
        await pilot.press("f2")
        await shown(pilot, "▸ Chat", "Private and local")
        await pilot.press("f1")
        await shown(pilot, "Help", "Esc close")
        await pilot.press("f1")
        await shown(pilot, "Private and local")
        assert len(pilot.app.screen_stack) == 1


async def test_another_key_of_help_closes_it_too(start: Started) -> None:
    async with start(Settings(keys={"help": "f11"})) as pilot:
        for _ in range(2):
            await pilot.press("f11")
            await shown(pilot, "Help", "Esc close")
            await pilot.press("f11")
            await shown(pilot, "Private and local")
            await pilot.pause()
            assert len(pilot.app.screen_stack) == 1


async def test_the_palette_runs_a_command(host: FakeHost, start: Started) -> None:
    with_chats(host)
    async with start() as pilot:
        await shown(pilot, "About: Why")
        await pilot.press("ctrl+p")
        await shown(pilot, "New chat")
        await pilot.press(*"new chat")
        await pilot.pause(0.5)
        await pilot.press("enter")
        await shown(pilot, "Private and local")


async def test_the_theme_changes_by_name_and_an_unknown_one_is_said(start: Started) -> None:
    async with start() as pilot:
        app = app_of(pilot)
        prompt = app.chat_screen.prompt
        prompt.put("/theme kensho-light")
        await pilot.press("enter")
        await until(pilot, lambda: app.theme == "kensho-light")
        prompt.put("/theme nonsense")
        await pilot.press("enter")
        await shown(pilot, "there is no theme 'nonsense'")
        assert app.theme == "kensho-light"


async def test_an_unknown_theme_in_the_settings_is_a_warning(start: Started) -> None:
    async with start(Settings(theme="neon"), size=(160, 24)) as pilot:
        assert app_of(pilot).theme == "kensho-dark"
        await shown(pilot, "theme: there is no 'neon'")


async def test_settings_bind_other_keys(host: FakeHost, start: Started) -> None:
    with_chats(host)
    async with start(Settings(keys={"new": "f6"})) as pilot:
        await shown(pilot, "About: Why")
        await pilot.press("ctrl+n")
        await pilot.pause()
        assert "About: Why" in screen_text(pilot)
        await pilot.press("f6")
        await shown(pilot, "Private and local")


async def test_the_keys_that_are_said_are_those_of_the_settings(host: FakeHost, start: Started) -> None:
    stream = host.hub.open("s")
    answer = host.message("assistant", "", state="queued", stop_reason=None, stream=stream.id)
    host.add_chat("Two of us", host.message("user", "Hello?"), answer)
    keys = {"stop": "f6", "metrics": "f10", "help": "f11", "models": "f12"}
    async with start(Settings(keys=keys), size=(120, 24), problems=("something is wrong",)) as pilot:
        host.post_status(bench=c.BenchNow(model="Gemma"), workers=())
        await shown(pilot, "F10 b x stops it · F6 stops waiting", "! something is wrong · F11")
        await pilot.press("f12")
        await shown(pilot, "▸ Models", "F11 help")
        app_of(pilot).chat_screen.prompt.put("/nonsense")
        await pilot.press("f2", "enter")
        await shown(pilot, "F11 lists the commands")


def test_key_problems_are_found() -> None:
    keys, problems = registry.keymap({"nonsense": "f5", "copy": "ctrl+n"})
    assert keys["copy"] == "ctrl+n"
    assert keys["new"] == ""
    assert [problem for problem in problems if "nonsense" in problem]
    assert [problem for problem in problems if "ctrl+n" in problem]
    assert registry.keymap({})[1] == []


async def test_no_model_says_what_to_do(start: Started, host: FakeHost) -> None:
    host.models_now = ()
    async with start() as pilot:
        await shown(
            pilot, "kensho-tui[starter]", "/home/me/kensho/data/models", "config/settings.toml", "no model"
        )


async def test_ctrl_c_stops_first_then_says_how_to_leave(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        app = app_of(pilot)
        await pilot.press(*"hi", "enter")
        await until(pilot, lambda: bool(app.session.live))
        await pilot.press("ctrl+c")
        await until(pilot, lambda: bool(host.called("abort")) and not app.session.live)
        assert app.is_running
        await pilot.press("ctrl+c")
        await shown(pilot, "^C again leaves")
        await pilot.press("ctrl+c")
        await until(pilot, lambda: app._exit)
        assert not app.answer_goes_on


async def test_leaving_knows_that_an_answer_goes_on(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        app = app_of(pilot)
        await pilot.press(*"hi", "enter")
        await until(pilot, lambda: bool(app.session.live))
        await pilot.press("ctrl+q")
        await until(pilot, lambda: app._exit)
        assert app.answer_goes_on
        assert not host.called("abort")


async def test_notices_of_the_host_are_in_the_status_bar(host: FakeHost, start: Started) -> None:
    host.differs = ("HF_TOKEN",)
    async with start(size=(160, 24)) as pilot:
        host.post_status(notices=("a GPU is here, but llama.cpp was built without it",))
        await shown(pilot, "a GPU is here, but llama.cpp was built without it (+1 · F1)")
        host.post_status(notices=(), workers=())
        await shown(pilot, "HF_TOKEN", "cold")
        phase = c.Phase(name="reading", done=62, total=100)
        loading = c.WorkerInfo(pid=1, model=MODEL, state="loading", phase=phase, context=8192)
        host.post_status(workers=(loading,))
        await shown(pilot, "50 %", "Esc")


@pytest.mark.parametrize("key", ["enter", "a", "space", "tab"])
def test_keys_that_type_stay_keys_that_type(key: str) -> None:
    keys, problems = registry.keymap({"quit": key, "new": f"f6,{key}"})
    assert keys["quit"] == registry.BY_NAME["quit"].keys and keys["new"] == "f6"
    assert len(problems) == 2 and key in problems[0]


async def test_redraw_writes_the_whole_screen_again(start: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    async with start() as pilot:
        redrawn: list[bool] = []
        monkeypatch.setattr(app_of(pilot).drawing, "redraw", lambda: redrawn.append(True))
        await pilot.press(*"/redraw", "enter")
        await until(pilot, lambda: redrawn == [True])


async def test_what_host_and_app_both_say_is_said_once(host: FakeHost, start: Started) -> None:
    host.post_status(notices=("settings.toml: theme: wrong", "a damaged file"))
    async with start(problems=("settings.toml: theme: wrong",)) as pilot:
        await until(pilot, lambda: len(app_of(pilot).notices) == 2)
        assert app_of(pilot).notices == ["settings.toml: theme: wrong", "a damaged file"]
