from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.home import Home


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """An empty home: the starter is the only model, the host and its workers are the real ones."""
    home = Home(tmp_path, monkeypatch.setenv)
    yield home
    assert home.close() == []


@pytest.fixture
def scripted(home: Home) -> Home:
    """A home whose host runs already, with scripted workers."""
    home.add_model("scripted")
    home.settings('model = "scripted"\n')
    home.start_scripted_host()
    return home
