"""Benchmarks through the real manager, with scripted workers that tell speeds by their settings."""

import asyncio
import dataclasses
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kensho_tui.core.bench_contract import ApplyBench, BenchRun, ListBenches, StartBench
from kensho_tui.core.contract import ModelInfo, Phase
from kensho_tui.core.errors import KenshoError, NotFoundError, UsageError
from kensho_tui.core.model_contract import ChangeModel, Defaults
from kensho_tui.models.bench.benches import Benches
from kensho_tui.models.bench.tools import Tools
from kensho_tui.storage.benches import BenchRows
from kensho_tui.storage.database import Database, open_database
from tests.models.stage import MB, Stage, stage

IDLE = ("sh", "-c", "echo busy; exec cat")
"""A neighbour that takes no core."""
ALONE = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    said = {"context": 1} if "text" in asked else {"prompt_tok_s": 1000.0, "decode_tok_s": 100.0}
    print(json.dumps(said), flush=True)
"""


@dataclass
class Bed:
    """``told`` are the runs as they were told, ``under_way`` is set by the first measurement."""

    on: Stage
    database: Database
    model: ModelInfo
    benches: Benches
    tools: Tools
    told: list[BenchRun] = field(default_factory=list)
    under_way: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def measured(self, **request: object) -> BenchRun:
        """One benchmark to its end."""
        await self.benches.start(StartBench(quick=True, budget_s=0.0, **request))  # type: ignore[arg-type]
        return await self.end()

    async def end(self) -> BenchRun:
        await self.ended.wait()
        return self.told[-1]

    async def default(self) -> ModelInfo:
        return self.model

    def tell(self, run: BenchRun) -> None:
        self.told.append(run)
        if run.done:
            self.under_way.set()
        if run.state != "running":
            self.ended.set()


@asynccontextmanager
async def bed(tmp_path: Path, cores: int = 2, limit: int = 0, **shape: object) -> AsyncIterator[Bed]:
    async with stage(tmp_path, limit) as on:
        database = (await open_database(tmp_path / "benches.db")).database
        model = on.add("a", 100 * MB, **shape)
        tools = Tools(
            on.manager, on.planner, cores, (max(cores - 1, 1), cores), IDLE, (sys.executable, "-c", ALONE)
        )

        made: list[Bed] = []

        def tell(run: BenchRun) -> None:
            made[0].tell(run)

        async def default() -> ModelInfo:
            return await made[0].default()

        benches = Benches(tools, on.library, BenchRows(database), default, tell, lambda: None)
        made.append(Bed(on, database, model, benches, tools))
        try:
            yield made[0]
        finally:
            await benches.close()
            await database.close()


async def test_a_benchmark_recommends_for_both_machines_and_is_kept(tmp_path: Path) -> None:
    async with bed(tmp_path, write_s=0.01, read_s=0.001) as there:
        await there.benches.start(StartBench(quick=True, budget_s=60.0))
        run = await there.end()
        assert (run.state, run.error, run.model, run.cores) == ("complete", "", "a", 2)
        assert [one.condition for one in run.recommendations] == ["quiet", "shared"]
        assert {one.settings.threads for one in run.recommendations} == {2}
        assert all(one.settings.threads_batch == 2 for one in run.recommendations)
        assert run.before is not None and run.before.threads == 0
        assert all(one.gain > 1.5 for one in run.recommendations)
        shares = [(one.prompt_share, one.decode_share) for one in run.bare]
        assert shares == [pytest.approx((2.0, 2.0))] * 2
        assert run.done == run.total > 10
        counts = {point.decode.count for point in run.points if point.decode}
        assert counts >= {1, 2}
        assert not any(point.problem for point in run.points)
        # Nothing is left in memory, and the next turn is answered.
        assert there.on.names == []
        assert await there.on.use(there.model)
        kept = (await there.benches.list(ListBenches(model="A"))).runs
        assert kept == (run,)


async def test_stopped_at_once_with_what_was_measured(tmp_path: Path) -> None:
    async with bed(tmp_path, run_s=0.05) as there:
        begun = await there.benches.start(StartBench())
        await there.under_way.wait()
        (listed,) = (await there.benches.list(ListBenches())).runs
        assert (listed.state, listed.id) == ("running", begun.id)
        await there.benches.stop(begun.id)
        run = await there.end()
        assert run.state == "stopped" and run.points and not run.recommendations
        assert there.on.names == []
        assert (await there.benches.list(ListBenches())).runs == (run,)
        await there.benches.stop(begun.id)
        with pytest.raises(NotFoundError):
            await there.benches.stop("nothing")
        with pytest.raises(UsageError, match="no recommendation"):
            await there.benches.apply(ApplyBench(bench=begun.id))


async def test_one_that_has_just_ended_is_not_stopped_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, may_write = asyncio.Event(), asyncio.Event()
    put = BenchRows.put

    async def slow(rows: BenchRows, run: BenchRun) -> None:
        written.set()
        await may_write.wait()
        await put(rows, run)

    async with bed(tmp_path) as there:
        monkeypatch.setattr(BenchRows, "put", slow)
        begun = await there.benches.start(StartBench(quick=True, budget_s=0.0))
        await written.wait()
        stopping = asyncio.create_task(there.benches.stop(begun.id))
        await asyncio.sleep(0)
        may_write.set()
        await stopping
        assert [run.state for run in (await there.benches.list(ListBenches())).runs] == ["complete"]
        assert there.told[-1].state == "complete" and not there.benches.active


async def test_no_speeds_of_a_shared_machine_without_a_busy_core(tmp_path: Path) -> None:
    async with bed(tmp_path) as there:
        there.benches = Benches(
            dataclasses.replace(there.tools, spin=("false",)),
            there.on.library,
            BenchRows(there.database),
            there.default,
            there.tell,
            lambda: None,
        )
        run = await there.measured()
        assert run.state == "failed" and "core busy" in run.error
        assert all(point.condition == "quiet" for point in run.points)


async def test_stopped_while_the_model_loads(tmp_path: Path) -> None:
    async with bed(tmp_path, load_s=30.0) as there:
        for steps in (0, 50):
            there.ended.clear()
            begun = await there.benches.start(StartBench())
            for _ in range(steps):
                await asyncio.sleep(0.001)
            await there.benches.stop(begun.id)
            run = await there.end()
            assert (run.id, run.state, run.points) == (begun.id, "stopped", ())
        assert (await there.benches.list(ListBenches())).runs == ()


async def test_the_end_of_the_host_keeps_it_as_stopped(tmp_path: Path) -> None:
    async with bed(tmp_path, run_s=0.05) as there:
        await there.benches.start(StartBench())
        await there.under_way.wait()
        await there.benches.close()
        (kept,) = await BenchRows(there.database).last(5)
        assert kept.state == "stopped" and kept.ended


async def test_turns_wait_and_are_told_why_and_loads_are_refused(tmp_path: Path) -> None:
    async with bed(tmp_path, run_s=0.05) as there:
        other = there.on.add("b")
        begun = await there.benches.start(StartBench())
        await there.under_way.wait()
        phases: list[Phase] = []
        turn = asyncio.create_task(there.on.use(other, phases))
        with pytest.raises(KenshoError, match="a benchmark of a runs"):
            await there.on.manager.prepare(other, switch=True)
        await there.on.manager.prepare(other)
        await there.on.manager.prefetch(other)
        assert (await there.on.manager.unload()).busy == ("a",)
        with pytest.raises(UsageError, match="under way"):
            await there.benches.start(StartBench())
        assert not turn.done()
        await there.benches.stop(begun.id)
        assert await turn
        assert phases[0].name == "queued" and "kensho-tui bench --stop" in phases[0].note


async def test_it_does_not_begin_while_an_answer_is_under_way(tmp_path: Path) -> None:
    async with bed(tmp_path) as there:
        async with there.on.manager.use(there.model, lambda phase: None):
            with pytest.raises(UsageError, match="an answer is under way"):
                await there.benches.start(StartBench())
        assert (await there.measured()).state == "complete"


async def test_the_models_own_worker_makes_room_and_comes_back(tmp_path: Path) -> None:
    async with bed(tmp_path, limit=150 * MB) as there:
        before = await there.on.use(there.model)
        assert (await there.measured()).state == "complete"
        async with there.on.manager.use(there.model, lambda phase: None) as resident:
            assert resident.worker.pid != before
            assert resident.request is not None and resident.request.threads_most == 2


async def test_idle_models_are_unloaded_where_it_would_not_fit_beside_them(tmp_path: Path) -> None:
    async with bed(tmp_path, limit=150 * MB) as there:
        await there.on.learn(there.model)
        await there.on.use(there.on.add("b", 100 * MB))
        assert (await there.measured()).state == "complete"
        assert there.on.names == []


async def test_a_worker_that_dies_once_is_tried_again(tmp_path: Path) -> None:
    async with bed(tmp_path, dies=1) as there:
        run = await there.measured()
        assert run.state == "complete" and run.recommendations
        assert not any(point.problem for point in run.points)


async def test_a_worker_that_always_dies_ends_it(tmp_path: Path) -> None:
    async with bed(tmp_path, dies=100) as there:
        run = await there.measured()
        assert run.state == "failed" and "died twice" in run.error
        assert there.on.names == []


async def test_settings_that_kill_the_worker_are_a_problem_and_no_end(tmp_path: Path) -> None:
    async with bed(tmp_path, deadly=2) as there:
        await there.benches.start(StartBench(quick=True, budget_s=60.0))
        run = await there.end()
        assert run.state == "complete"
        problems = {point.settings.threads for point in run.points if point.problem}
        assert problems == {2}
        assert all("died twice" in point.problem for point in run.points if point.problem)
        assert {one.settings.threads for one in run.recommendations} <= {0, 1}


async def test_hopeless_settings_are_cut_short(tmp_path: Path) -> None:
    async with bed(tmp_path, hopeless=2) as there:
        await there.benches.start(StartBench(quick=True, budget_s=60.0))
        run = await there.end()
        assert run.state == "complete"
        assert {one.settings.threads for one in run.recommendations} <= {0, 1}
        slow = [point for point in run.points if point.settings.threads == 2]
        assert slow and all(point.decode is None for point in slow)
        assert all(point.prompt.most < 10 for point in run.points if point in slow and point.prompt)


async def test_settings_that_do_not_fit_are_a_problem(tmp_path: Path) -> None:
    async with bed(tmp_path, refuse_batch=512) as there:
        await there.benches.start(StartBench(quick=True, budget_s=60.0))
        run = await there.end()
        assert run.state == "complete" and run.recommendations
        assert {point.settings.batch for point in run.points if point.problem} == {512}


async def test_a_model_that_cannot_be_loaded_is_told(tmp_path: Path) -> None:
    async with bed(tmp_path, fail="load") as there:
        run = await there.measured()
        assert run.state == "failed" and "could not be loaded" in run.error
        assert (await there.benches.list(ListBenches())).runs == ()


async def test_a_recommendation_becomes_the_defaults_and_the_others_stay(tmp_path: Path) -> None:
    async with bed(tmp_path) as there:
        await there.on.library.change(
            ChangeModel(model="a", defaults=Defaults(temperature=0.2, threads_batch=1))
        )
        run = await there.measured()
        made = {one.condition: one.settings for one in run.recommendations}["shared"]
        await there.on.use(there.model)
        defaults = await there.benches.apply(ApplyBench(bench=run.id))
        assert defaults == await there.on.library.defaults(there.model)
        assert defaults.temperature == 0.2
        assert defaults.threads_batch == (None if made.threads_batch == 2 else made.threads_batch)
        assert there.told[-1].applied == "shared"
        (kept,) = (await there.benches.list(ListBenches())).runs
        assert kept.applied == "shared"
        await there.on.library.change(ChangeModel(model="a", defaults=Defaults(threads_batch=7)))
        (kept,) = (await there.benches.list(ListBenches())).runs
        assert kept.applied is None, "it was taken back"
        with pytest.raises(NotFoundError):
            await there.benches.apply(ApplyBench(bench="nothing"))
