"""What the app does with what it is told, without a terminal."""

import asyncio
from importlib.metadata import version
from typing import Any

import pytest
from textual.app import App

from kensho_tui.ui.drawing import display
from kensho_tui.ui.drawing.display import VARIABLE, Drawing, driver_class
from kensho_tui.ui.drawing.driver import TerminalDriver

Notes = list[tuple[str, BaseException]]


@pytest.fixture
def notes() -> Notes:
    return []


def drawing(notes: Notes, mode: str = "differ") -> Drawing:
    app: App[Any] = App()
    return Drawing(app, mode, lambda what, error: notes.append((what, error)))


def test_the_differ_draws_unless_switched_off(notes: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    assert drawing(notes).differs
    assert not drawing(notes, "plain").differs
    monkeypatch.setenv(VARIABLE, "plain")
    assert not drawing(notes).differs
    assert notes == []


def test_another_textual_draws_itself(notes: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(display, "_textual_version", lambda: "8.3.0")
    assert not drawing(notes).differs
    assert len(notes) == 1 and "8.3.0" in str(notes[0][1])


def test_the_version_is_told_right() -> None:
    assert display._textual_version() == version("textual") == display.TEXTUAL


def test_a_textual_that_lacks_a_name_draws_itself(notes: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(display._compositor, "ChopsUpdate")
    assert not drawing(notes).differs
    assert len(notes) == 1 and "ChopsUpdate" in str(notes[0][1])


def test_a_driver_that_was_asked_for_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    assert driver_class() is TerminalDriver
    monkeypatch.setattr(display.constants, "DRIVER", "textual.drivers.headless_driver:HeadlessDriver")
    assert driver_class() is None


async def test_a_modified_f3_is_no_answer(notes: Notes) -> None:
    one = drawing(notes)
    one._cursor = (4, 30)
    now = asyncio.get_running_loop().time()
    one._pacer.sent(now, 100)
    one._on_answer(1, 0, now)
    assert not one._pacer.paced
    one._on_answer(4, 30, now)
    assert one._pacer.paced
