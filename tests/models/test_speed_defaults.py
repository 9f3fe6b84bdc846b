"""What a person set of threads, batch and flash attention reaches the worker, and all that depends on it."""

from dataclasses import replace
from pathlib import Path

import pytest

from kensho_tui.core.errors import UsageError
from kensho_tui.core.model_contract import ChangeModel, Defaults
from kensho_tui.models.dry_run import dry_runs
from kensho_tui.models.estimate import LoadShape, estimate
from kensho_tui.models.gguf.read import read_shape
from kensho_tui.models.kv_files import state_key
from kensho_tui.models.wishes import check_defaults
from tests.models.stage import MB, Stage, stage


async def planned(on: Stage, defaults: Defaults) -> tuple[object, ...]:
    await on.library.change(ChangeModel(model="a", defaults=defaults))
    request = (await on.planner.plan(await on.library.find("a"))).request
    return request.threads, request.threads_most, request.threads_batch, request.batch, request.flash


@pytest.mark.parametrize(
    ("defaults", "asked"),
    [
        (Defaults(), (1, 2, 2, 0, None)),
        (Defaults(threads=3), (3, 3, 2, 0, None)),
        (Defaults(threads=0), (1, 2, 2, 0, None)),
        (Defaults(threads_batch=4, batch=128, flash=True), (1, 2, 4, 128, True)),
        (Defaults(flash=False), (1, 2, 2, 0, False)),
    ],
)
async def test_defaults_reach_the_worker(
    tmp_path: Path, defaults: Defaults, asked: tuple[object, ...]
) -> None:
    async with stage(tmp_path) as on:
        on.add("a")
        assert await planned(on, defaults) == asked


async def test_a_quantised_cache_keeps_flash_attention(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        on.add("a", heads=1, kv_heads=1, embedding=64)
        with pytest.raises(UsageError, match="needs flash attention"):
            await on.library.change(ChangeModel(model="a", defaults=Defaults(flash=False, kv_type="q8_0")))
        await on.library.change(ChangeModel(model="a", defaults=Defaults(flash=False)))
        on.planner.options = replace(on.planner.options, kv_type="q8_0")
        plan = await on.planner.plan(await on.library.find("a"))
        assert (plan.request.kv_type, plan.load.flash, plan.request.flash) == ("q8_0", True, None)


@pytest.mark.parametrize(
    "defaults", [Defaults(threads=-1), Defaults(threads_batch=0), Defaults(batch=1), Defaults(batch=1 << 20)]
)
def test_settings_that_cannot_be(defaults: Defaults) -> None:
    with pytest.raises(UsageError):
        check_defaults(defaults)


async def test_what_was_measured_belongs_to_batch_and_flash_attention(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        model = on.add("a", 100 * MB)
        await on.learn(model)
        assert (await on.planner.plan(model)).need.source == "measured"
        for other in (Defaults(batch=512), Defaults(flash=False)):
            await on.library.change(ChangeModel(model="a", defaults=other))
            assert (await on.planner.plan(model)).need.source == "estimated"
            await on.learn(model)
            assert (await on.planner.plan(model)).need.source == "measured"


async def test_a_saved_cache_is_good_for_its_own_settings(tmp_path: Path) -> None:
    keys = []
    async with stage(tmp_path, quota=1 << 30) as on:
        model = on.add("a")
        for defaults in (Defaults(), Defaults(batch=512), Defaults(flash=False), Defaults(threads=2)):
            await on.library.change(ChangeModel(model="a", defaults=defaults))
            async with on.manager.use(model, lambda phase: None) as resident:
                keys.append(resident.key)
                loaded, request = resident.loaded, resident.request
                assert loaded is not None and request is not None
                # As versions made it that knew none of these settings.
                shape = (loaded.build, loaded.context, request.kv_type, request.gpu_layers, loaded.device)
                before = state_key(model.path, resident.identity, *shape)
            await on.manager.unload()
    assert len(set(keys[:3])) == 3
    assert keys[3] == keys[0] == before


async def test_the_estimate_without_flash_attention_is_the_allocators(smollm: Path) -> None:
    loads = [LoadShape(4096, flash=flash, batch=batch) for flash in (True, False) for batch in (0, 512)]
    shape = read_shape(smollm)
    for load, found in zip(loads, await dry_runs(smollm, loads), strict=True):
        assert estimate(shape, load).total == pytest.approx(found.total, rel=0.02), load
