"""Keys that come in one go, as `tmux send-keys` and slow lines bring them, do what they do one by one."""

import pytest
from msgspec.structs import replace
from textual import events
from textual.keys import _character_to_key
from textual.pilot import Pilot

from kensho_tui.core import contract as c
from kensho_tui.core import model_contract as m
from kensho_tui.ui.choice_list import ChoiceList
from kensho_tui.ui.models.forms import DefaultsForm
from tests.ui.conftest import Started, app_of, screen_text, shown, until
from tests.ui.fake_host import FakeHost
from tests.ui.fake_models import GEMMA, LLAMA, QWEN, FakeModels


@pytest.fixture(autouse=True)
def models(host: FakeHost) -> FakeModels:
    host.add_chat("REST", host.message("user", "What is REST?"), host.message("assistant", "An interface."))
    return FakeModels(host)


def burst(pilot: Pilot[None], *keys: str) -> None:
    """All of them before any is handled; a word of several letters that is no key's name is typed."""
    names = ("enter", "tab", "shift+tab", "escape", "down", "up", "backspace", "f3", "ctrl+u", "ctrl+l")
    for key in keys:
        if key in names:
            pilot.app.post_message(events.Key(key, None))
        else:
            for letter in key:
                pilot.app.post_message(events.Key(_character_to_key(letter), letter))


async def opened(pilot: Pilot[None], *keys: str) -> None:
    await shown(pilot, "An interface.")
    await pilot.press("f3")
    await shown(pilot, "▸ Models", "Installed 5")
    await pilot.press(*keys)


def highlighted(pilot: Pilot[None]) -> str:
    return pilot.app.screen.query_one(ChoiceList).highlighted


CHANGING = (m.CHANGE.name, m.UNLOAD.name, m.DELETE.name, m.RESTORE.name, "prepare")


@pytest.mark.parametrize("text", ["pu", "gemma", "xD", "lfpdtz"])
async def test_what_follows_a_slash_is_filtered_for_and_no_command(
    host: FakeHost, start: Started, text: str
) -> None:
    async with start() as pilot:
        await opened(pilot)
        burst(pilot, "/", text)
        await shown(pilot, f"/{text}")
        assert not [name for name in CHANGING if host.called(name)]
        assert "to the table" in screen_text(pilot)


async def test_a_filter_and_enter_and_enter_use_what_was_meant(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        await opened(pilot)
        burst(pilot, "/", "gemma", "enter", "enter", "to the prompt")
        await until(pilot, lambda: app_of(pilot).session.model == GEMMA)
        await until(pilot, lambda: app_of(pilot).chat_screen.prompt.text == "to the prompt")


async def test_the_screen_that_is_opened_gets_all_of_the_keys(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        await shown(pilot, "An interface.")
        burst(pilot, "f3", "/", "pu", "backspace", "backspace", "gemma", "enter")
        await shown(pilot, "▸ Models", "/gemma")
        assert highlighted(pilot) == GEMMA and not host.called(m.CHANGE.name)


async def test_the_footer_follows_the_focus(start: Started) -> None:
    async with start() as pilot:
        await opened(pilot, "slash")
        await shown(pilot, "Enter to the table")
        await pilot.press(*"llama-3", "enter")
        await shown(pilot, "Enter use")
        assert "Enter to the table" not in screen_text(pilot) and highlighted(pilot) == LLAMA


async def test_tabs_in_one_go(start: Started) -> None:
    async with start() as pilot:
        await opened(pilot)
        burst(pilot, "tab", "tab", "shift+tab")
        await shown(pilot, "by name ▲", "2 Running 1")


async def test_a_deletion_is_undone_in_the_same_go(
    host: FakeHost, models: FakeModels, start: Started
) -> None:
    async with start() as pilot:
        await opened(pilot, "down")
        burst(pilot, "Dz")
        await shown(pilot, f"{QWEN} is back", "Installed 5")
        assert models.bin == {}


async def test_a_second_d_deletes_no_other_model(host: FakeHost, models: FakeModels, start: Started) -> None:
    # The name of the first is part of another one's.
    longer = replace(models.named(QWEN), name=f"{QWEN}-Instruct", path="/other.gguf")
    models.put(*host.models_now, longer)
    async with start() as pilot:
        await shown(pilot, "An interface.")
        await pilot.press("f3")
        await shown(pilot, "Installed 6")
        await pilot.press("down")
        assert highlighted(pilot) == QWEN
        burst(pilot, "DD")
        await shown(pilot, "Installed 5", "is deleted already")
        assert host.called(m.DELETE.name) == [m.ModelRef(model=QWEN)]
        await pilot.press("z")
        await shown(pilot, f"{QWEN} is back")


async def test_fields_get_what_was_typed_for_them(models: FakeModels, start: Started) -> None:
    models.defaults[QWEN] = m.Defaults(context=512, kv_type="f16", top_p=0.5)
    async with start() as pilot:
        await opened(pilot, "down")
        burst(pilot, "d", "ctrl+u", "2048", "tab", "ctrl+u", "q4_0", "tab", "3")
        burst(pilot, *["tab"] * 5, "0.5", "down", "40")  # past threads, prefill threads, batch and flash
        burst(pilot, "tab", "shift+tab", "shift+tab", "backspace", "7", "enter")
        await until(pilot, lambda: models.defaults[QWEN].context == 2048)
        assert models.defaults[QWEN] == m.Defaults(
            context=2048, kv_type="q4_0", gpu_layers=3, temperature=0.7, top_k=40, top_p=0.5
        )


async def test_the_system_prompt_gets_its_keys_and_gives_others_away(
    models: FakeModels, start: Started
) -> None:
    async with start() as pilot:
        await opened(pilot, "down")
        burst(pilot, "d", "1024", "shift+tab", "Be brief.", "enter", "Always", "tab", "0", "enter")
        await until(pilot, lambda: models.defaults.get(QWEN) is not None)
        assert models.defaults[QWEN] == m.Defaults(context=10240, system="Be brief.\nAlways")


async def test_tags_are_typed_in_one_go(models: FakeModels, start: Started) -> None:
    async with start() as pilot:
        await opened(pilot, "down")
        burst(pilot, "t", " up", "enter", "s")
        await until(pilot, lambda: models.named(QWEN).tags == ("code", "up"))
        await shown(pilot, "by name ▲")


async def test_a_form_can_be_left_before_it_is_filled(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        await opened(pilot, "down")
        burst(pilot, "d", "4096", "escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, DefaultsForm))
        assert not host.called(m.CHANGE.name) and app_of(pilot).place == "models"


async def test_remedies_get_the_keys_behind_enter(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        await shown(pilot, "An interface.")
        burst(pilot, "ctrl+l", "llama-3", "enter", "anyway", "enter", "hello")
        await until(pilot, lambda: app_of(pilot).session.model == LLAMA)
        assert c.Prepare(chat=app_of(pilot).session.chat_id, model=LLAMA, switch=True, anyway=True) in (
            host.called("prepare")
        )
        await until(pilot, lambda: app_of(pilot).chat_screen.prompt.text == "hello")
