"""Models that leave while others want them: nothing that answers is cut, nothing dropped, nothing hangs."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kensho_tui.core.errors import KenshoError
from kensho_tui.core.model_contract import ChangeModel, Defaults, FitModel
from kensho_tui.hardware.pools import Pool
from kensho_tui.models import ahead
from kensho_tui.models.resident import Resident
from kensho_tui.models.spawn import spawn_worker
from tests.models.stage import MB, OPTIONS, Stage, stage
from tests.support.scripted_host import SCRIPTED_WORKER
from tests.support.turns import script

pytestmark = pytest.mark.timeout(60)

QUOTA = 10 * MB
SAVE_S = 0.5
LONG = script(text="word ", repeat=20, piece=5, rate=20)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


def leaving(on: Stage, name: str) -> Callable[[], bool]:
    return lambda: any(info.model == name and info.state == "closing" for info in on.manager.workers())


Leave = Callable[[Stage], Awaitable[object]]
WAYS: dict[str, Leave] = {
    "idle": lambda on: on.manager.unload_unused(),
    "by hand": lambda on: on.manager.unload(),
    "switch": lambda on: on.manager.prepare(on.models["other"], switch=True),
}


@pytest.mark.parametrize("way", list(WAYS))
async def test_a_turn_that_comes_while_its_model_leaves_gets_a_new_worker(tmp_path: Path, way: str) -> None:
    async with stage(tmp_path, limit=150 * MB, quota=QUOTA) as on:
        one, other = on.add("one", save_s=SAVE_S), on.add("other")
        await on.learn(one, other)
        await on.say(one, "chat")
        going = asyncio.ensure_future(WAYS[way](on))
        await until(leaving(on, "one"))
        end = await on.say(one, "chat")
        assert end.stop_reason == "end" and end.restored > 0
        await going


async def test_what_answers_is_not_evicted_though_it_was_idle_when_the_load_began(tmp_path: Path) -> None:
    async with stage(tmp_path, limit=250 * MB, quota=QUOTA) as on:
        first, second = on.add("first", save_s=SAVE_S), on.add("second", save_s=SAVE_S)
        large = on.add("large", 200 * MB)
        await on.learn(first, second, large)
        await on.say(first, "1")
        await on.say(second, "2")
        loading = asyncio.create_task(on.manager.prepare(large, switch=True))
        await until(leaving(on, "first"))
        assert leaving(on, "second")(), "both are marked before either is saved"
        end = await on.say(second, "2", LONG)
        assert end.stop_reason == "end"
        await asyncio.gather(loading, return_exceptions=True)


async def test_a_load_cancelled_while_it_evicts_leaves_nothing_half_done(tmp_path: Path) -> None:
    async with stage(tmp_path, limit=150 * MB, quota=QUOTA) as on:
        one, other = on.add("one", save_s=SAVE_S), on.add("other")
        await on.learn(one, other)
        await on.say(one, "chat")
        switching = asyncio.create_task(on.manager.prepare(other, switch=True))
        await until(leaving(on, "one"))
        await on.manager.cancel_load()
        with pytest.raises(KenshoError, match="cancelled"):
            await switching
        assert (await on.say(one, "chat")).restored > 0


async def test_an_unload_whose_asker_is_gone_goes_on(tmp_path: Path) -> None:
    async with stage(tmp_path, limit=150 * MB, quota=QUOTA) as on:
        one, other = on.add("one", save_s=SAVE_S), on.add("other")
        await on.learn(one, other)
        await on.say(one, "chat")
        unloading = asyncio.create_task(on.manager.unload(one.path))
        await until(leaving(on, "one"))
        turn = asyncio.create_task(on.say(other, "more"))
        await asyncio.sleep(0.1)
        unloading.cancel()
        assert (await turn).stop_reason == "end"


async def test_a_load_waits_for_memory_that_is_on_its_way_back(tmp_path: Path) -> None:
    async with stage(tmp_path, limit=150 * MB, quota=QUOTA) as on:
        one, other = on.add("one", save_s=SAVE_S), on.add("other")
        await on.learn(one, other)
        await on.say(one, "chat")
        unloading = asyncio.create_task(on.manager.unload_unused())
        await until(leaving(on, "one"))
        assert (await on.say(other, "more")).stop_reason == "end"
        await unloading


async def test_the_last_of_several_switches_counts(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        models = [on.add(name, load_s=0.5) for name in ("first", "second", "third")]
        switches = []
        for model in models:
            switches.append(asyncio.create_task(on.manager.prepare(model, switch=True)))
            await asyncio.sleep(0.02)
        first, second, third = await asyncio.gather(*switches, return_exceptions=True)
        assert isinstance(first, KenshoError) and isinstance(second, KenshoError) and third is None
        assert on.names == ["third"]


async def test_switching_back_while_the_model_is_evicted(tmp_path: Path) -> None:
    async with stage(tmp_path, limit=150 * MB, quota=QUOTA) as on:
        one, other = on.add("one", save_s=SAVE_S), on.add("other")
        await on.learn(one, other)
        await on.say(one, "chat")
        away = asyncio.create_task(on.manager.prepare(other, switch=True))
        await until(leaving(on, "one"))
        await on.manager.prepare(one, switch=True)
        assert on.names == ["one"]
        with pytest.raises(KenshoError, match="cancelled"):
            await away


async def test_closing_goes_on_when_an_unload_is_cancelled(tmp_path: Path) -> None:
    async with stage(tmp_path, quota=QUOTA) as on:
        one, other = on.add("one", save_s=SAVE_S), on.add("other", save_s=SAVE_S)
        await on.say(one, "1")
        await on.say(other, "2")
        unloading = asyncio.create_task(on.manager.unload())
        await until(leaving(on, "one"))
        closing = asyncio.create_task(on.manager.close())
        await asyncio.sleep(0.05)
        unloading.cancel()
        await closing
        assert on.manager.workers() == () and on.files is not None and on.files.usage()[0] == 2


async def test_a_dead_resident_is_replaced(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        one = on.add("one")
        await on.use(one)
        (resident,) = on.manager.residents.all()
        resident.worker.kill()
        await resident.worker.ended.wait()
        assert await on.use(one) != resident.worker.pid
        assert len(on.manager.workers()) == 1


async def test_a_switch_applies_what_was_set_meanwhile(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        one = on.add("one")
        before = await on.use(one)
        await on.manager.prepare(one, switch=True)
        assert await on.use(one) == before
        await on.library.change(ChangeModel(model="one", defaults=Defaults(context=512)))
        assert await on.use(one) == before, "a turn takes what is there"
        await on.manager.prepare(one, switch=True)
        (worker,) = on.manager.workers()
        assert worker.pid != before and worker.context == 512


async def test_a_question_decides_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path, limit=100 * MB) as on:
        one = on.add("one", layers=8, embedding=1024, heads=8, kv_heads=8)
        await on.library.change(ChangeModel(model="one", defaults=Defaults(kv_type="q8_0")))
        before = (await on.fitting.fit(FitModel(model="one"))).context
        asked = await on.fitting.fit(FitModel(model="one", kv_type="f16"))
        assert asked.context < before
        assert (await on.fitting.fit(FitModel(model="one"))).context == before
        plan = await on.planner.plan(one)
        assert plan.load.context == before


@pytest.mark.parametrize("dies", [False, True])
async def test_a_worker_that_loaded_before_it_was_adopted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies: bool
) -> None:
    monkeypatch.setattr(ahead, "spawn_worker", lambda: spawn_worker(SCRIPTED_WORKER))
    async with stage(tmp_path, quota=QUOTA) as on:
        one = on.add("one")
        await on.learn(one)
        slow = on.manager.kept.watch

        async def late(resident: Resident) -> None:
            await asyncio.sleep(0.3)  # meanwhile its frames arrive, or its end
            await slow(resident)

        monkeypatch.setattr(on.manager.kept, "watch", late)
        spare = ahead.start_spare(on.paths.cache)
        assert spare.frame
        on.manager.adopt(spare)
        if dies:
            await until(lambda: on.manager.loading is not None)
            spare.spawned.process.kill()
            with pytest.raises(KenshoError):
                await on.use(one)
        assert await on.use(one)


async def test_a_worker_that_dies_right_after_its_load_is_no_resident(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stage(tmp_path, quota=QUOTA) as on:
        one = on.add("one")
        loads = 0

        async def fatal(resident: Resident) -> None:
            nonlocal loads
            loads += 1
            resident.worker.kill()
            await resident.worker.ended.wait()

        monkeypatch.setattr(on.manager.kept, "loaded", fatal)
        with pytest.raises(KenshoError, match="ended"):
            await on.use(one)
        assert loads == 1 and on.manager.workers() == ()


async def test_a_retry_for_want_of_memory_cuts_nothing_that_answers(tmp_path: Path) -> None:
    async with stage(tmp_path, quota=QUOTA) as on:
        one, hungry = on.add("one"), on.add("hungry", fail="no_memory", times=1, load_s=0.3)
        await on.say(one, "1")
        loading = asyncio.create_task(on.manager.prepare(hungry, switch=True))
        await until(lambda: on.manager.loading is not None)
        end = await on.say(one, "1", LONG)
        assert end.stop_reason == "end" and end.sequence == 20
        await asyncio.gather(loading, return_exceptions=True)


async def test_residents_that_took_more_than_expected_are_a_debt(tmp_path: Path) -> None:
    async with stage(tmp_path, limit=250 * MB) as on:
        models = [on.add(name, 150 * MB) for name in ("first", "second", "third")]
        # Their headers say that they are small: both are loaded, and take more than is allowed.
        for model in models[:2]:
            await on.use(model)
        verdict = (await on.fitting.fit(FitModel(model="third"))).verdict
        assert verdict.kind == "after" and len(verdict.unload) >= 1
        await on.learn(models[2])
        for model in models[:2]:
            await on.use(model)
        await on.use(models[2])
        assert on.names == ["third"]


async def test_a_switch_waits_for_the_load_that_a_turn_waits_for(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        slow, wanted = on.add("slow", load_s=0.5), on.add("wanted")
        turn = asyncio.create_task(on.say(slow, "1"))
        await until(lambda: on.manager.loading is not None)
        await on.manager.prepare(wanted, switch=True)
        assert "wanted" in on.names
        assert (await turn).stop_reason == "end"


async def test_switching_back_to_what_is_there_ends_the_other_load(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        one, slow = on.add("one"), on.add("slow", load_s=20.0)
        await on.use(one)
        away = asyncio.create_task(on.manager.prepare(slow, switch=True))
        await until(lambda: on.manager.loading is not None)
        await on.manager.prepare(one, switch=True)
        assert on.manager.loading is None and on.names == ["one"]
        with pytest.raises(KenshoError, match="cancelled"):
            await away


async def test_a_load_that_the_next_turn_wants_survives_the_first_one(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        slow = on.add("slow", load_s=0.5)
        first, second = (asyncio.create_task(on.say(slow, chat)) for chat in ("1", "2"))
        await until(lambda: on.manager.loading is not None and bool(on.manager.workers()[0].phase))
        pid = on.manager.workers()[0].pid
        first.cancel()
        assert (await second).stop_reason == "end"
        assert [worker.pid for worker in on.manager.workers()] == [pid]
        with pytest.raises(asyncio.CancelledError):
            await first


async def test_nothing_is_loaded_any_more_once_it_is_closed(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        one = on.add("one")
        await on.manager.close()
        with pytest.raises(KenshoError, match="ending"):
            await on.use(one)


@pytest.mark.parametrize("turns", [1, 3])
async def test_ram_beside_a_gpu_is_made_room_in_too(tmp_path: Path, turns: int) -> None:
    def read(device: str, own: object) -> list[Pool]:
        if device == "CPU":
            return [Pool("RAM", "RAM", "CPU", 4000 * MB, 4000 * MB, 0)]
        return [Pool("VRAM", "card", "CUDA0", 64_000 * MB, 64_000 * MB, 0)]

    on_card = {"device": "CUDA0 (card)", "host": 2000 * MB}
    async with stage(tmp_path, options=replace(OPTIONS, device="CUDA"), ask=read) as on:
        one, other = on.add("one", **on_card), on.add("other", **on_card)
        await on.learn(one, other)
        for _ in range(turns):
            await on.use(one)
            verdicts = {model.name: model.verdict for model in await on.fitting.models()}
            assert verdicts["other"] is not None and verdicts["other"].unload == ("one",)
            await on.use(other)
            assert on.names == ["other"]
