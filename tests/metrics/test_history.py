"""Questions about what ran: dates, names, pages."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from kensho_tui.core.errors import NotFoundError, UsageError
from kensho_tui.core.metrics_contract import ListGenerations, ListModelMetrics, RanWith
from kensho_tui.metrics.history import History, chosen, stored_date
from kensho_tui.storage.chats import Chats
from kensho_tui.storage.database import Database, open_database
from kensho_tui.storage.generations import GenerationRows, PackedFigures, Period
from tests.support.runs import SETTINGS, TIMINGS, run


async def installed(reference: str) -> str:
    if reference == "new":
        return "brand-new"
    raise NotFoundError(f"there is no model {reference!r}")


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = (await open_database(tmp_path / "kensho.db")).database
    yield database
    await database.close()


@pytest.fixture
def history(database: Database) -> History:
    return History(GenerationRows(database), installed)


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("2026-11-21", "2026-11-21T00:00:00.000Z"),
        ("2026-11-21T09:30:00Z", "2026-11-21T09:30:00.000Z"),
        ("2026-11-21T01:30:00+02:00", "2026-11-20T23:30:00.000Z"),
        ("2026-11-21T09:30:00.123456Z", "2026-11-21T09:30:00.123Z"),
    ],
)
def test_dates(text: str, stored: str) -> None:
    assert stored_date(text) == stored


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "\x1b[31m", "0001-01-01T00:00:00+10:00"])
def test_what_is_no_date(text: str) -> None:
    with pytest.raises(UsageError, match="is no date"):
        stored_date(text)


def test_models_by_name_and_by_part_of_it() -> None:
    names = ["Gemma-3", "gemma-3-large", "smol"]
    assert chosen("gemma-3", names) == "Gemma-3"
    assert chosen("LARGE", names) == "gemma-3-large"
    assert chosen("none", names) is None
    with pytest.raises(NotFoundError, match=r"several models match 'gemma': Gemma-3, gemma-3-large"):
        chosen("gemma", names)
    assert chosen("a", ["a", "A"]) == "a"


async def test_a_model_that_never_ran_has_no_figures_and_an_unknown_one_is_an_error(
    history: History,
) -> None:
    found = await history.models(ListModelMetrics(model="new"))
    assert (found.models, found.model) == ((), "brand-new")
    assert (await history.generations(ListGenerations(model="new"))).generations == ()
    with pytest.raises(NotFoundError):
        await history.models(ListModelMetrics(model="nothing"))


async def test_runs_by_model_and_in_pages(database: Database, history: History) -> None:
    chats = Chats(database)
    for model in ("tiny", "big", "tiny"):
        await run(chats, model)
    await run(chats, "tiny", from_cache=True)
    found = await history.models(ListModelMetrics(days=1))
    assert [(one.model, one.figures.runs, one.from_cache) for one in found.models] == [
        ("tiny", 2, 1),
        ("big", 1, 0),
    ]
    assert found.models[0].figures.decode is not None
    assert found.models[0].figures.decode.median == pytest.approx(TIMINGS.decode_tok_s, abs=1e-6)
    assert [day.runs for day in found.models[0].days] == [2]
    first = await history.generations(ListGenerations(model="TIN", limit=2))
    assert (first.model, [one.from_cache for one in first.generations]) == ("tiny", [True, False])
    rest = await history.generations(ListGenerations(model="tiny", limit=2, cursor=first.next))
    assert (len(rest.generations), rest.next) == (1, "")


async def test_runs_with_the_settings_that_figures_are_of(database: Database, history: History) -> None:
    chats = Chats(database)
    for threads in (3, 4, 4):
        await run(chats, settings={**SETTINGS, "threads": threads})
    [model] = (await history.models(ListModelMetrics())).models
    for setup in model.settings:
        of_setup = {
            name: getattr(setup, name) for name in RanWith.__struct_fields__ if name != "quantisation"
        }
        ran_with = RanWith(quantisation=model.quantisation, **of_setup)
        page = await history.generations(ListGenerations(model=model.model, setup=ran_with))
        assert [one.threads for one in page.generations] == [setup.threads] * setup.figures.runs
    assert (await history.generations(ListGenerations(setup=RanWith()))).generations == ()


async def test_runs_by_a_figure_and_by_their_end(database: Database, history: History) -> None:
    for speed in (20.0, 40.0, 30.0):
        await run(Chats(database), timings=replace(TIMINGS, decode_tok_s=speed))
    asked = ListGenerations(order="decode_tok_s", rising=True, limit=2)
    first = await history.generations(asked)
    rest = await history.generations(replace(asked, cursor=first.next))
    found = [one.timings and one.timings.decode_tok_s for one in (*first.generations, *rest.generations)]
    assert (found, rest.next) == ([20.0, 30.0, 40.0], "")
    assert (await history.generations(ListGenerations(ended="failed"))).generations == ()


async def test_a_period_leaves_out_what_is_before_and_after(database: Database, history: History) -> None:
    await run(Chats(database))
    for request in (ListModelMetrics(since="2999-01-01"), ListModelMetrics(until="2000-01-01")):
        assert (await history.models(request)).models == ()
    inside = ListModelMetrics(since="2000-01-01", until="2999-01-01")
    assert len((await history.models(inside)).models) == 1


@pytest.mark.parametrize(
    "request_",
    [
        ListGenerations(limit=0),
        ListGenerations(limit=1001),
        ListGenerations(cursor="nonsense"),
        ListGenerations(cursor="2026/99999999999999999999999"),
        ListGenerations(order="ttft_s", cursor="2026-11-21T09:30:00.000Z/7"),
        ListGenerations(order="ttft_s", cursor="nan/7"),
        ListModelMetrics(days=-1),
        ListModelMetrics(days=10**6),
        ListModelMetrics(since="soon"),
    ],
)
async def test_hostile_requests_are_refused(
    history: History, request_: ListGenerations | ListModelMetrics
) -> None:
    with pytest.raises(UsageError):
        if isinstance(request_, ListGenerations):
            await history.generations(request_)
        else:
            await history.models(request_)


async def test_a_turn_that_begins_meanwhile_with_other_settings_does_no_harm(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, chats = GenerationRows(database), Chats(database)
    await run(chats)
    read = rows.figures

    async def figures(period: Period, *, by_day: bool = False) -> list[PackedFigures]:
        await run(chats, "newcomer")
        found = await read(period, by_day=by_day)
        await run(chats, "late")
        return found

    monkeypatch.setattr(rows, "figures", figures)
    found = await History(rows, installed).models(ListModelMetrics())
    assert {model.model for model in found.models} == {"tiny", "newcomer"}
