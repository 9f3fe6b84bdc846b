from pathlib import Path

import pytest

from kensho_tui.models import catalogue
from tests.models.homes import FakeHome


@pytest.fixture
def home(tmp_path: Path) -> FakeHome:
    return FakeHome(tmp_path / "home")


@pytest.fixture
def no_starter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "find_starter", lambda: None)
