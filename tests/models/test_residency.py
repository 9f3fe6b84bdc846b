"""Several residents under a limit: who stays, who goes, what is said, what happens when memory runs out."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from kensho_tui.core.contract import Phase
from kensho_tui.core.errors import KenshoError, LoadError, NoMemoryError
from kensho_tui.core.model_contract import ChangeModel, Defaults, FitModel
from kensho_tui.hardware.pools import Pool
from tests.models.stage import MB, OPTIONS, Stage, add_model, stage

pytestmark = pytest.mark.timeout(60)

ON_CARD = {"device": "CUDA0 (card)"}


def notes(phases: list[Phase], name: str) -> list[str]:
    return [phase.note for phase in phases if phase.name == name]


async def test_both_stay_where_both_fit(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        one, other = on.add("one"), on.add("other")
        pids = [await on.use(model) for model in (one, other, one, other)]
        assert pids[:2] == pids[2:] and on.names == ["one", "other"]


async def test_one_goes_where_the_limit_holds_one(tmp_path: Path) -> None:
    async with stage(tmp_path, limit=150 * MB) as on:
        one, other = on.add("one"), on.add("other")
        await on.learn(one, other)
        await on.use(one)
        phases: list[Phase] = []
        await on.use(other, phases)
        assert on.names == ["other"]
        assert notes(phases, "unloading") == ["one"]


async def test_the_least_recently_used_of_two_alike_goes(tmp_path: Path) -> None:
    async with stage(tmp_path, limit=250 * MB) as on:
        first, second, third = on.add("first"), on.add("second"), on.add("third")
        await on.learn(first, second, third)
        for model in (first, second, first):
            await on.use(model)
        for resident in on.manager.residents.all():
            resident.load_s = 1.0  # alike, however busy this machine was
        listed = {model.name: model.verdict for model in await on.fitting.models()}
        verdict = listed["third"]
        assert verdict is not None and (verdict.kind, verdict.unload) == ("after", ("second",))
        assert "second" in verdict.reason
        await on.use(third)
        assert on.names == ["first", "third"]


async def test_a_pinned_one_stays(tmp_path: Path) -> None:
    async with stage(tmp_path, limit=250 * MB) as on:
        first, second, third = on.add("first"), on.add("second"), on.add("third")
        await on.learn(first, second, third)
        await on.library.change(ChangeModel(model="first", pinned=True))
        await on.use(await on.library.find("first"))
        await on.use(second)
        await on.use(third)
        assert on.names == ["first", "third"]
        await on.manager.unload_unused()
        assert on.names == ["first"]
        await on.manager.unload()
        assert on.names == []


async def test_what_does_not_fit_is_refused_before_it_is_tried(tmp_path: Path) -> None:
    async with stage(tmp_path, limit=150 * MB) as on:
        small, large = on.add("small"), on.add("large", 200 * MB)
        # The first time nobody knows: its header says that it is small.
        await on.manager.prepare(large, switch=True, anyway=True)
        await on.manager.unload()
        await on.use(small)
        with pytest.raises(LoadError, match=r"large needs about .* of RAM .* are left"):
            await on.use(large)
        assert on.names == ["small"], "nothing goes for a model that would not fit anyway"


async def test_a_limit_is_named_where_it_is_what_binds(tmp_path: Path) -> None:
    async with stage(tmp_path, limit=150 * MB) as on:
        large = on.add("large", 200 * MB)
        await on.manager.prepare(large, switch=True, anyway=True)
        await on.manager.unload()
        verdict = (await on.fitting.fit(FitModel(model="large"))).verdict
        assert verdict.kind == "too large" and verdict.limit == 150 * MB and "memory_limit" in verdict.reason
        with pytest.raises(LoadError, match="memory_limit"):
            await on.use(large)


async def test_what_is_pinned_or_answers_is_named_where_it_is_in_the_way(tmp_path: Path) -> None:
    async with stage(tmp_path, limit=150 * MB) as on:
        one, other = on.add("one"), on.add("other")
        await on.learn(one, other)

        async def blocked() -> tuple[str, ...]:
            return (await on.fitting.fit(FitModel(model="other"))).verdict.blocked

        async with on.manager.use(one, lambda phase: None):
            assert await blocked() == ("one",)
            with pytest.raises(LoadError) as error:
                await on.manager.prepare(other, switch=True)
            assert "one" in error.value.hint
        assert await blocked() == ()
        await on.manager.unload()
        await on.library.change(ChangeModel(model="one", pinned=True))
        await on.use(await on.library.find("one"))
        assert await blocked() == ("one",)


async def test_what_a_model_that_loads_is_given_does_not_count_against_it(tmp_path: Path) -> None:
    async with stage(tmp_path, limit=150 * MB) as on:
        slow = on.add("slow", load_s=1.0)
        await on.learn(slow)
        loading = asyncio.create_task(on.manager.prepare(slow))
        while not any(worker.footprint for worker in on.manager.workers()):
            await asyncio.sleep(0.01)
        assert (await on.fitting.fit(FitModel(model="slow"))).verdict.kind == "fits"
        await loading


async def test_a_raised_limit_gives_a_larger_context(tmp_path: Path) -> None:
    shape = {"layers": 8, "embedding": 1024, "heads": 8, "kv_heads": 8}
    found = []
    for limit in (100 * MB, 400 * MB):
        async with stage(tmp_path, limit=limit) as on:
            on.add("one", **shape)
            found.append((await on.planner.plan(await on.library.find("one"))).load.context)
    assert found[0] < found[1]


async def test_load_anyway_makes_all_the_room_there_is(tmp_path: Path) -> None:
    async with stage(tmp_path, limit=150 * MB) as on:
        small, large = on.add("small"), on.add("large", 200 * MB)
        await on.manager.prepare(large, switch=True, anyway=True)
        await on.manager.unload()
        await on.use(small)
        await on.manager.prepare(large, switch=True, anyway=True)
        assert on.names == ["large"]


async def test_what_answers_is_never_unloaded(tmp_path: Path) -> None:
    async with stage(tmp_path, limit=150 * MB) as on:
        one, other = on.add("one"), on.add("other")
        await on.learn(one, other)
        async with on.manager.use(one, lambda phase: None) as resident:
            with pytest.raises(LoadError):
                await on.manager.prepare(other, switch=True)
            assert (await on.manager.unload()).busy == ("one",)
            assert resident.alive
        assert (await on.manager.unload()).models == ("one",)


async def test_out_of_memory_is_tried_once_more_without_the_others(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        other, hungry = on.add("other"), on.add("hungry", fail="no_memory", times=1)
        await on.use(other)
        phases: list[Phase] = []
        await on.use(hungry, phases)
        assert on.names == ["hungry"]
        assert notes(phases, "unloading") == ["other"]
        assert any("memory ran out" in note for note in notes(phases, "starting"))


async def test_then_with_half_the_context_that_was_chosen_by_itself(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        hungry = on.add("hungry", fail="no_memory", fail_above=2048)
        phases: list[Phase] = []
        async with on.manager.use(hungry, phases.append) as resident:
            assert resident.request is not None and resident.request.context == 2048
        assert any("2,048 tokens" in note for note in notes(phases, "starting"))
        await on.manager.unload()
        # It is remembered: the next load does not fail first.
        phases.clear()
        await on.use(hungry, phases)
        assert not any(note for note in notes(phases, "starting"))


async def test_a_context_set_by_hand_is_never_changed(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        hungry = on.add("hungry", fail="no_memory", fail_above=2048)
        await on.library.change(ChangeModel(model="hungry", defaults=Defaults(context=4096)))
        with pytest.raises(NoMemoryError, match="memory ran out while hungry was loaded") as error:
            await on.use(hungry)
        assert error.value.hint


async def test_nor_when_the_settings_say_so(tmp_path: Path) -> None:
    async with stage(tmp_path, may_retry=False) as on:
        with pytest.raises(NoMemoryError):
            await on.use(on.add("hungry", fail="no_memory", fail_above=2048))


async def test_one_retry_and_no_more(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        hungry = on.add("hungry", fail="no_memory")
        with pytest.raises(NoMemoryError):
            await on.use(hungry)
        assert on.manager.workers() == ()


async def test_a_switch_is_cancelled_and_says_so(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        slow = on.add("slow", load_s=20.0)
        switching = asyncio.create_task(on.manager.prepare(slow, switch=True))
        while on.manager.loading is None:
            await asyncio.sleep(0.01)
        await on.manager.cancel_load()
        with pytest.raises(KenshoError, match="loading was cancelled"):
            await switching
        assert on.manager.workers() == ()


async def test_a_switch_takes_the_place_of_a_load_that_typing_began(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        slow, wanted = on.add("slow", load_s=20.0), on.add("wanted")
        typing = asyncio.create_task(on.manager.prepare(slow))
        while on.manager.loading is None:
            await asyncio.sleep(0.01)
        await on.manager.prepare(wanted, switch=True)
        await typing
        assert on.names == ["wanted"]


async def test_the_worker_says_how_long_it_took_last_time(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        model = on.add("one", load_s=0.3)
        await on.learn(model)
        loading = asyncio.create_task(on.manager.prepare(model))
        while not on.manager.workers() or not on.manager.workers()[0].expected_s:
            assert not loading.done()
            await asyncio.sleep(0.01)
        assert 0.3 <= on.manager.workers()[0].expected_s < 5
        await loading
        assert on.manager.workers()[0].expected_s == 0


async def test_a_card_gives_its_memory_back_a_moment_later(tmp_path: Path) -> None:
    def card(free: int) -> Pool:
        return Pool("VRAM", "card", "CUDA0", 4000 * MB, free * MB, 0)

    async with stage(tmp_path, options=replace(OPTIONS, device="CUDA"), pools=[card(2000)]) as on:
        one, other = on.add("one", 150 * MB, **ON_CARD), on.add("other", 150 * MB, **ON_CARD)
        await on.use(one)
        on.pools[:] = [card(900)]
        phases: list[Phase] = []

        def listen(phase: Phase) -> None:
            phases.append(phase)
            if phase.name == "waiting":
                asyncio.get_running_loop().call_later(0.3, on.pools.__setitem__, 0, card(2000))

        async with on.manager.use(other, listen):
            assert on.pools == [card(2000)], "the memory had come back before the load began"
        assert notes(phases, "waiting") == ["for the driver to give the memory back"]
        assert on.names == ["other"]


async def test_the_largest_context_that_fits_is_chosen_once(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        model = on.add("one")
        first = await on.fitting.fit(FitModel(model="one"))
        assert first.context == 4096 and first.verdict.kind == "fits"
        await on.use(model)
        assert (await on.fitting.fit(FitModel(model="one"))).verdict.kind == "resident"
        other = await on.fitting.fit(FitModel(model="one", context=1024))
        assert other.verdict.kind == "fits" and other.context == 1024


async def test_details_of_a_broken_file_say_what_is_wrong(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        path = on.paths.models / "broken.gguf"
        path.write_bytes(b"GGUF\x03\x00\x00\x00")
        details = await on.fitting.details("broken")
        assert details.fit is None and details.info.problem
        (listed,) = [model for model in await on.fitting.models() if model.name == "broken"]
        assert listed.problem and listed.verdict is not None and listed.verdict.kind == "unknown"


async def test_an_evicted_models_chat_goes_on_where_it_was(tmp_path: Path) -> None:
    async with stage(tmp_path, limit=150 * MB, quota=10 * MB) as on:
        one, other = on.add("one"), on.add("other")
        await on.learn(one, other)
        await on.say(one, "first")
        await on.use(other)
        assert on.names == ["other"] and on.files is not None
        assert on.files.usage()[0] == 1
        assert (await on.say(one, "second")).restored == 0, "another chat's cache is of no use"
        assert (await on.say(one, "first")).restored > 0
        # What the worker holds itself needs no file.
        assert (await on.say(one, "first")).restored == 0


async def test_a_replaced_model_file_makes_its_caches_useless(tmp_path: Path) -> None:
    async with stage(tmp_path, quota=10 * MB) as on:
        one = on.add("one")
        await on.say(one, "first")
        on.add("one", 101 * MB)
        await on.manager.unload()
        assert on.files is not None and on.files.usage()[0] == 1
        assert (await on.say(one, "first")).restored == 0


def replaced(on: Stage, name: str, **shape: object) -> None:
    """Another file under the path of the model `name`, moved there as a person would."""
    other = add_model(on.paths.data, "other-file", 50 * MB, **shape)
    Path(other.path).replace(on.models[name].path)


async def test_a_file_that_was_replaced_is_loaded_by_the_next_turn(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        model = on.add("twin")
        before = await on.use(model)
        async with on.manager.use(model, lambda phase: None) as resident:
            replaced(on, "twin", load_s=0.1)
            waiting = asyncio.create_task(on.use(model))
            await on.manager.prepare(model)
            # A turn under way goes on with what it has.
            assert resident.alive and resident.worker.pid == before
            assert (await on.fitting.details("twin")).info.resident is False
        after = await waiting
        assert after != before and on.names == ["twin"]
        assert (await on.fitting.details("twin")).info.resident is True
        assert await on.use(model) == after


async def test_a_file_that_was_replaced_is_loaded_ahead_of_the_turn(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        model = on.add("twin")
        before = await on.use(model)
        replaced(on, "twin")
        await on.manager.prepare(model)
        (worker,) = on.manager.workers()
        assert worker.pid != before and await on.use(model) == worker.pid


async def test_a_file_that_is_gone_leaves_its_model_loaded(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        model = on.add("twin")
        before = await on.use(model)
        Path(model.path).unlink()
        assert await on.use(model) == before


async def test_of_a_file_that_was_replaced_no_chat_is_kept(tmp_path: Path) -> None:
    async with stage(tmp_path, quota=1 << 30) as on:
        model = on.add("twin")
        await on.say(model, "chat", "hello " * 1000)
        replaced(on, "twin")
        await on.use(model)
        assert not list((on.paths.cache / "kv").glob("*.kv"))
