"""An app on a host in memory, with its own folders, a fixed clock, and no settings of this machine."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from textual import events
from textual.pilot import Pilot

from kensho_tui.config.paths import Paths
from kensho_tui.config.settings import Settings
from kensho_tui.ui.app import KenshoApp
from tests.support.rest import wait_for_rest
from tests.ui.fake_host import FakeHost

NOW = datetime(2026, 11, 21, 9, 20, tzinfo=UTC)
Started = Callable[..., AbstractAsyncContextManager[Pilot[None]]]


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("SSH_CONNECTION", "TMUX", "STY", "NO_COLOR", "TEXTUAL", "TEXTUAL_ANIMATIONS"):
        monkeypatch.delenv(name, raising=False)
    before = os.environ.get("TZ")
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    if before is None:
        monkeypatch.delenv("TZ")
    else:
        monkeypatch.setenv("TZ", before)
    time.tzset()


@pytest.fixture(autouse=True)
def no_head_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """The app gives its prompt a fifth of a second before it connects; hundreds of tests need not wait."""
    monkeypatch.setattr("kensho_tui.ui.app.START_AFTER_S", 0)


@pytest.fixture(autouse=True)
def rest_by_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pilot waits, after each key and in a pause, until the app's loop has nothing to do."""
    for user in ("textual.app", "textual.pilot"):
        monkeypatch.setattr(f"{user}.wait_for_idle", wait_for_rest)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(*(tmp_path / name for name in ("config", "data", "cache", "logs", "run")))


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


@pytest.fixture
def make_app(host: FakeHost) -> Callable[..., KenshoApp]:
    # Fixed folders: they are shown on screen and must not differ from run to run.
    home = Paths(*(Path("/home/me/kensho", name) for name in ("config", "data", "cache", "logs", "run")))

    def make(settings: Settings | None = None, problems: tuple[str, ...] = ()) -> KenshoApp:
        app = KenshoApp(host, home, settings or Settings(), problems, now=lambda: NOW)
        app.chat_screen.prompt.cursor_blink = False
        return app

    return make


@pytest.fixture
def start(make_app: Callable[..., KenshoApp]) -> Started:
    """`async with start() as pilot`: the app, connected and at rest."""

    @asynccontextmanager
    async def started(
        settings: Settings | None = None, *, size: tuple[int, int] = (80, 24), problems: tuple[str, ...] = ()
    ) -> AsyncIterator[Pilot[None]]:
        app = make_app(settings, problems)
        async with app.run_test(size=size, notifications=True) as pilot:
            await until(pilot, lambda: app.session.link == "connected")
            yield pilot

    return started


def app_of(pilot: Pilot[None]) -> KenshoApp:
    assert isinstance(pilot.app, KenshoApp)
    return pilot.app


def screen_text(pilot: Pilot[None]) -> str:
    """What is on the screen now, row by row."""
    app = pilot.app
    strips = app.screen._compositor.render_strips()
    return "\n".join(strip.text.rstrip() for strip in strips)


async def until(
    pilot: Pilot[None], condition: Callable[[], bool | Awaitable[bool]], seconds: float = 10.0
) -> None:
    """Let the app work until `condition` holds; fails with what is on the screen."""
    end = time.monotonic() + seconds
    while True:
        await pilot.pause()
        held = condition()
        if held if isinstance(held, bool) else await held:
            return
        if time.monotonic() > end:
            pytest.fail(f"it never came to pass; the screen:\n{screen_text(pilot)}")
        await asyncio.sleep(0.01)


async def shown(pilot: Pilot[None], *texts: str) -> None:
    """Wait until all `texts` are on the screen."""
    await until(pilot, lambda: all(text in screen_text(pilot) for text in texts))


def at_once(pilot: Pilot[None], *keys: str) -> None:
    """Keys that come in one go, as from a slow line: all are there before the first is handled."""
    for key in keys:
        pilot.app.post_message(events.Key(key, key if len(key) == 1 else None))
