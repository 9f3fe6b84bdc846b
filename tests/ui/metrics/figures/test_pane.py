"""The pane of figures, key by key."""

import asyncio
import csv
import io
import json
import re
from pathlib import Path
from typing import cast

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot

from kensho_tui.config.paths import Paths
from kensho_tui.config.settings import Settings
from kensho_tui.core import contract as c
from kensho_tui.core import metrics_contract as mc
from kensho_tui.core.errors import HostGoneError, StorageError
from kensho_tui.ui.app import KenshoApp
from tests.ui.conftest import NOW, app_of, screen_text, shown, until
from tests.ui.fake_host import MODEL, FakeHost
from tests.ui.metrics.figures.conftest import Opened, busy, pane_of
from tests.ui.metrics.figures.scripted import (
    CODER,
    GONE,
    OLD,
    QWEN,
    RUNS,
    SMALL,
    ScriptedFigures,
    days,
    generation,
)

WIDE = (160, 48)
TIMED = c.Timings(ttft_s=0.034, decode_tok_s=148.0)
EVIL = "\x1b]0;x\x07evil\x9b31m"


async def press(pilot: Pilot[None], *keys: str) -> str:
    """What is on the screen once these keys are done."""
    await pilot.press(*keys)
    await until(pilot, lambda: not busy(pilot))
    return screen_text(pilot)


def names(text: str) -> list[str]:
    """The models on the screen, from top to bottom."""
    found = [(text.find(f" {name[:8]}"), name) for name in (MODEL, QWEN, GONE)]
    return [name for at, name in sorted(found) if at >= 0]


async def test_models_with_counts_spread_and_days(figures: ScriptedFigures, opened: Opened) -> None:
    async with opened(size=WIDE) as pilot:
        text = screen_text(pilot)
        assert names(text) == [MODEL, QWEN, GONE]
        for part in ("148 ±5   (1,111)", "(2)", "45.4 ±1.5", "███▆███▆███▆██", "14 days", "6 min ago"):
            assert part in text
        assert f"✗ {GONE}" in text and "gone · 2 Oct" in text
        assert "all time" in text and "by last used ▼" in text


async def test_a_narrow_terminal_shows_which_model_it_is(host: FakeHost, opened: Opened) -> None:
    far = mc.Spread(count=1234, median=0.284, lower=0.21, upper=3.9, least=0.1, most=9.0)
    same = [
        replace(SMALL, quantisation=kind, figures=replace(SMALL.figures, ttft=far))
        for kind in ("Q4_1", "Q8_0")
    ]
    ScriptedFigures(host, *same)
    async with opened() as pilot:
        text = screen_text(pilot)
        for kind in ("Q4_1", "Q8_0"):
            assert re.search(rf"{MODEL} +{kind} +284 \[210–3,900\] ms \(1,234\) +148 ±5", text)
        assert "[both quartiles]" in text


async def test_days_are_asked_for_after_the_figures_and_only_the_last(
    figures: ScriptedFigures, opened: Opened
) -> None:
    async with opened(of_late=True) as pilot:
        assert figures.asked == [
            mc.ListModelMetrics(since="2026-10-23T00:00:00.000Z"),
            mc.ListModelMetrics(since="2026-11-08", days=14),
        ]
        assert "30 days" in screen_text(pilot) and names(screen_text(pilot)) == [MODEL, QWEN]


async def test_where_nothing_ran_of_late_all_there_is_is_shown(host: FakeHost, opened: Opened) -> None:
    figures = ScriptedFigures(host, OLD)
    async with opened(of_late=True) as pilot:
        text = screen_text(pilot)
        assert names(text) == [GONE] and "all time" in text
        assert [cast("mc.ListModelMetrics", one).since for one in figures.asked] == [
            "2026-10-23T00:00:00.000Z",
            None,
            "2026-11-08",
        ]


async def test_down_to_the_generations_and_up_again(figures: ScriptedFigures, opened: Opened) -> None:
    async with opened() as pilot:
        text = await press(pilot, "down", "up", "enter")
        assert f"Models › {MODEL} Q4_1" in text and "q8_0" in text and "by day, 8 Nov to 21 Nov" in text
        assert "TTFT" in text and "210 ±10 ms (7)" in text
        text = await press(pilot, "down", "enter")
        assert "from cache" in text and "failed" in text and "length" in text
        assert "queue" in text and "31 s" in text
        asked = cast("mc.ListGenerations", figures.asked[-1])
        assert (asked.model, asked.setup and asked.setup.kv_type) == (MODEL, "q8_0")
        assert "q8_0" in await press(pilot, "escape")
        assert "q8_0" in pane_of(pilot)._table.highlighted.split("\n")
        assert names(await press(pilot, "escape")) == [MODEL, QWEN, GONE]
        assert not pane_of(pilot).leave()


async def test_a_trend_of_a_year_says_its_years_and_how_many_days_a_column_has(
    host: FakeHost, opened: Opened
) -> None:
    lately = days(148.0, 1)[0]
    ScriptedFigures(host, replace(SMALL, days=(replace(lately, day="2025-11-22"), lately)))
    async with opened() as pilot:
        text = await press(pilot, "enter")
        assert "8 days a column, 22 Nov 2025 to 21 Nov 2026, at the right the last day" in text
    async with opened(size=WIDE) as pilot:
        text = await press(pilot, "enter")
        assert "3 days a column, 22 Nov 2025 to 21 Nov 2026, at the right the last day; heights" in text


async def test_all_generations_of_a_model(figures: ScriptedFigures, opened: Opened) -> None:
    async with opened() as pilot:
        text = await press(pilot, "down", "g")
        assert f"{QWEN}: generations" in text
        assert figures.asked[-1] == mc.ListGenerations(model=QWEN, limit=200)


async def test_pages_come_as_one_goes_down(figures: ScriptedFigures, opened: Opened) -> None:
    async with opened() as pilot:
        await press(pilot, "g")
        for _ in range(3):
            await press(pilot, "end")
        pages = [one for one in figures.asked if isinstance(one, mc.ListGenerations)]
        assert [one.cursor for one in pages] == ["", "200", "400"]
        assert pane_of(pilot)._table.highlighted == RUNS[-1].id


async def test_another_period_has_its_own_generations_and_those_alone(
    figures: ScriptedFigures, opened: Opened
) -> None:
    today = tuple(one for one in RUNS if one.created >= "2026-11-21")
    async with opened() as pilot:
        await press(pilot, "g")
        text = await press(pilot, "p", "end")
        assert "today" in text and pane_of(pilot)._table.highlighted == today[-1].id
        # What they were is asked for again: the new one comes first, and the others are kept.
        figures.runs = (generation(450, created="2026-11-21T09:19:00.000Z"), *RUNS)
        await press(pilot, "r", "home")
        assert pane_of(pilot)._table.highlighted == "g450"


async def test_a_page_of_the_period_before_is_left_out(figures: ScriptedFigures, opened: Opened) -> None:
    today = tuple(one for one in RUNS if one.created >= "2026-11-21")
    async with opened() as pilot:
        await press(pilot, "g")
        held = figures.held = asyncio.Event()
        asked = len(figures.asked)
        await pilot.press("end")
        await until(pilot, lambda: len(figures.asked) == asked + 1)
        figures.held = None
        await pilot.press("p")
        await until(pilot, lambda: len(pane_of(pilot)._shown.rows) == len(today))
        held.set()
        await press(pilot, "end")
        assert pane_of(pilot)._table.highlighted == today[-1].id


async def test_a_generation_leads_to_its_message(
    host: FakeHost, figures: ScriptedFigures, opened: Opened
) -> None:
    words = [f"Answer number {number}. " + "More of it. " * 30 for number in range(40)]
    answers = [host.message("assistant", said) for said in words]
    chat = host.add_chat("measured", *answers)
    host.add_chat("another")
    figures.runs = (
        generation(0, chat=chat.id, message=answers[7].id),
        generation(1, chat="deleted"),
    )
    async with opened() as pilot:
        await press(pilot, "g", "down", "enter")
        await shown(pilot, "there is no such chat")
        assert app_of(pilot).place == "metrics"
        await press(pilot, "up", "enter")
        await shown(pilot, "Answer number 7.")
        assert app_of(pilot).place == "chat" and app_of(pilot).session.chat_id == chat.id
        text = screen_text(pilot)
        assert "Answer number 6." not in text and "End newest text" in text


async def test_a_generation_of_another_branch_leads_to_its_chat(
    host: FakeHost, figures: ScriptedFigures, opened: Opened
) -> None:
    chat = host.add_chat("measured", host.message("assistant", "The other one."))
    figures.runs = (generation(0, chat=chat.id, message="gone"),)
    async with opened() as pilot:
        await press(pilot, "g", "enter")
        await shown(pilot, "The other one.", "on another branch of the chat")


async def test_sorting(figures: ScriptedFigures, opened: Opened) -> None:
    async with opened() as pilot:
        text = await press(pilot, "s")
        assert "by model ▲" in text and names(text) == [GONE, QWEN, MODEL]
        text = await press(pilot, "s")
        assert "by decode tok/s ▼" in text and names(text) == [MODEL, QWEN, GONE]
        text = await press(pilot, "S")
        assert "by decode tok/s ▲" in text and names(text) == [GONE, QWEN, MODEL]


async def test_filtering(figures: ScriptedFigures, opened: Opened) -> None:
    async with opened() as pilot:
        text = await press(pilot, "slash", *"qwen", "enter")
        assert names(text) == [QWEN] and "/qwen" in text and "Esc all rows" in text
        assert "nothing found" in await press(pilot, "slash", *"xx", "enter")
        assert names(await press(pilot, "escape")) == [MODEL, QWEN, GONE]
        assert names(await press(pilot, "slash", *"q8")) == [GONE]  # by its quantisation


async def test_a_filter_opened_again_goes_on_where_it_ended(figures: ScriptedFigures, opened: Opened) -> None:
    async with opened() as pilot:
        line = pane_of(pilot)._shown.line
        await press(pilot, "slash", *"qwxn", "enter", "slash", "backspace", "backspace", *"en", "enter")
        assert line.value == "qwen"
        await press(pilot, "enter", "escape", "slash", "backspace", "n")  # down and up again
        assert line.value == "qwen" and line.cursor_position == 4
        await press(pilot, "home", "enter", "slash", *"25")
        assert line.value == "qwen25"


async def test_generations_are_sorted_by_the_host(figures: ScriptedFigures, opened: Opened) -> None:
    slow = [replace(RUNS[at], timings=replace(TIMED, ttft_s=at * 10.0)) for at in (7, 430)]
    figures.runs = tuple({one.id: one for one in (*RUNS, *slow)}.values())
    async with opened(size=WIDE) as pilot:
        table = pane_of(pilot)._table
        text = await press(pilot, "g")
        assert " time ▼" in text and "by time" not in text and "S last first" in text
        await press(pilot, "down", "S")
        assert "by time ▲" in screen_text(pilot)
        assert table.highlighted == min(RUNS, key=lambda one: one.created).id
        text = await press(pilot, "down", "s")
        assert "by TTFT ▲" in text and "TTFT ▲" in text and table.highlighted == "g1"
        await press(pilot, "S")
        assert table.highlighted == "g430"
        await press(pilot, "down", "down", "end")  # and the next page follows on
        pages = cast("list[mc.ListGenerations]", figures.asked[-2:])
        assert [(one.order, one.rising, one.cursor) for one in pages] == [
            ("ttft_s", False, ""),
            ("ttft_s", False, "200"),
        ]
        await until(pilot, lambda: len(pane_of(pilot)._shown.rows) == 400)
        before = table.highlighted
        figures.runs = (generation(900, timings=replace(TIMED, ttft_s=999.0)), *figures.runs)
        await press(pilot, "r")
        assert table.highlighted == before and len(pane_of(pilot)._shown.rows) == 401


async def test_generations_are_filtered_by_their_end(figures: ScriptedFigures, opened: Opened) -> None:
    async with opened() as pilot:
        text = await press(pilot, "enter", "enter", "down", "slash")
        assert "how they ended" in text
        before = len(figures.asked)
        await press(pilot, *"fail")
        assert len(figures.asked) == before
        text = await press(pilot, "enter")
        assert cast("mc.ListGenerations", figures.asked[-1]).ended == "fail"
        assert "/fail" in text and "Esc all rows" in text and "Enter the chat" in text
        assert pane_of(pilot)._table.highlighted == "g2" and len(pane_of(pilot)._shown.rows) == 1
        assert "/failed" in await press(pilot, "slash", *"ed", "enter")
        assert "None ended so" in await press(pilot, "slash", "x", "enter")
        text = await press(pilot, "escape")
        assert "/fail" not in text and len(pane_of(pilot)._shown.rows) == 200
        assert "today" in await press(pilot, "slash", "x", "escape", "p")
        assert len(pane_of(pilot)._shown.rows) > 1


async def test_what_is_typed_over_a_comparison_does_nothing(figures: ScriptedFigures, opened: Opened) -> None:
    async with opened() as pilot:
        text = await press(pilot, "space", "space", "c", "slash")
        assert "not to be filtered: these are two rows" in text and "Esc back" in text
        before = len(figures.asked)
        text = await press(pilot, *"stop eg", "enter")
        assert len(figures.asked) == before and "all time" in text and "writing" not in text
        assert "not to be filtered" not in text
        assert "today" in await press(pilot, "slash", "x", "escape", "p")


async def test_periods(figures: ScriptedFigures, opened: Opened) -> None:
    async with opened(of_late=True) as pilot:
        text = await press(pilot, "p")
        assert "all time" in text and names(text) == [MODEL, QWEN, GONE]
        text = await press(pilot, "p")
        assert "today" in text and names(text) == [MODEL]
        figures.models = ()
        assert "No model has answered in the last 7 days" in await press(pilot, "p")
        assert "No model has answered in the last 30 days" in await press(pilot, "p")


async def test_two_models_side_by_side(figures: ScriptedFigures, opened: Opened) -> None:
    async with opened() as pilot:
        assert "comparing takes two rows" in await press(pilot, "c")
        text = await press(pilot, "space", "space")
        assert "A SmolLM" in text and "B Qwen" in text
        text = await press(pilot, "space")  # of three the first goes
        assert "A Qwen" in text and "B Mistral" in text
        assert "too few runs" in await press(pilot, "c")
        text = await press(pilot, "escape", "home", "space", "home", "down", "space", "c")
        for part in ("1,234", "86", "0.28 x", "A is faster", "A is sooner", "Q4_K_M"):
            assert part in text


async def test_one_marked_row_is_compared_with_the_highlighted_one(
    figures: ScriptedFigures, opened: Opened
) -> None:
    async with opened() as pilot:
        text = await press(pilot, "enter", "space", "c")
        for part in ("A f16", "B q8_0", "0.81 x", "A is faster"):
            assert part in text
        figures.models = (CODER,)
        assert "has not answered in this time" in await press(pilot, "p")


async def test_before_and_after_a_benchmark_are_rows_of_their_own(host: FakeHost, opened: Opened) -> None:
    usual = CODER.settings[0]
    changed = replace(usual, threads_batch=1, last="2026-11-20T19:00:00.000Z")
    figures = ScriptedFigures(host, replace(CODER, settings=(changed, usual)))
    async with opened() as pilot:
        text = await press(pilot, "enter")
        assert re.search("device +prefill +.*TTFT", text) and "all with CPU · 8" in text
        text = await press(pilot, "space", "space", "c")
        assert (
            "A 1 prefill thread" in text
            and "B 4 prefill threads" in text
            and re.search("prefill +1 +4", text)
        )
        text = await press(pilot, "escape", "home", "enter")
        assert "› 1 prefill thread" in text
        asked = cast("mc.ListGenerations", figures.asked[-1])
        assert asked.setup is not None and asked.setup.threads_batch == 1


async def test_an_error_is_said_with_the_key_to_try_again(
    host: FakeHost, figures: ScriptedFigures, opened: Opened
) -> None:
    host.fail[mc.MODEL_METRICS.name] = StorageError("the database is locked", hint="Close the other program")
    async with opened(of_late=True) as pilot:
        text = screen_text(pilot)
        assert "✗ the database is locked" in text and "Close the other program" in text
        assert "r tries again" in text
        text = await press(pilot, "r")
        assert "locked" not in text and names(text) == [MODEL, QWEN]


async def test_figures_are_renewed_when_an_answer_ended_and_only_while_they_are_seen(
    host: FakeHost, figures: ScriptedFigures, opened: Opened
) -> None:
    async with opened() as pilot:
        await press(pilot, "down")
        asked = len(figures.asked)
        host.add_chat("new", updated="2026-11-21T09:19:00+00:00")
        host.post_status(streams=1)
        await until(pilot, lambda: len(figures.asked) == asked + 2)
        assert pane_of(pilot)._table.highlighted.startswith(QWEN)
        pane_of(pilot).left()
        host.post_status(streams=0)
        await until(pilot, lambda: app_of(pilot).session.status == host.status_now)
        assert not busy(pilot) and len(figures.asked) == asked + 2


async def test_answers_that_end_all_the_time_do_not_keep_a_question_from_being_answered(
    host: FakeHost, figures: ScriptedFigures, opened: Opened
) -> None:
    async with opened() as pilot:
        figures.held, asked = asyncio.Event(), len(figures.asked)
        await pilot.press("r")
        await until(pilot, lambda: len(figures.asked) == asked + 1)
        for streams in (1, 2, 3):
            host.post_status(streams=streams)
            await until(pilot, lambda: app_of(pilot).session.status == host.status_now)
        assert len(figures.asked) == asked + 1
        figures.held.set()
        # The one that was held with its days, and one more for all that ended meanwhile.
        await until(pilot, lambda: len(figures.asked) == asked + 4)


async def test_a_host_that_goes_is_waited_for(
    host: FakeHost, figures: ScriptedFigures, opened: Opened
) -> None:
    async with opened() as pilot:
        host.fail[mc.MODEL_METRICS.name] = HostGoneError("gone")
        text = await press(pilot, "r")
        assert names(text) == [MODEL, QWEN, GONE] and "gone" not in text


async def test_nothing_ran_yet(host: FakeHost, opened: Opened) -> None:
    ScriptedFigures(host)
    async with opened() as pilot:
        assert "No model has answered yet" in screen_text(pilot)
        await press(pilot, "enter", "space", "c", "g", "e", "s")
        assert "No model has answered yet" in screen_text(pilot)


async def test_names_cannot_break_the_screen(host: FakeHost, opened: Opened) -> None:
    ScriptedFigures(host, replace(OLD, model=EVIL, quantisation="[b]x[/b]"))
    async with opened() as pilot:
        text = await press(pilot, "enter")
        assert "Models › evil [b]x[/b]" in text


@pytest.fixture
def own_app(host: FakeHost, paths: Paths) -> KenshoApp:
    """With folders that can be written to."""
    return KenshoApp(host, paths, Settings(), now=lambda: NOW)


async def test_what_is_shown_is_written(
    figures: ScriptedFigures, opened: Opened, own_app: KenshoApp, paths: Paths
) -> None:
    async with opened(own_app) as pilot:
        text = await press(pilot, "slash", *"qwen", "enter", "e")
        [place] = (paths.data / "exports").iterdir()
        assert f"1 model in {place.name}" in text and "· folder" in text
        assert [line.split(",")[0] for line in place.read_text().splitlines()] == ["model", QWEN]


def lines_of(place: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(place.read_text())))


async def written(pilot: Pilot[None], folder: Path, *keys: str) -> Path:
    """The file that these keys make."""
    before = set(folder.glob("*"))
    await press(pilot, *keys)
    [place] = set(folder.glob("*")) - before
    return place


async def test_files_say_what_was_compared(
    host: FakeHost, opened: Opened, own_app: KenshoApp, paths: Paths
) -> None:
    formula, folder = "=1+1[b]x", paths.data / "exports"
    ScriptedFigures(host, replace(SMALL, model=formula), CODER, replace(CODER, quantisation="Q8_0"))
    async with opened(own_app) as pilot:
        await press(pilot, "down", "space", "space", "c")
        for line in lines_of(await written(pilot, folder, "e")):
            assert (line["a"], line["b"], "model" in line) == (f"{QWEN} Q4_K_M", f"{QWEN} Q8_0", False)
        read = json.loads((await written(pilot, folder, "E")).read_text())
        assert (read["a"], read["b"]) == (f"{QWEN} Q4_K_M", f"{QWEN} Q8_0")
        await press(pilot, "escape", "home", "enter")
        settings = lines_of(await written(pilot, folder, "e"))
        assert [line["model"] for line in settings] == [f"'{formula}"] * 3
        assert settings[0]["quantisation"] == "Q4_1" and settings[1]["kv_type"] == "q8_0"
        await press(pilot, "space", "space", "c")
        for line in lines_of(await written(pilot, folder, "e")):
            found = [line[name] for name in ("model", "quantisation", "a", "b")]
            assert found == [f"'{formula}", "Q4_1", "f16", "q8_0"]
        read = json.loads((await written(pilot, folder, "E")).read_text())
        assert [read[name] for name in ("model", "quantisation", "a", "b")] == [
            formula,
            "Q4_1",
            "f16",
            "q8_0",
        ]


async def test_all_pages_are_written_and_esc_stops_that(
    figures: ScriptedFigures, opened: Opened, own_app: KenshoApp, paths: Paths
) -> None:
    exports: Path = paths.data / "exports"
    async with opened(own_app) as pilot:
        await press(pilot, "g")
        await press(pilot, "e")
        [place] = exports.iterdir()
        assert len(place.read_text().splitlines()) == len(RUNS) + 1
        figures.held = asyncio.Event()
        await pilot.press("E")
        await shown(pilot, "Esc stop writing", "0 so far")
        await pilot.press("escape")
        figures.held.set()
        await shown(pilot, "Nothing was written")
        assert list(exports.iterdir()) == [place]
