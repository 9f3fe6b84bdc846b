from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.home import Home


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """An empty home with one model that a scripted worker can hold."""
    home = Home(tmp_path, monkeypatch.setenv)
    home.add_model("scripted")
    home.settings('model = "scripted"\n')
    yield home
    assert home.close() == []
