"""Runs of models: kept with their settings, listed in pages, summed up by settings and day."""

import sqlite3
from contextlib import closing
from dataclasses import astuple
from dataclasses import replace as changed
from pathlib import Path
from typing import get_args

import pytest
from msgspec.structs import replace

from kensho_tui.core.contract import State, Timings, Usage
from kensho_tui.core.metrics_contract import Generation, GenerationOrder
from kensho_tui.storage.chats import Chats, ModelIdentity, Started
from kensho_tui.storage.database import Database, open_database
from kensho_tui.storage.generation_pages import Choice
from kensho_tui.storage.generations import GenerationRows, Period, Setup
from kensho_tui.storage.migrations import MIGRATIONS
from kensho_tui.ui.metrics.figures.said import ended
from tests.support.runs import SETTINGS, TIMINGS, USAGE, move, run

ALL, EVERY = Period(), Choice()
BEFORE = next(at for at, step in enumerate(MIGRATIONS) if step.name == "0004-generations")


@pytest.fixture
def rows(database: Database) -> GenerationRows:
    return GenerationRows(database)


async def of_setup(rows: GenerationRows, settings: dict[str, object]) -> Choice:
    return Choice(setup=await rows.setup(Setup.of("tiny", settings)))


async def test_a_run_is_kept_whole(chats: Chats, rows: GenerationRows) -> None:
    row = await run(chats)
    (kept,) = (await rows.page(EVERY, 10)).generations
    assert (kept.id, kept.message, kept.chat) == (row.generation_id, row.message_id, row.chat_id)
    assert (kept.model, kept.quantisation, kept.state, kept.stop_reason) == (
        "tiny",
        "Q4_1",
        "complete",
        "end",
    )
    assert (kept.usage, kept.timings) == (USAGE, TIMINGS)
    assert (kept.context, kept.kv_type, kept.threads, kept.gpu_layers) == (8192, "f16", 3, -1)
    assert (kept.threads_batch, kept.batch, kept.flash) == (4, 256, "on")
    assert (kept.device, kept.memory, kept.memory_host) == ("CPU", 150 << 20, 0)
    assert kept.bandwidth == 10**8 * 30.0
    assert kept.ended is not None and kept.created <= kept.ended


async def test_runs_with_the_same_settings_share_one_setup(chats: Chats, rows: GenerationRows) -> None:
    for settings in (SETTINGS, SETTINGS, {**SETTINGS, "threads": 4}, {**SETTINGS, "memory": 1}):
        await run(chats, settings=settings)
    setups = await rows.setups()
    assert sorted(setup.threads for setup in setups.values()) == [3, 4]
    assert await rows.setups("tiny") == setups and await rows.setups("other") == {}
    assert sorted(some.runs for some in await rows.figures(ALL)) == [1, 3]


@pytest.mark.parametrize("change", [{"threads_batch": 1}, {"batch": 512}, {"flash": "off"}])
async def test_what_a_benchmark_changes_tells_settings_apart(
    chats: Chats, rows: GenerationRows, change: dict[str, object]
) -> None:
    for settings in (SETTINGS, {**SETTINGS, **change}):
        await run(chats, settings=settings)
    assert [some.runs for some in await rows.figures(ALL)] == [1, 1]
    assert len((await rows.page(await of_setup(rows, {**SETTINGS, **change}), 9)).generations) == 1


async def test_settings_of_another_form_count_as_not_known(chats: Chats, rows: GenerationRows) -> None:
    await run(chats, settings={"threads": "many", "device": 7, "quantisation": "Q\ud800"})
    assert list((await rows.setups()).values()) == [Setup("tiny", "Q\ufffd")]


@pytest.mark.parametrize(
    ("usage", "state", "counted"),
    [
        (USAGE, "complete", (True, True)),
        (USAGE, "stopped", (True, True)),
        (USAGE, "failed", (True, False)),
        (USAGE, "interrupted", (True, False)),
        (Usage(prompt_tokens=32, cached_tokens=0, completion_tokens=8), "complete", (True, True)),
        (Usage(prompt_tokens=32, cached_tokens=1, completion_tokens=7), "complete", (False, False)),
        (Usage(prompt_tokens=4651, cached_tokens=0, completion_tokens=0), "stopped", (False, False)),
    ],
)
async def test_what_is_too_short_or_failed_says_nothing_of_speed(
    chats: Chats, rows: GenerationRows, usage: Usage, state: State, counted: tuple[bool, bool]
) -> None:
    await run(chats, usage=usage, state=state)
    (some,) = await rows.figures(ALL)
    assert (some.prompt is not None, some.decode is not None) == counted
    assert (some.runs, some.ttft, some.load) == (1, "500000", "200000")


async def test_a_wait_behind_others_says_nothing_of_a_model(chats: Chats, rows: GenerationRows) -> None:
    for queue in (0.0, 88.0):
        await run(chats, timings=replace(TIMINGS, queue_s=queue, ttft_s=0.5 + queue))
    assert [some.ttft for some in await rows.figures(ALL)] == ["500000,500000"]
    kept = (await rows.page(EVERY, 9)).generations
    assert [one.timings and one.timings.ttft_s for one in kept] == [88.5, 0.5]


async def test_a_load_that_was_stopped_is_none(chats: Chats, rows: GenerationRows) -> None:
    await run(chats, state="stopped", timings=Timings(queue_s=0.1, load_s=0.9, total_s=1.0))
    (some,) = await rows.figures(ALL)
    assert (some.runs, some.load, some.ttft) == (1, None, None)


async def test_zeroes_are_no_measurements(chats: Chats, rows: GenerationRows) -> None:
    await run(chats, timings=Timings())
    cut = await chats.begin_turn(None, "question", "tiny", None, "streaming")
    await chats.start_generation(cut, Started("tiny", ModelIdentity("/m", 1, 0.0), SETTINGS))
    await chats.recover()
    (some,) = await rows.figures(ALL)
    assert (some.runs, some.ttft, some.load, some.prompt, some.decode) == (2, None, None, None, None)


async def test_a_turn_under_way_is_a_run_and_an_answer_given_again_is_none(
    chats: Chats, rows: GenerationRows
) -> None:
    live = await chats.begin_turn(None, "question", "tiny", None, "streaming")
    await chats.start_generation(live, Started("tiny", ModelIdentity("/m", 1, 0.0), SETTINGS))
    again = await run(chats, from_cache=True, settings={})
    (some,) = await rows.figures(ALL)
    assert (some.runs, some.ttft, some.decode) == (1, None, None)
    assert await rows.given_again(ALL) == {"tiny": 1}
    assert await rows.given_again(Period(model="other")) == {}
    (kept,) = (await rows.page(EVERY, 10)).generations
    assert (kept.id, kept.from_cache, kept.quantisation) == (again.generation_id, True, "")


async def test_periods_and_models(database: Database, chats: Chats, rows: GenerationRows) -> None:
    for day, model in (("01", "tiny"), ("02", "tiny"), ("02", "big"), ("03", "tiny")):
        await move(database, await run(chats, model), f"2026-03-{day}T12:00:00.000Z")
    period = Period("2026-03-01T12:00:00.001Z", "2026-03-03T12:00:00.000Z", "tiny")
    assert [some.day for some in await rows.figures(period, by_day=True)] == ["2026-03-02"]
    assert [(some.day, some.runs) for some in await rows.figures(period)] == [("", 1)]
    assert list((await rows.last(period)).values()) == ["2026-03-02T12:00:00.000Z"]
    assert await rows.last(Period("2026-03-04")) == {}
    assert [one.created[:10] for one in (await rows.page(Choice(*astuple(period)), 9)).generations] == [
        "2026-03-02"
    ]
    found = [(some.day, some.runs) for some in await rows.figures(Period("2026-03-02"), by_day=True)]
    assert sorted(found) == [("2026-03-02", 1), ("2026-03-02", 1), ("2026-03-03", 1)]
    assert await rows.models() == ("big", "tiny")


async def test_pages_have_every_run_once_the_newest_first(
    database: Database, chats: Chats, rows: GenerationRows
) -> None:
    written = []
    for number in range(11):  # several at the same moment
        row = await run(chats)
        await move(database, row, f"2026-03-01T12:00:{number // 4:02}.000Z")
        written.append(row.generation_id)
    read, cursor, pages = [], "", 0
    while pages == 0 or cursor:
        page = await rows.page(EVERY, 3, cursor)
        read += [one.id for one in page.generations]
        cursor, pages = page.following, pages + 1
    assert (read, pages) == (written[::-1], 4)


async def all_pages(rows: GenerationRows, choice: Choice, limit: int = 2) -> list[Generation]:
    read: list[Generation] = []
    page = await rows.page(choice, limit)
    while page.following:
        assert len(page.generations) == limit
        read += page.generations
        page = await rows.page(choice, limit, page.following)
    return [*read, *page.generations]


@pytest.mark.parametrize("order", [one for one in get_args(GenerationOrder) if one != "created"])
@pytest.mark.parametrize("of_one_setup", [False, True])
async def test_pages_by_a_figure_have_every_run_once_and_those_without_it_last(
    chats: Chats, rows: GenerationRows, order: GenerationOrder, of_one_setup: bool
) -> None:
    written = []
    for value in (3, 1, 2, 0, 2, 1 / 3, 2):
        timings = replace(TIMINGS, ttft_s=value, prompt_tok_s=value, decode_tok_s=value)
        usage = replace(USAGE, prompt_tokens=int(value * 3), completion_tokens=int(value * 3))
        written.append((await run(chats, timings=timings, usage=usage)).generation_id)
    written.append((await run(chats, from_cache=not of_one_setup, timings=Timings())).generation_id)
    await run(chats, "another")
    choice = await of_setup(rows, SETTINGS) if of_one_setup else Choice(model="tiny")
    falls = [one.id for one in await all_pages(rows, changed(choice, order=order))]
    rises = [one.id for one in await all_pages(rows, changed(choice, order=order, rising=True))]
    places = [written.index(one) for one in falls if one not in (written[3], written[7])]
    assert places == [0, 6, 4, 2, 1, 5]  # of equal ones the last that was written
    assert sorted(falls) == sorted(rises) == sorted(written)
    if order not in ("prompt_tokens", "completion_tokens"):  # which the answer given again has
        assert set(falls[-2:]) == set(rises[-2:]) == {written[3], written[7]}
        assert rises[:6] == falls[5::-1]


async def test_the_oldest_may_come_first(database: Database, chats: Chats, rows: GenerationRows) -> None:
    for number in range(7):
        await move(database, await run(chats), f"2026-03-0{1 + number // 3}T12:00:00.000Z")
    for choice in (EVERY, await of_setup(rows, SETTINGS)):
        oldest = await all_pages(rows, changed(choice, rising=True))
        assert oldest == (await all_pages(rows, choice))[::-1] and len(oldest) == 7


async def test_a_period_has_those_of_every_order(
    database: Database, chats: Chats, rows: GenerationRows
) -> None:
    for day in (1, 2, 3):
        for again in (False, True):
            await move(database, await run(chats, from_cache=again), f"2026-03-0{day}T12:00:00.000Z")
    for order in get_args(GenerationOrder):
        found = await all_pages(
            rows, Choice("2026-03-01T13", "2026-03-03T12:00:00.000Z", "tiny", order=order)
        )
        assert [one.created[:10] for one in found] == ["2026-03-02"] * 2


async def test_by_how_they_ended(chats: Chats, rows: GenerationRows) -> None:
    await run(chats)
    await run(chats, state="stopped")
    await run(chats, state="failed")
    await run(chats, from_cache=True)
    for order in get_args(GenerationOrder):
        kept = await all_pages(rows, Choice(order=order))
        assert sorted(ended(one) for one in kept) == ["end", "failed", "from cache", "stopped"]
        for one in kept:
            assert await all_pages(rows, Choice(order=order, ended=ended(one)[1:].upper())) == [one]
        assert await all_pages(rows, Choice(order=order, ended="%")) == []


async def test_pages_of_one_setting_have_its_runs_alone(
    database: Database, chats: Chats, rows: GenerationRows
) -> None:
    more = {**SETTINGS, "threads": 4}
    written = [await run(chats, settings=more if number % 2 else SETTINGS) for number in range(7)]
    for number, row in enumerate(written):
        await move(database, row, f"2026-03-0{1 + number // 3}T12:00:00.000Z")
    setup = await of_setup(rows, more)
    first = await rows.page(setup, 2)
    rest = await rows.page(setup, 2, first.following)
    read = [one.id for one in (*first.generations, *rest.generations)]
    assert (read, rest.following) == ([written[at].generation_id for at in (5, 3, 1)], "")
    assert await rows.setup(Setup("tiny")) is None


@pytest.mark.parametrize("rising", [False, True])
async def test_pages_of_one_setting_read_no_other_runs(database: Database, rising: bool) -> None:
    query, values = Choice(setup=1, rising=rising).page("", 5)
    plan = [row[3] for row in await database.fetch(f"EXPLAIN QUERY PLAN {query}", values)]
    assert any("generations_figures (setup=?" in step for step in plan), plan
    assert not any("USE TEMP B-TREE FOR ORDER BY" in step for step in plan), plan


@pytest.mark.parametrize("cursor", ["x", "/", "2026/x", "2026-01-01"])
async def test_a_foreign_cursor_is_refused(rows: GenerationRows, cursor: str) -> None:
    with pytest.raises(ValueError):
        await rows.page(EVERY, 3, cursor)


@pytest.mark.parametrize("by_day", [False, True])
@pytest.mark.parametrize("period", [ALL, Period("2026-01-02T03:04:05.678Z", "2027", "tiny")])
async def test_figures_never_read_the_rows_themselves(
    database: Database, period: Period, by_day: bool
) -> None:
    from kensho_tui.storage.generations import _figures_query

    sql, values = _figures_query(period, by_day)
    plan = [row[3] for row in await database.fetch(f"EXPLAIN QUERY PLAN {sql}", values)]
    assert any("USING COVERING INDEX generations_figures" in step for step in plan), plan
    assert not any("TEMP B-TREE" in step for step in plan), plan


# --- from an older database ---------------------------------------------------------------------------


def write_old(path: Path) -> None:
    """Runs as the version before wrote them: a measured one, one that never began, one without settings."""
    old = '{"context": 4096, "device": "CUDA0", "threads": 5, "gpu_layers": 20, "kv_type": "q8_0"}'
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "INSERT INTO model_headers VALUES ('/m/a.gguf', 9, 1700000000250000000, 'f', ?, 'now')",
            ('{"quantisation": "Q8_0"}',),
        )
        for name, model, started, settings, mtime in (
            ("a", "a", "2025-01-02T00:00:00.000Z", old, 1700000000.25),
            ("b", "b", None, "{}", None),
            ("c", "c", "2025-01-03T00:00:00.000Z", "{}", 1.0),
        ):
            connection.execute(
                "UPDATE generations SET model = ?, model_path = ?, model_size = 9, model_mtime = ?,"
                " settings = ?, started = ?, created = '2025-01-02T23:59:59.999Z', state = 'complete',"
                " prompt_tokens = 64, cached_tokens = 0, completion_tokens = 10, queue_s = 0, load_s = 0,"
                " prefill_s = 1, ttft_s = 1.5, prompt_tok_s = 64, decode_tok_s = 12.5, total_s = 3"
                " WHERE model = ? AND settings = '{}'",
                (model, f"/m/{model}.gguf", mtime, settings, started, f"was-{name}"),
            )
        connection.commit()


async def test_runs_of_an_older_database_are_kept_and_counted(path: Path) -> None:
    database = (await open_database(path, migrations=MIGRATIONS[:BEFORE])).database
    for name in "abc":
        await Chats(database).begin_turn(None, name, f"was-{name}", None, "queued")
    before = await database.fetch("SELECT id, message_id, settings FROM generations ORDER BY number")
    await database.close()
    write_old(path)
    database = (await open_database(path)).database
    rows = GenerationRows(database)
    setups = await rows.setups()
    assert set(setups.values()) == {Setup("a", "Q8_0", 0, "CUDA0", 20, 4096, "q8_0", 5), Setup("c")}
    figures = {setups[some.setup].model: some for some in await rows.figures(ALL, by_day=True)}
    assert set(figures) == {"a", "c"}
    assert (figures["a"].day, figures["a"].ttft, figures["a"].decode) == (
        "2025-01-02", "1500000", "12500000",
    )  # fmt: skip
    page = (await rows.page(EVERY, 9)).generations
    assert [one.id for one in page][::-1] == [row[0] for row in before]
    assert [one.message for one in page][::-1] == [row[1] for row in before]
    await database.close()


async def test_setups_of_the_version_before_are_kept_and_the_new_settings_not_known(path: Path) -> None:
    before = next(at for at, step in enumerate(MIGRATIONS) if step.name == "0008-settings")
    database = (await open_database(path, migrations=MIGRATIONS[:before])).database
    async with database.transaction("not written") as work:
        for number, threads in ((3, 4), (7, 2)):
            await work.run(
                "INSERT INTO setups (number, model, quantisation, active_weights, device, gpu_layers,"
                " context, kv_type, threads) VALUES (?, 'tiny', 'Q4_1', 9, 'CPU', -1, 8192, 'f16', ?)",
                (number, threads),
            )
    row = await Chats(database).begin_turn(None, "question", "tiny", None, "streaming")
    async with database.transaction("not written") as work:
        await work.run("UPDATE generations SET setup = 7, day = substr(created, 1, 10), state = 'complete'")
    await database.close()
    database = (await open_database(path)).database
    rows = GenerationRows(database)
    assert {number: setup.threads for number, setup in (await rows.setups()).items()} == {3: 4, 7: 2}
    (kept,) = (await rows.page(EVERY, 9)).generations
    assert (kept.id, kept.threads, kept.threads_batch, kept.batch, kept.flash) == (
        row.generation_id, 2, 0, 0, "",
    )  # fmt: skip
    await run(Chats(database))
    assert sorted(some.runs for some in await rows.figures(ALL)) == [1, 1]
    await database.close()
