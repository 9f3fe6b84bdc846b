"""Benchmarks through a real host with scripted workers: told as facts, kept, and no reason to end."""

import msgspec
import pytest
from msgspec.structs import replace

from kensho_tui.client.facade import Kensho
from kensho_tui.core.bench_contract import (
    APPLY_BENCH,
    LIST_BENCHES,
    START_BENCH,
    STOP_BENCH,
    TOPIC_BENCH,
    ApplyBench,
    BenchFact,
    BenchRef,
    BenchRun,
    ListBenches,
    StartBench,
)
from kensho_tui.core.errors import UsageError
from kensho_tui.core.model_contract import DELETE, DETAILS, ModelRef
from tests.support.gguf import write_model
from tests.support.home import Home, wait_until
from tests.support.turns import read_to_end, submit


def scripted(home: Home, run_s: float) -> None:
    """The home's only model: a measured run of it lasts so long."""
    write_model(home.paths.models / "scripted.gguf", template=f'#scripted {{"run_s": {run_s}}}')


async def until(kensho: Kensho, done: int) -> BenchRun:
    """The run when it has ended, or has so many measurements."""
    version = 0
    while True:
        fact = (await kensho.watch({TOPIC_BENCH: version}, 20.0)).get(TOPIC_BENCH)
        if fact is None:
            continue
        version, run = fact.version, msgspec.msgpack.decode(fact.body, type=BenchFact).run
        assert run is not None
        if run.state != "running" or run.done >= done:
            return run


async def test_a_benchmark_is_told_kept_and_applied(home: Home) -> None:
    scripted(home, 0.0)
    home.start_scripted_host()
    async with Kensho() as kensho:
        begun = await kensho.call(START_BENCH, StartBench(quick=True, budget_s=0.0))
        assert (begun.model, begun.state) == ("scripted", "running")
        run = await until(kensho, 1 << 30)
        assert run.state == "complete" and run.ended and run.version and run.before is not None
        (listed,) = (await kensho.call(LIST_BENCHES, ListBenches())).runs
        assert replace(listed, in_use=()) == run
        defaults = await kensho.call(APPLY_BENCH, ApplyBench(bench=run.id, condition="quiet"))
        assert (await kensho.call(DETAILS, ModelRef(model="scripted"))).defaults == defaults
        assert (await until(kensho, 0)).applied == "quiet"
        (listed,) = (await kensho.call(LIST_BENCHES, ListBenches())).runs
        assert listed.applied == "quiet" and "quiet" in listed.in_use
        submitted = await submit(kensho, "hello")
        assert (await read_to_end(kensho, submitted.stream))[1].state == "complete"


async def test_a_host_goes_on_while_one_runs_and_keeps_it_when_it_is_told_to_end(home: Home) -> None:
    scripted(home, 0.05)
    home.settings('model = "scripted"\nlinger = 0\nkeep_alive = 0\n')
    pid = home.start_scripted_host()
    async with Kensho() as kensho:
        begun = await kensho.call(START_BENCH, StartBench())
        await until(kensho, 1)
    # Nobody is connected now, and it is not the end of it.
    async with Kensho() as kensho:
        run = await until(kensho, 3)
        assert (run.id, run.state) == (begun.id, "running")
        assert (await kensho.status()).pid == pid
        await kensho.stop_host()
    home.wait_empty()
    home.settings('model = "scripted"\n')
    home.start_scripted_host()
    async with Kensho() as kensho:
        (kept,) = (await kensho.call(LIST_BENCHES, ListBenches(model="script"))).runs
        assert (kept.id, kept.state) == (begun.id, "stopped") and kept.points


async def test_what_a_benchmark_measures_is_not_deleted_and_why_is_said(home: Home) -> None:
    scripted(home, 0.05)
    home.start_scripted_host()
    async with Kensho() as kensho:
        begun = await kensho.call(START_BENCH, StartBench())
        await until(kensho, 1)
        with pytest.raises(UsageError, match="cannot be deleted now: a benchmark of scripted runs") as caught:
            await kensho.call(DELETE, ModelRef(model="scripted"))
        assert "answer" not in caught.value.line()
        await kensho.call(STOP_BENCH, BenchRef(bench=begun.id))


async def test_a_host_that_is_killed_leaves_no_process_and_what_it_measured(home: Home) -> None:
    scripted(home, 0.05)
    pid = home.start_scripted_host()
    async with Kensho() as kensho:
        begun = await kensho.call(START_BENCH, StartBench())
        while "shared" not in (run := await until(kensho, 1)).doing:
            assert run.state == "running"
        assert home.named("kensho_tui.models.bench.spin")
        for process in home.processes():
            if process.pid == pid:
                process.kill()
    wait_until(lambda: not home.processes(), 20, "for the neighbour and the worker to end")
    home.start_scripted_host()
    async with Kensho() as kensho:
        # Who followed it learns at once that none is under way.
        fact = (await kensho.watch({TOPIC_BENCH: 0}, 0.0))[TOPIC_BENCH]
        assert msgspec.msgpack.decode(fact.body, type=BenchFact).run is None
        (kept,) = (await kensho.call(LIST_BENCHES, ListBenches())).runs
        assert (kept.id, kept.state) == (begun.id, "interrupted")
        assert kept.done >= run.done > 0 and kept.points
        await kensho.call(START_BENCH, StartBench(quick=True, budget_s=0.0))
        run = await until(kensho, 1)
        await kensho.call(STOP_BENCH, BenchRef(bench=run.id))
        assert run.id != begun.id
