"""When samples are taken, and what becomes of them when drivers hang, disks are full and nobody looks."""

import asyncio
import itertools
import threading

import pytest

from kensho_tui.core.contract import WorkerInfo
from kensho_tui.core.sample_contract import ReadSamples, Sample
from kensho_tui.hardware.nvml import RETRY_S, Nvml
from kensho_tui.metrics.aside import Aside
from kensho_tui.metrics.sample import Counts
from kensho_tui.metrics.sampler import FIRST_S, LOOK_AGAIN_S, READ_S
from tests.support.nvml import Card, ScriptedNvml, eight
from tests.support.samples import GIB, START, Stage, settle

WORKER = WorkerInfo(pid=7, model="tiny", state="busy", device="CUDA0")


@pytest.fixture
def stage() -> Stage:
    return Stage()


async def samples(stage: Stage, since: float = 0.0) -> tuple[Sample, ...]:
    return (await stage.sampler.read(ReadSamples(since=since))).samples


# --- when ---------------------------------------------------------------------------------------------


async def test_nobody_looks_and_nothing_runs(stage: Stage) -> None:
    stage.sampler.wake()
    await stage.clock.advance(100)
    assert (stage.clock.timers, stage.reader.looks, stage.sampler.running) == (0, 0, False)


async def test_once_a_second_while_somebody_looks(stage: Stage) -> None:
    assert await samples(stage) == ()
    for _ in range(10):
        await stage.clock.advance(1)
        found = await samples(stage)
    assert [one.at - START for one in found] == pytest.approx([FIRST_S + second for second in range(10)])
    await stage.clock.advance(READ_S + 1)
    assert (stage.clock.timers, stage.sampler.running, stage.threads.living) == (0, False, set())
    looks = stage.reader.looks
    await stage.clock.advance(100)
    assert stage.reader.looks == looks


async def test_as_long_as_something_runs(stage: Stage) -> None:
    stage.counts = Counts(working=True, streams=1)
    stage.sampler.wake()
    stage.sampler.wake()
    await stage.clock.advance(60)
    assert (stage.clock.timers, stage.reader.looks) == (1, 61)
    stage.counts = Counts()
    await stage.clock.advance(2)
    assert stage.clock.timers == 0
    assert len(await samples(stage)) == 60


async def test_gaps_are_gaps(stage: Stage) -> None:
    await samples(stage)
    await stage.clock.advance(20)
    await samples(stage)
    await stage.clock.advance(2)
    times = [one.at for one in await samples(stage)]
    steps = [after - before for before, after in itertools.pairwise(times)]
    # Sampling went on for a while after the first read, and begins anew with the second.
    (gap,) = [step for step in steps if step > 1.01]
    assert 20 - READ_S - 1 < gap < 20


async def test_rates_are_not_taken_over_a_gap(stage: Stage) -> None:
    stage.counts = Counts(written=0)
    await samples(stage)
    await stage.clock.advance(50)
    stage.counts = Counts(written=1000)
    since = stage.clock.unix()
    await samples(stage)
    await stage.clock.advance(FIRST_S)
    assert [one.decode_tok_s for one in await samples(stage, since)] == [0.0]


async def test_ten_minutes_are_kept(stage: Stage) -> None:
    stage.counts = Counts(working=True)
    stage.sampler.wake()
    await stage.clock.advance(1000)
    found = await samples(stage)
    assert len(found) == 600
    assert found[0].at >= stage.clock.unix() - 600
    assert found == tuple(sorted(found, key=lambda one: one.at))
    stage.counts = Counts()
    await stage.clock.advance(590)
    assert 0 < len(await samples(stage)) < 20


# --- reading ------------------------------------------------------------------------------------------


async def test_a_read_is_held_until_there_is_a_sample(stage: Stage) -> None:
    reading = asyncio.create_task(stage.sampler.read(ReadSamples(wait=30)))
    await settle()
    assert not reading.done()
    await stage.clock.advance(FIRST_S)
    (first,) = (await reading).samples
    again = asyncio.create_task(stage.sampler.read(ReadSamples(since=first.at, wait=30)))
    await stage.clock.advance(1)
    (second,) = (await again).samples
    assert second.at - first.at == pytest.approx(1)


async def test_a_held_read_keeps_the_sampling_going_until_it_is_cancelled(stage: Stage) -> None:
    stage.threads.hanging = {"samples of the system"}
    reading = asyncio.create_task(stage.sampler.read(ReadSamples(wait=30)))
    await stage.clock.advance(READ_S + 20)
    assert stage.sampler.running and not reading.done()
    reading.cancel()
    await asyncio.wait([reading])
    await stage.clock.advance(READ_S + 1)
    assert not stage.sampler.running


async def test_a_held_read_ends_without_a_sample(stage: Stage) -> None:
    assert (await stage.sampler.read(ReadSamples(wait=0.01))).samples == ()


@pytest.mark.parametrize("since", [float("inf"), float("nan"), -5.0])
async def test_moments_that_are_none(stage: Stage, since: float) -> None:
    await samples(stage)
    await stage.clock.advance(3)
    assert len(await samples(stage, since)) == 3


async def test_a_clock_that_is_set_back(stage: Stage) -> None:
    await samples(stage)
    await stage.clock.advance(3)
    last = (await samples(stage))[-1].at
    stage.clock.ahead -= 3600
    await stage.clock.advance(2)
    found = await samples(stage, last)
    assert [last - one.at for one in found] == pytest.approx([3599, 3598])


# --- what hangs or fails ------------------------------------------------------------------------------


async def test_a_driver_that_hangs_stops_nothing() -> None:
    stage = Stage(Nvml(eight()))
    stage.counts = Counts(working=True)
    stage.sampler.wake()
    await stage.clock.advance(3)
    stage.threads.hanging = {"samples of the cards"}
    stage.threads.started.clear()
    await stage.clock.advance(20)
    assert stage.threads.started.count("samples of the cards") == 1
    found = await samples(stage)
    assert [len(one.devices) for one in found] == [8] * len(found)
    assert len(found) == pytest.approx(23, abs=1)
    totals = [one.devices[0].total for one in found]
    assert totals[5] == 80 * GIB and totals[-1] == 0
    assert found[-1].devices[3].name == "Card 3" and found[-1].devices[3].device == found[0].devices[3].device
    assert stage.sampler.gpus is not None and stage.sampler.gpus[0].total == 0
    stage.threads.release()
    await stage.clock.advance(2)
    assert (await samples(stage))[-1].devices[0].total == 80 * GIB


async def test_a_driver_that_hangs_from_the_start() -> None:
    stage = Stage(Nvml(eight()))
    stage.threads.hanging = {"samples of the cards"}
    await samples(stage)
    assert stage.sampler.gpus is None
    await stage.clock.advance(3)
    found = await samples(stage)
    assert len(found) >= 2 and all(one.devices == () for one in found)
    assert stage.sampler.gpus == ()  # whoever asked the driver now would hang, too


async def test_what_hangs_is_not_asked_again_by_the_next_session(stage: Stage) -> None:
    stage.threads.hanging = {"samples of the system", "samples of the cards"}
    for _ in range(5):
        await samples(stage)
        await stage.clock.advance(100)
    assert sorted(stage.threads.started) == ["samples of the cards", "samples of the system"]
    assert await samples(stage) == ()
    stage.threads.release()
    await stage.clock.advance(3)
    assert len(await samples(stage)) >= 2


async def test_a_reading_that_fails_is_a_gap(stage: Stage) -> None:
    await samples(stage)
    stage.reader.broken = True
    await stage.clock.advance(3)
    assert await samples(stage) == ()
    stage.reader.broken = False
    await stage.clock.advance(3)
    assert len(await samples(stage)) == 3


async def test_the_driver_goes_and_comes_back() -> None:
    library = ScriptedNvml(Card(used=GIB, load=10), Card())
    stage = Stage()
    stage.reader.nvml = Nvml(library, stage.clock.monotonic)
    stage.counts = Counts(working=True)
    stage.sampler.wake()
    await stage.clock.advance(3)
    library.unload()
    await stage.clock.advance(3)
    (gone, _) = (await samples(stage))[-1].devices
    assert (gone.name, gone.total, gone.load, gone.power) == ("Card 0", 0, None, None)
    library.driver = True
    await stage.clock.advance(RETRY_S)
    (back, _) = (await samples(stage))[-1].devices
    assert (back.total, back.used, back.load) == (80 * GIB, GIB, 0.1)


async def test_processes_are_listed_only_for_workers_on_cards() -> None:
    stage = Stage(Nvml(ScriptedNvml(Card(used=2 * GIB, users={7: GIB}))))
    await samples(stage)
    await stage.clock.advance(2)
    assert set(stage.reader.users) == {False}
    stage.counts = Counts(workers=(WORKER,))
    stage.reader.processes[7] = (100 << 20, 0.5)
    await stage.clock.advance(2)
    last = (await samples(stage))[-1]
    (worker,) = last.workers
    assert (worker.vram, worker.ram, worker.file) == (GIB, 100 << 20, 50 << 20)
    assert worker.cpu == pytest.approx(0.5)
    assert (last.devices[0].own, last.devices[0].used) == (GIB, 2 * GIB)


async def test_cards_that_are_not_there_are_looked_for_now_and_then() -> None:
    stage = Stage(Nvml(ScriptedNvml()))
    stage.counts = Counts(working=True)
    stage.sampler.wake()
    await stage.clock.advance(30)
    assert len(stage.reader.users) == 3 and len(await samples(stage)) == 30
    stage.reader.nvml = Nvml(eight())
    await stage.clock.advance(LOOK_AGAIN_S + 1)
    assert len((await samples(stage))[-1].devices) == 8


async def test_cards_are_known_without_asking_while_samples_are_taken() -> None:
    stage = Stage(Nvml(eight()))
    assert stage.sampler.gpus is None
    await samples(stage)
    await stage.clock.advance(1)
    assert stage.sampler.gpus is not None and len(stage.sampler.gpus) == 8
    await stage.clock.advance(READ_S + 1)
    assert stage.sampler.gpus is None


# --- what is kept -------------------------------------------------------------------------------------


async def test_a_row_for_each_minute(stage: Stage) -> None:
    stage.counts = Counts(working=True, streams=2)
    stage.sampler.wake()
    await stage.clock.advance(59)
    assert stage.rows.rows == []
    await stage.clock.advance(62)
    await settle()
    streams = [row for row in stage.rows.rows if row.name == "streams"]
    assert [(row.minute, row.mean, row.samples) for row in streams] == [(START, 2, 60), (START + 60, 2, 60)]
    await stage.sampler.close()
    assert [row.samples for row in stage.rows.rows if row.name == "streams"] == [60, 60, 1]
    assert stage.clock.timers == 0


async def test_what_is_left_is_written_when_nobody_looks_any_more(stage: Stage) -> None:
    await samples(stage)
    await stage.clock.advance(READ_S + 2)
    assert {row.name for row in stage.rows.rows} == {"memory", "cpu", "decode", "streams"}


async def test_a_full_disk_stops_nothing(stage: Stage) -> None:
    stage.rows.full = True
    stage.counts = Counts(working=True)
    stage.sampler.wake()
    await stage.clock.advance(150)
    assert stage.rows.rows == [] and len(await samples(stage)) == 150
    stage.rows.full = False
    await stage.clock.advance(30)
    await stage.sampler.close()
    assert [row.minute for row in stage.rows.rows if row.name == "cpu"] == [START, START + 60, START + 120]
    assert stage.rows.tries == 3


async def test_old_rows_are_dropped_once_a_day(stage: Stage) -> None:
    stage.counts = Counts(working=True)
    for _ in range(3):
        stage.sampler.wake()
        await stage.clock.advance(200)
        stage.clock.ahead += 86_400
    assert len(stage.rows.pruned) == 3
    assert stage.rows.pruned[0] is not None and stage.rows.pruned[0] >= START


async def test_nothing_begins_after_the_end(stage: Stage) -> None:
    await samples(stage)
    await stage.sampler.close()
    await stage.clock.advance(10)
    assert (await stage.sampler.read(ReadSamples(wait=30))).samples == ()
    stage.counts = Counts(working=True)
    stage.sampler.wake()
    assert stage.clock.timers == 0


# --- threads that are real ----------------------------------------------------------------------------


async def test_work_beside_the_loop_is_done_once_at_a_time() -> None:
    go, results = threading.Event(), asyncio.Queue[str | None]()
    work: Aside[str] = Aside("test")
    before = threading.active_count()

    def blocks() -> str:
        go.wait(30)
        return threading.current_thread().name

    assert work.start(blocks, results.put_nowait)
    assert not any(work.start(blocks, results.put_nowait) for _ in range(50))
    assert threading.active_count() <= before + 1
    go.set()
    assert await results.get() == "test"
    assert not work.busy and results.empty()
    (thread,) = (one for one in threading.enumerate() if one.name == "test")
    assert thread.daemon, "one that hangs must not keep the process"
    # The thread goes on with the next piece, and ends when it is told to rest.
    assert work.start(lambda: "again", results.put_nowait)
    assert await results.get() == "again"
    assert thread.is_alive()
    work.rest()
    thread.join(30)
    assert not thread.is_alive()
    assert work.start(lambda: "anew", results.put_nowait)
    assert await results.get() == "anew"
    work.rest()


async def test_work_that_fails_gives_nothing(caplog: pytest.LogCaptureFixture) -> None:
    results = asyncio.Queue[str | None]()
    work: Aside[str] = Aside("test")

    def fails() -> str:
        raise OSError("broken")

    work.start(fails, results.put_nowait)
    assert await results.get() is None
    assert "test failed" in caplog.text and not work.busy
    work.rest()


def test_a_system_without_threads_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_thread(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def start() -> tuple[bool, bool]:
        work: Aside[int] = Aside("test")
        begun = work.start(lambda: 1, lambda result: None)
        work.rest()
        return begun, work.busy

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        assert asyncio.run(start()) == (False, False)
    assert asyncio.run(start()) == (True, True)
    assert "can't start new thread" in caplog.text


def test_a_loop_that_has_ended_is_not_waited_for() -> None:
    go = threading.Event()

    async def leave() -> None:
        work: Aside[bool] = Aside("left behind")
        work.start(lambda: go.wait(30), lambda result: None)
        work.rest()

    asyncio.run(leave())
    (thread,) = (one for one in threading.enumerate() if one.name == "left behind")
    go.set()
    thread.join(30)
    assert not thread.is_alive()
