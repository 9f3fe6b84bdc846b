"""Pictures of the figures. Update them with `--snapshot-update`."""

import pytest
from textual.pilot import Pilot

from kensho_tui.config.settings import Settings
from kensho_tui.ui.app import KenshoApp
from tests.ui.conftest import app_of, until
from tests.ui.fake_host import FakeHost
from tests.ui.metrics.figures.conftest import Stage, busy
from tests.ui.metrics.figures.scripted import ScriptedFigures
from tests.ui.test_pictures import Act, Compare, Make, frozen

SIZES = pytest.mark.parametrize("size", [(80, 24), (160, 48)], ids=["narrow", "wide"])


def pressing(*keys: str) -> Act:
    """The pane, with these keys done."""

    async def run(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: app_of(pilot).session.models is not None)
        await pilot.app.push_screen(Stage(app_of(pilot)))
        await until(pilot, lambda: not busy(pilot))
        await pilot.press(*keys)
        await until(pilot, lambda: not busy(pilot))

    return run


def app_with(make_app: Make, settings: Settings | None = None) -> KenshoApp:
    return frozen(make_app(settings))


@SIZES
def test_models(
    figures: ScriptedFigures, make_app: Make, snap_compare: Compare, size: tuple[int, int]
) -> None:
    assert snap_compare(app_with(make_app), terminal_size=size, run_before=pressing("p", "down", "space"))


@SIZES
def test_one_model(
    figures: ScriptedFigures, make_app: Make, snap_compare: Compare, size: tuple[int, int]
) -> None:
    assert snap_compare(app_with(make_app), terminal_size=size, run_before=pressing("enter"))


@SIZES
def test_generations(
    figures: ScriptedFigures, make_app: Make, snap_compare: Compare, size: tuple[int, int]
) -> None:
    assert snap_compare(app_with(make_app), terminal_size=size, run_before=pressing("enter", "enter", "down"))


@SIZES
def test_comparison(
    figures: ScriptedFigures, make_app: Make, snap_compare: Compare, size: tuple[int, int]
) -> None:
    app = app_with(make_app, Settings(theme="kensho-light"))
    assert snap_compare(app, terminal_size=size, run_before=pressing("enter", "space", "space", "c"))


def test_nothing_ran(host: FakeHost, make_app: Make, snap_compare: Compare) -> None:
    ScriptedFigures(host)
    assert snap_compare(app_with(make_app), terminal_size=(80, 24), run_before=pressing())


def test_in_ascii(figures: ScriptedFigures, make_app: Make, snap_compare: Compare) -> None:
    app = app_with(make_app, Settings(graphs="ascii"))
    assert snap_compare(app, terminal_size=(80, 24), run_before=pressing("enter"))
