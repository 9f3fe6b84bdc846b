"""What checks look at, in folders of a test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kensho_tui.config.settings import load_settings
from kensho_tui.host.doctor.check import Surroundings
from kensho_tui.host.doctor.engine import Engine
from tests.support.home import Home
from tests.support.scripted_host import SCRIPTED_WORKER


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """An empty KENSHO_HOME."""
    home = Home(tmp_path / "home", monkeypatch.setenv)
    yield home
    assert home.close() == []


@pytest.fixture
def around(home: Home) -> Iterator[Surroundings]:
    """The home's surroundings with scripted workers."""
    engine = Engine(SCRIPTED_WORKER)
    settings, problems = load_settings(home.paths.settings)
    yield Surroundings(home.paths, settings, problems, {}, engine)
    engine.close()
