"""A terminal of a few rows: the prompt is the last to go."""

import pytest

from tests.ui.conftest import Started, app_of, screen_text, shown


@pytest.mark.parametrize("width", [20, 80])
@pytest.mark.parametrize("height", [1, 2, 3, 4, 5, 7, 8, 12])
async def test_the_prompt_is_seen_in_every_terminal(start: Started, width: int, height: int) -> None:
    async with start(size=(width, height)) as pilot:
        await pilot.press(*"hello")
        await shown(pilot, "› hello")


async def test_what_is_said_leaves_room_for_the_prompt(start: Started) -> None:
    async with start(size=(20, 5)) as pilot:
        await pilot.press(*"hello")
        app_of(pilot).say("A notice that takes more lines than there are to be had here " * 3)
        await shown(pilot, "A notice", "› hello")


async def test_what_gave_way_comes_back(start: Started) -> None:
    async with start(size=(80, 24)) as pilot:
        await shown(pilot, "kensho  ▸ Chat")
        await pilot.resize_terminal(80, 3)
        await shown(pilot, "› Ask anything")
        assert "▸ Chat" not in screen_text(pilot)
        await pilot.resize_terminal(80, 24)
        await shown(pilot, "kensho  ▸ Chat", "Enter send", "› Ask anything")
