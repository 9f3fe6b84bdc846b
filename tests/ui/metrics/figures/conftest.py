"""The pane on a screen with nothing else."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from textual.app import ComposeResult
from textual.pilot import Pilot

from kensho_tui.ui.app import KenshoApp
from kensho_tui.ui.lines import Notice, SplitLine, key_rows
from kensho_tui.ui.metrics.figures.pane import FiguresPane
from kensho_tui.ui.textual_fixes import SteadyScreen
from tests.ui.conftest import app_of, screen_text, until
from tests.ui.fake_host import FakeHost
from tests.ui.metrics.figures.scripted import CODER, OLD, SMALL, ScriptedFigures

Opened = Callable[..., AbstractAsyncContextManager[Pilot[None]]]


class Stage(SteadyScreen):
    """What the metrics screen is to the pane."""

    PLACE = "metrics"

    def __init__(self, app: KenshoApp) -> None:
        super().__init__(id="stage")
        self.pane = FiguresPane(app, self.frame_changed)
        self._hint, self._more = SplitLine(id="hint"), SplitLine(id="more-hints")

    def compose(self) -> ComposeResult:
        yield self.pane
        yield Notice(id="notice")
        yield self._hint
        yield self._more

    def on_mount(self) -> None:
        self.pane.take_focus()
        self.pane.entered()

    def frame_changed(self) -> None:
        first, second = key_rows(self.pane.hints(), self.size.width - 4)
        self._hint.show(first)
        self._more.show(second)

    def key_escape(self) -> None:
        self.pane.leave()


def pane_of(pilot: Pilot[None]) -> FiguresPane:
    return pilot.app.screen.query_one(FiguresPane)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that ended is news at once."""
    monkeypatch.setattr("kensho_tui.ui.metrics.figures.asking.SETTLE_S", 0.001)


@pytest.fixture
def figures(host: FakeHost) -> ScriptedFigures:
    return ScriptedFigures(host, SMALL, CODER, OLD)


@pytest.fixture
def opened(make_app: Callable[..., KenshoApp]) -> Opened:
    """`async with opened() as pilot`: the pane alone on the screen with the figures of all time, or those
    it begins with (``of_late``).
    """

    @asynccontextmanager
    async def started(
        app: KenshoApp | None = None, size: tuple[int, int] = (80, 24), *, of_late: bool = False
    ) -> AsyncIterator[Pilot[None]]:
        async with (app or make_app()).run_test(size=size) as pilot:
            await until(pilot, lambda: app_of(pilot).session.link == "connected")
            await pilot.app.push_screen(Stage(app_of(pilot)))
            await until(pilot, lambda: not busy(pilot))
            if not of_late and "all time" not in screen_text(pilot):
                await pilot.press("p")
                await until(pilot, lambda: not busy(pilot))
            yield pilot

    return started


def busy(pilot: Pilot[None]) -> bool:
    """Whether the pane still does something."""
    return any(worker.group.startswith("figures") for worker in pilot.app.workers)
