"""Benchmarks through the real manager, with scripted workers that tell speeds by their settings."""

import asyncio
import dataclasses
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from kensho_tui.core.bench_contract import ApplyBench, BenchRef, BenchRun, ListBenches, StartBench
from kensho_tui.core.contract import ModelInfo, Phase
from kensho_tui.core.errors import KenshoError, NotFoundError, StorageError, UsageError
from kensho_tui.core.model_contract import ChangeModel, Defaults
from kensho_tui.models.bench.benches import Benches
from kensho_tui.models.bench.tools import Tools
from kensho_tui.models.plan import LoadPlan
from kensho_tui.models.prefetch import Prefetcher
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
    tools: Tools
    told: list[BenchRun] = field(default_factory=list)
    under_way: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.benches = self.with_tools(self.tools)

    def with_tools(self, tools: Tools) -> Benches:
        rows = BenchRows(self.database)
        return Benches(tools, self.on.library, rows, self.default, self.tell, lambda: None)

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
        made = Bed(on, database, model, tools)
        try:
            yield made
        finally:
            await made.benches.close()
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
        if run.ended:
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
        there.benches = there.with_tools(dataclasses.replace(there.tools, spin=("false",)))
        run = await there.measured()
        assert run.state == "failed" and "core busy" in run.error
        assert all(point.condition == "quiet" for point in run.points)


async def test_stopped_while_the_model_loads(tmp_path: Path) -> None:
    async with bed(tmp_path, load_s=30.0) as there:
        for loading in (False, True):
            there.ended.clear()
            begun = await there.benches.start(StartBench())
            while loading and there.on.manager.loading is None:
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


async def test_what_a_killed_host_measured_is_kept_as_interrupted(tmp_path: Path) -> None:
    async with bed(tmp_path, run_s=0.05) as there:
        await there.benches.start(StartBench())
        await there.under_way.wait()
        told = there.told[-1]
        with pytest.raises(NotFoundError, match="that has ended"):
            await there.benches.apply(ApplyBench(bench=told.id))
        # All that the next host has is the database as it is now.
        next_host = there.with_tools(there.tools)
        (kept,) = (await next_host.list(ListBenches())).runs
        assert (kept.id, kept.state, kept.doing, kept.eta_s) == (told.id, "interrupted", "", None)
        assert kept.points and kept.done >= told.done > 0 and kept.total > kept.done
        (running,) = (await there.benches.list(ListBenches())).runs
        assert (running.id, running.state) == (told.id, "running")


async def test_a_full_disk_under_way_is_no_end_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(rows: BenchRows, run: BenchRun) -> None:
        raise StorageError("the disk is full")

    async with bed(tmp_path) as there:
        monkeypatch.setattr(BenchRows, "put", full)
        run = await there.measured()
        assert (run.state, run.error) == ("complete", "the disk is full") and run.recommendations


async def test_one_whose_end_could_not_be_kept_is_not_listed_as_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = BenchRows.put

    async def full_at_last(rows: BenchRows, run: BenchRun) -> None:
        if run.ended:
            raise StorageError("the disk is full")
        await put(rows, run)

    async with bed(tmp_path) as there:
        monkeypatch.setattr(BenchRows, "put", full_at_last)
        run = await there.measured()
        (listed,) = (await there.benches.list(ListBenches())).runs
        assert (listed.state, listed.error, listed.points) == ("complete", "the disk is full", run.points)


async def test_the_end_of_the_host_right_after_an_apply(tmp_path: Path) -> None:
    """The load that nobody waits for ends before its first step, and Python has nothing to warn of."""
    async with bed(tmp_path) as there:
        run = await there.measured()
        await there.on.use(there.model)
        await there.benches.apply(ApplyBench(bench=run.id))
        await there.benches.close()
        await asyncio.sleep(0)


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


async def test_a_file_that_was_to_be_read_ahead_is_not_read_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stage(tmp_path) as on:
        measured, looked_at = on.add("a"), on.add("b")
        may_plan = asyncio.Event()
        plan, read = on.planner.plan, list[str]()

        async def later(model: ModelInfo) -> LoadPlan:
            await may_plan.wait()
            return await plan(model)

        async def start(prefetcher: Prefetcher, path: str) -> None:
            read.append(path)

        monkeypatch.setattr(on.planner, "plan", later)
        monkeypatch.setattr(Prefetcher, "start", start)
        for alone in (False, True):
            may_plan.clear()
            prefetching = asyncio.create_task(on.manager.prefetch(looked_at))
            await asyncio.sleep(0)
            async with on.manager.alone(measured, "it is measured") if alone else nullcontext():
                may_plan.set()
                await prefetching
        assert read == [looked_at.path]


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
        cut = [point for point in slow if point.prompt is None]
        assert cut and all(point.cut == (point in cut) for point in run.points)


async def test_what_was_cut_short_is_no_measurement(tmp_path: Path) -> None:
    async with bed(tmp_path, hopeless=2, run_s=0.05) as there:
        measured = asyncio.Event()

        def tell(run: BenchRun) -> None:
            there.told.append(run)
            if any(point.cut for point in run.points):
                measured.set()

        rows = BenchRows(there.database)
        there.benches = Benches(there.tools, there.on.library, rows, there.default, tell, lambda: None)
        await there.benches.start(StartBench(quick=True, budget_s=60.0))
        await measured.wait()
        (kept,) = await rows.last(1)
        counts = [max(one.count for one in (p.prompt, p.decode) if one) for p in kept.points if not p.cut]
        assert kept.state == "interrupted" and kept.done == sum(counts)


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


async def test_what_was_applied_is_taken_back_where_nothing_else_was_set_since(tmp_path: Path) -> None:
    async with bed(tmp_path, write_s=0.01, read_s=0.001) as there:
        had = Defaults(temperature=0.2, threads_batch=1, threads=1)
        await there.on.library.change(ChangeModel(model="a", defaults=had))
        await there.benches.start(StartBench(quick=True, budget_s=60.0))
        run = await there.end()
        given = await there.benches.apply(ApplyBench(bench=run.id))
        assert given.threads_batch is None and given.threads != 1
        since = msgspec.structs.replace(given, temperature=0.7, threads_batch=3)
        await there.on.library.change(ChangeModel(model="a", defaults=since))
        # Another host's life: what was there before is known all the same.
        benches = there.with_tools(there.tools)
        (listed,) = (await benches.list(ListBenches())).runs
        assert listed.in_use == () and listed.applied is None and listed.change is not None
        back = await benches.undo(BenchRef(bench=run.id))
        assert back == msgspec.structs.replace(had, temperature=0.7, threads_batch=3)
        assert back == await there.on.library.defaults(there.model)
        (listed,) = (await benches.list(ListBenches())).runs
        assert listed.change is None
        with pytest.raises(UsageError, match="nothing of a that is left to take back"):
            await benches.undo(BenchRef(bench=run.id))


async def test_one_recommendation_after_the_other_is_taken_back_to_what_was_before_both(
    tmp_path: Path,
) -> None:
    async with bed(tmp_path, write_s=0.01, read_s=0.001) as there:
        had = Defaults(threads_batch=1)
        await there.on.library.change(ChangeModel(model="a", defaults=had))
        await there.benches.start(StartBench(quick=True, budget_s=60.0))
        run = await there.end()
        one, two = run.recommendations
        two = msgspec.structs.replace(two, settings=msgspec.structs.replace(two.settings, batch=64))
        await BenchRows(there.database).put(msgspec.structs.replace(run, recommendations=(one, two)))
        benches = there.with_tools(there.tools)

        async def in_use() -> tuple[str, ...]:
            return (await benches.list(ListBenches())).runs[0].in_use

        assert await in_use() == ()
        first = await benches.apply(ApplyBench(bench=run.id, condition="quiet"))
        assert await in_use() == ("quiet",)
        await benches.apply(ApplyBench(bench=run.id, condition="shared"))
        assert await in_use() == ("shared",)
        assert await benches.undo(BenchRef(bench=run.id)) == had
        assert await in_use() == ()
        # Who sets by hand what is recommended uses it.
        await there.on.library.change(ChangeModel(model="a", defaults=first))
        assert await in_use() == ("quiet",)


async def test_a_model_that_is_gone_is_not_taken_for_one_with_a_longer_name(tmp_path: Path) -> None:
    async with bed(tmp_path) as there:
        run = await there.measured()
        await there.benches.apply(ApplyBench(bench=run.id))
        Path(there.model.path).unlink()
        longer = there.on.add("a-longer")
        with pytest.raises(NotFoundError, match="model a is no longer here"):
            await there.benches.apply(ApplyBench(bench=run.id))
        assert await there.on.library.defaults(longer) == Defaults()
        (kept,) = (await there.benches.list(ListBenches())).runs
        assert kept.applied is None
