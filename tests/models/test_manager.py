"""The model manager with scripted workers: load jobs that are joined, cancelled, adopted, thrown away."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kensho_tui.bus.codec import HEADER, encode
from kensho_tui.core.contract import ModelInfo, Phase
from kensho_tui.core.frames import Load
from kensho_tui.models import ahead
from kensho_tui.models.manager import ModelManager
from kensho_tui.models.spawn import spawn_worker
from tests.models.stage import stage
from tests.support.home import wait_until
from tests.support.scripted_host import SCRIPTED_WORKER


def _model(folder: Path, name: str) -> ModelInfo:
    path = folder / f"{name}.gguf"
    path.write_bytes(b"GGUF")
    return ModelInfo(name=name, path=str(path), size=4, source="folder")


def _ignore(phase: Phase) -> None:
    pass


@pytest.fixture
async def manager(tmp_path: Path) -> AsyncIterator[ModelManager]:
    async with stage(tmp_path) as on:
        yield on.manager


async def _use(manager: ModelManager, model: ModelInfo) -> int:
    async with manager.use(model, _ignore) as resident:
        assert resident.model.path == model.path
        return resident.worker.pid


async def test_asking_for_what_is_there_does_nothing(manager: ModelManager, tmp_path: Path) -> None:
    model = _model(tmp_path, "a")
    assert await _use(manager, model) == await _use(manager, model)


async def test_another_model_has_a_worker_of_its_own(manager: ModelManager, tmp_path: Path) -> None:
    first = await _use(manager, _model(tmp_path, "a"))
    second = await _use(manager, _model(tmp_path, "b"))
    assert [worker.pid for worker in manager.workers()] == [second, first]


async def test_a_load_that_is_cancelled_before_its_first_step_blocks_nothing(
    manager: ModelManager, tmp_path: Path
) -> None:
    model = _model(tmp_path, "a")
    await asyncio.gather(manager.prepare(model), manager.unload_unused())
    async with asyncio.timeout(20):
        assert await _use(manager, model)


async def test_a_turn_joins_the_load_that_prepare_began(manager: ModelManager, tmp_path: Path) -> None:
    model = _model(tmp_path, "slow")
    preparing = asyncio.create_task(manager.prepare(model))
    await asyncio.sleep(0)
    phases: list[str] = []
    async with manager.use(model, lambda phase: phases.append(phase.name)) as resident:
        pid = resident.worker.pid
    await preparing
    assert phases[0] == "queued" and "reading" in phases
    assert [worker.pid for worker in manager.workers()] == [pid]


async def test_a_turn_for_another_model_ends_a_load_that_nobody_waits_for(
    manager: ModelManager, tmp_path: Path
) -> None:
    preparing = asyncio.create_task(manager.prepare(_model(tmp_path, "slow")))
    await asyncio.sleep(0.05)
    await _use(manager, _model(tmp_path, "a"))
    await preparing
    assert [worker.model for worker in manager.workers()] == ["a"]


async def test_a_worker_in_use_is_not_unloaded(manager: ModelManager, tmp_path: Path) -> None:
    async with manager.use(_model(tmp_path, "a"), _ignore) as resident:
        await manager.unload_unused()
        assert resident.alive
    await manager.unload_unused()
    assert manager.workers() == ()


@pytest.fixture
def scripted_spares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "spawn_worker", lambda: spawn_worker(SCRIPTED_WORKER))


@pytest.mark.usefixtures("scripted_spares")
async def test_a_spare_worker_with_our_load_is_adopted(manager: ModelManager, tmp_path: Path) -> None:
    model = _model(tmp_path, "a")
    await _use(manager, model)
    await manager.unload()
    spare = ahead.start_spare(tmp_path / "cache")
    assert spare.frame
    manager.adopt(spare)
    assert await _use(manager, model) == spare.spawned.process.pid


@pytest.mark.usefixtures("scripted_spares")
@pytest.mark.parametrize("what", ["other options", "garbage", "short", "header", "another frame"])
async def test_a_spare_worker_with_anything_else_is_ended(
    manager: ModelManager, tmp_path: Path, what: str
) -> None:
    model = _model(tmp_path, "a")
    ours = encode(Load(path=model.path, context=4096, gpu_layers=-1, threads=1, threads_batch=2))
    frame = {
        "other options": encode(Load(path=model.path, context=1)),
        "garbage": HEADER.pack(4) + b"\xc1\xc1\xc1\xc1",
        "short": b"\x00",
        "header": HEADER.pack(10_000) + ours[HEADER.size :],
        "another frame": encode({"type": "close"}),
    }[what]
    ahead.frame_file(tmp_path / "cache").write_bytes(frame)
    spare = ahead.start_spare(tmp_path / "cache")
    manager.adopt(spare)
    await asyncio.to_thread(wait_until, lambda: spare.spawned.process.poll() is not None)
    assert await _use(manager, model) != spare.spawned.process.pid


@pytest.mark.usefixtures("scripted_spares")
async def test_a_spare_worker_without_a_load_takes_the_first(manager: ModelManager, tmp_path: Path) -> None:
    spare = ahead.start_spare(tmp_path / "cache")
    manager.adopt(spare)
    assert await _use(manager, _model(tmp_path, "a")) == spare.spawned.process.pid
