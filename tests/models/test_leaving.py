"""Models that leave while others want them: nothing that answers is cut, nothing dropped, nothing hangs."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from kensho_tui.core.errors import KenshoError
from kensho_tui.core.model_contract import ChangeModel, Defaults, FitModel
from tests.models.stage import MB, Stage, stage
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
