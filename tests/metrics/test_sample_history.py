"""Samples by the minute and in steps: held against brute force, over restarts, with damaged rows."""

import asyncio
import math
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kensho_tui.core.errors import UsageError
from kensho_tui.core.sample_contract import DeviceSample, ReadSampleHistory, Sample, SampleHistory
from kensho_tui.metrics.sample_history import MOST_POINTS, Minute, SampleKeeper, figures, steps
from kensho_tui.storage.database import Database, open_database
from kensho_tui.storage.samples import DAY_S, SampleRows
from tests.support.samples import START

T = int(START)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = (await open_database(tmp_path / "kensho.db")).database
    yield database
    await database.close()


def sampled(at: float, decode: float, **more: float) -> Sample:
    return Sample(at=at, decode_tok_s=decode, **more)  # type: ignore[arg-type]


async def kept(database: Database, *samples: Sample, days: float = 30) -> SampleKeeper:
    keeper = SampleKeeper(SampleRows(database, days))
    for sample in samples:
        if keeper.add(sample):
            await keeper.write()
    await keeper.write(all=True)
    return keeper


def points(
    history: SampleHistory, name: str = "decode", device: str = ""
) -> list[tuple[float, float, float]]:
    found = [one.points for one in history.series if (one.name, one.device) == (name, device)]
    return [(point.at, point.mean, point.most) for point in found[0]] if found else []


# --- what is kept of a sample -------------------------------------------------------------------------


def test_what_is_kept_of_a_sample() -> None:
    told = DeviceSample(
        device="GPU-0", name="a", total=10, used=4, load=0.5, temperature=60.0, power=100.0, power_limit=300.0
    )
    sample = Sample(
        at=0,
        cpu=0.25,
        ram_used=7,
        streams=2,
        decode_tok_s=9.0,
        devices=(
            told,
            DeviceSample(device="GPU-1", name="gone"),
            DeviceSample(device="x", name="b", total=3),
        ),
    )
    assert set(figures(sample)) == {
        ("memory", "", 7),
        ("cpu", "", 0.25),
        ("decode", "", 9.0),
        ("streams", "", 2),
        ("memory", "GPU-0", 4),
        ("gpu", "GPU-0", 0.5),
        ("temperature", "GPU-0", 60.0),
        ("power", "GPU-0", 100.0),
        ("memory", "x", 0),
    }


def test_figures_that_are_none_are_left_out() -> None:
    minute = Minute()
    for value in (math.nan, math.inf, 1e30, 5.0):
        minute.add(sampled(START, value))
    (row,) = (row for row in minute.end() if row.name == "decode")
    assert (row.mean, row.most, row.samples) == (5.0, 5.0, 1)
    assert minute.end() == ()


# --- against brute force ------------------------------------------------------------------------------

SAMPLES = st.lists(
    st.tuples(st.integers(0, 40 * 60 * 10), st.floats(0, 1e6, allow_subnormal=False)), max_size=60
)


def brute_force(
    samples: list[tuple[float, float]], request: ReadSampleHistory, step: float
) -> list[tuple[float, float, float]]:
    """Mean and most of all samples by step, from the samples themselves."""
    begin, last = request.since // 60 * 60, math.ceil(request.until)
    found: dict[int, list[float]] = {}
    for at, value in samples:
        if begin <= at // 60 * 60 < last:
            found.setdefault(int((at // 60 * 60 - begin) // step), []).append(value)
    return [
        (begin + number * step, math.fsum(values) / len(values), max(values))
        for number, values in sorted(found.items())
    ]


def test_steps_equal_brute_force(tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        database = runner.run(open_database(tmp_path / "kensho.db")).database

        async def check(taken: list[tuple[int, float]], request: ReadSampleHistory, cut: int) -> None:
            async with database.transaction("not emptied") as work:
                await work.run("DELETE FROM samples")
            samples = [(START + tenth / 10, value) for tenth, value in sorted(taken)]
            # A restart in the middle, maybe of a minute: its two parts are one row afterwards.
            for part in (samples[:cut], samples[cut:]):
                keeper = await kept(database, *(sampled(at, value) for at, value in part))
            history = await keeper.history(request)
            expected = brute_force(samples, request, history.step_s)
            found = points(history)
            assert [at for at, _, _ in found] == [at for at, _, _ in expected]
            for (_, mean, most), (_, wanted, highest) in zip(found, expected, strict=True):
                assert mean == pytest.approx(wanted, rel=1e-9, abs=1e-9)
                assert most == highest and mean <= most
            assert len(found) <= request.points and history.step_s % 60 == 0

        @settings(max_examples=60)
        @given(SAMPLES, st.integers(-600, 3000), st.integers(1, 4000), st.integers(1, 50), st.integers(0, 60))
        def all_equal(taken: list[tuple[int, float]], since: int, span: int, count: int, cut: int) -> None:
            begin = START + since + 0.5
            request = ReadSampleHistory(since=begin, until=begin + span, points=count)
            runner.run(check(taken, request, min(cut, len(taken))))

        all_equal()
        runner.run(database.close())


@given(st.floats(0, 1e10), st.floats(0.001, 1e9), st.integers(1, MOST_POINTS))
def test_there_are_never_more_steps_than_asked_for(since: float, span: float, count: int) -> None:
    until = max(since + span, math.nextafter(since, math.inf))
    first, end, length = steps(ReadSampleHistory(since=since, until=until, points=count))
    assert first <= since and end >= until and length % 60 == 0
    last = (end - 1) // 60 * 60
    assert (last - first) // length + 1 <= count


# --- edges --------------------------------------------------------------------------------------------


async def test_gaps_have_no_points(database: Database) -> None:
    keeper = await kept(database, sampled(T, 1.0), sampled(T + 600, 3.0))
    history = await keeper.history(ReadSampleHistory(since=T, until=T + 660, points=240))
    assert history.step_s == 60
    assert points(history) == [(T, 1.0, 1.0), (T + 600, 3.0, 3.0)]
    assert (await keeper.history(ReadSampleHistory(since=T + 60, until=T + 600))).series == ()


async def test_another_host_goes_on(tmp_path: Path) -> None:
    for value in (10.0, 40.0):
        database = (await open_database(tmp_path / "kensho.db")).database
        keeper = await kept(database, sampled(T + value, value))
        history = await keeper.history(ReadSampleHistory(since=T, until=T + 60))
        await database.close()
    assert points(history) == [(T, 25.0, 40.0)]


async def test_series_come_in_order_and_only_those_that_are_known(database: Database) -> None:
    devices = tuple(DeviceSample(device=f"GPU-{n}", name="a", total=9, load=0.5) for n in (1, 0))
    keeper = await kept(database, Sample(at=T, devices=devices))
    async with database.transaction("not added") as work:
        await work.run("INSERT INTO sample_series (name, device) VALUES ('of tomorrow', '')")
        await work.run("INSERT INTO samples SELECT number, ?, 1.0, 1.0, 1 FROM sample_series", (T + 60,))
    history = await keeper.history(ReadSampleHistory(since=T, until=T + 120))
    assert [(one.name, one.device) for one in history.series] == [
        ("memory", ""), ("memory", "GPU-0"), ("memory", "GPU-1"), ("gpu", "GPU-0"), ("gpu", "GPU-1"),
        ("cpu", ""), ("decode", ""), ("streams", ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "damage",
    ["mean = 'much'", "most = 'x'", "count = 0", "count = -5", "count = 'n'", "mean = 9e999", "most = -9e999",
     "count = 1e300", "mean = x'00ff'", "minute = 'x' || minute"],
)  # fmt: skip
async def test_damaged_rows_are_left_out(database: Database, damage: str) -> None:
    keeper = await kept(database, sampled(T, 1.0), sampled(T + 60, 5.0))
    async with database.transaction("not damaged") as work:
        await work.run(f"UPDATE samples SET {damage} WHERE minute = ?", (T,))
    history = await keeper.history(ReadSampleHistory(since=T, until=T + 120, points=1))
    assert points(history) == [(T, 5.0, 5.0)]
    # What comes later in the same minute can be written all the same.
    await kept(database, sampled(T + 30, 2.0), sampled(T + 90, 7.0))
    history = await keeper.history(ReadSampleHistory(since=T + 60, until=T + 120))
    assert points(history) == [(T + 60, 6.0, 7.0)]


async def test_old_rows_go(database: Database) -> None:
    now = T + 100 * DAY_S
    await kept(database, *(sampled(now - age * DAY_S, float(age)) for age in (60, 31, 29, 1)), days=90)
    gone = Sample(at=now - 60 * DAY_S, devices=(DeviceSample(device="old card", name="a", total=9),))
    keeper = await kept(database, gone, days=90)
    await SampleRows(database, 30).prune(now)
    history = await keeper.history(ReadSampleHistory(since=0, until=now + 60, points=MOST_POINTS))
    assert [most for _, _, most in points(history)] == [29.0, 1.0]
    assert ("memory", "old card") not in await SampleRows(database, 30).series()


async def test_old_rows_go_while_the_host_runs_on(database: Database) -> None:
    keeper = await kept(database, sampled(T, 1.0), days=2)
    for day in range(1, 5):
        keeper.add(sampled(T + day * DAY_S, 1.0))
        await keeper.write(all=True)
    history = await keeper.history(ReadSampleHistory(since=0, until=T + 9 * DAY_S, points=MOST_POINTS))
    assert len(await database.fetch("SELECT DISTINCT minute FROM samples")) == 3
    assert history.series


async def test_nothing_is_kept_where_nothing_shall_be(database: Database) -> None:
    keeper = await kept(database, sampled(T, 1.0), days=0)
    assert (await keeper.history(ReadSampleHistory(since=0, until=T + 60))).series == ()


async def test_a_database_that_is_closed_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    database = (await open_database(tmp_path / "kensho.db")).database
    await database.close()
    await (await kept(database, sampled(T, 1.0), sampled(T + 60, 1.0))).prune()
    assert "the database is closed" in caplog.text


@pytest.mark.parametrize(
    ("since", "until", "count"),
    [(5, 5, 10), (9, 5, 10), (math.nan, 5, 10), (0, math.nan, 10), (0, math.inf, 10), (-1, 5, 10),
     (0, 1e300, 5), (0, 5, 0), (0, 5, -1), (0, 5, MOST_POINTS + 1)],
)  # fmt: skip
def test_requests_that_make_no_sense(since: float, until: float, count: int) -> None:
    with pytest.raises(UsageError):
        steps(ReadSampleHistory(since=since, until=until, points=count))
