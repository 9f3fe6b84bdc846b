"""The metrics screen over a host whose samples tests say."""

import pytest

from tests.ui.fake_host import FakeHost
from tests.ui.metrics.scripted import Samples, generation, list_of


@pytest.fixture
def samples(host: FakeHost) -> Samples:
    """No sample taken yet, and one answer given."""
    found = Samples(host)
    host.replies["metrics.generations"] = list_of(generation())
    return found


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that was lost is asked again at once."""
    monkeypatch.setattr("kensho_tui.ui.metrics.now.feed.RETRY_S", 0.05)
