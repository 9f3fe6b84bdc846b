"""The form of a model's defaults: the field with the focus is in sight, and says which key keeps it."""

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot
from textual.widget import Widget

from kensho_tui.core import model_contract as m
from kensho_tui.ui.models.forms import DefaultsForm
from tests.ui.conftest import Started, screen_text, shown, until
from tests.ui.fake_host import FakeHost
from tests.ui.fake_models import QWEN, FakeModels

TALL_TEXT = ("w", "enter") * 9


@pytest.fixture(autouse=True)
def models(host: FakeHost) -> FakeModels:
    host.add_chat("REST", host.message("user", "What is REST?"), host.message("assistant", "An interface."))
    return FakeModels(host)


async def form_of(pilot: Pilot[None]) -> DefaultsForm:
    """The form, filled and with the focus in its first field."""
    await shown(pilot, "An interface.")
    await pilot.press("f3")
    await shown(pilot, "▸ Models", "Installed 5")
    await pilot.press("down", "d")
    await until(pilot, lambda: isinstance(pilot.app.screen, DefaultsForm) and bool(pilot.app.focused))
    form = pilot.app.screen
    assert isinstance(form, DefaultsForm)
    return form


def in_sight(form: DefaultsForm, field: Widget | None) -> bool:
    """Whether all of the field's rows are seen."""
    return field is not None and field.region in form.query_one("#form").scrollable_content_region


async def test_the_field_with_the_focus_is_in_sight(start: Started) -> None:
    async with start(size=(80, 16)) as pilot:
        form = await form_of(pilot)
        for key in ("shift+tab", *["tab"] * 16, *["shift+tab"] * 16):
            await pilot.press(key)
            await until(pilot, lambda: in_sight(form, form.focused))


async def test_the_first_field_is_seen_again_behind_a_long_last_one(start: Started) -> None:
    async with start(size=(80, 24)) as pilot:
        form = await form_of(pilot)
        await pilot.press("shift+tab", *TALL_TEXT)
        await until(pilot, lambda: in_sight(form, form.focused))
        await pilot.press("tab", *"many")
        await until(pilot, lambda: in_sight(form, form.focused))
        await shown(pilot, "Context            many")


async def test_the_line_that_is_written_is_in_sight_where_not_all_are(start: Started) -> None:
    async with start(size=(80, 14)) as pilot:
        await form_of(pilot)
        await pilot.press("shift+tab", *"abcdefg", "enter", *TALL_TEXT, *"the last")
        await shown(pilot, "the last")
        await pilot.press(*["up"] * 10)
        await shown(pilot, "abcdefg")


async def test_an_error_leads_to_its_field(models: FakeModels, start: Started) -> None:
    async with start(size=(80, 20)) as pilot:
        form = await form_of(pilot)
        await pilot.press(*"8k", "shift+tab", "x", "ctrl+s")
        await shown(pilot, "Context: '8k' is not a whole number", "Context            8k")
        assert in_sight(form, form.focused)
        # The next key mends it.
        await pilot.press("ctrl+u", *"4096", "enter")
        await until(pilot, lambda: models.defaults.get(QWEN) == m.Defaults(context=4096, system="x"))


async def test_the_footer_says_which_key_keeps_from_this_field(models: FakeModels, start: Started) -> None:
    before = m.Defaults(temperature=0.1, system="Be brief.")
    models.defaults[QWEN] = before
    async with start() as pilot:
        await form_of(pilot)
        await shown(pilot, "Enter ^S keep · Tab next · Esc close")
        await pilot.press("shift+tab")
        await shown(pilot, "^S keep · Enter new line · Tab next · Esc close")
        assert "Enter keep" not in screen_text(pilot)
        await pilot.press("end", "enter", *"Always.", "ctrl+s")
        await until(pilot, lambda: models.defaults[QWEN] == replace(before, system="Be brief.\nAlways."))


async def test_keys_behind_the_one_that_keeps_belong_to_what_is_seen_then(
    models: FakeModels, start: Started
) -> None:
    async with start() as pilot:
        await form_of(pilot)
        await pilot.press(*"512", "ctrl+s", "up")
        await until(pilot, lambda: models.defaults.get(QWEN) == m.Defaults(context=512))
        assert pilot.app.screen.id == "models"
