"""Benchmarks on the metrics screen: started, watched, stopped, applied and undone."""

import pytest
from msgspec.structs import replace
from textual.events import Key
from textual.pilot import Pilot

from kensho_tui.core import bench_contract as b
from kensho_tui.core import model_contract as mc
from kensho_tui.core.errors import EngineError, UsageError
from kensho_tui.ui.metrics.bench import texts
from kensho_tui.ui.metrics.graph import GLYPHS
from tests.ui.conftest import NOW, Started, app_of, screen_text, shown, until
from tests.ui.fake_host import MODEL, FakeHost
from tests.ui.metrics.benches import Benches, run, settings, spread
from tests.ui.metrics.figures.scripted import CODER, QWEN, SMALL, ScriptedFigures
from tests.ui.metrics.scripted import Samples, sample

BRAILLE = GLYPHS["braille"]
GONE_ON = replace(
    run(recommendations=()), state="running", done=17, total=50, eta_s=42.0, doing="8 threads, 512 tokens"
)


@pytest.fixture
def benches(host: FakeHost, samples: Samples) -> Benches:
    samples.take(sample())
    return Benches(host)


async def opened(pilot: Pilot[None]) -> None:
    await until(pilot, lambda: app_of(pilot).session.models is not None)
    await pilot.press("f4")
    await shown(pilot, "▸ Metrics", "12/64 G")
    await pilot.press("b")
    await shown(pilot, MODEL)


# --- what is said -------------------------------------------------------------------------------------


def test_the_table_has_medians_spread_counts_and_reasons() -> None:
    same, *rows = [row.plain for row in texts.table(run(), BRAILLE, 120)]
    assert same == "all with prefill threads 8, batch 512, flash on, prompt 512"
    assert rows[0].split()[:4] == ["machine", "threads", "KV", "prompt"]
    assert "810 ±2" in rows[2] and "162 ±2" in rows[2] and rows[2].endswith("   5")
    assert rows[2].lstrip().startswith("2") and rows[3].lstrip().startswith("1")
    assert rows[4].lstrip().startswith("shared")
    assert rows[6] == "   not possible: the KV cache of this model cannot be q8_0"
    assert all(row.cell_length <= 70 for row in texts.table(run(), BRAILLE, 70))
    assert texts.table(run(points=()), BRAILLE, 80) == []
    assert "162 +-2" in texts.table(run(), GLYPHS["ascii"], 120)[3].plain
    everywhere = run(
        device="CUDA0", points=[replace(one, settings=settings(8, gpu_layers=-1)) for one in run().points]
    )
    assert "GPU layers all" in texts.table(everywhere, BRAILLE, 120)[0].plain


def test_recommendations_say_their_key_their_settings_and_what_they_gain() -> None:
    rows = [row.plain for row in texts.recommendations(run(in_use=("quiet",)))]
    assert rows[0] == "1 shared machine  decode 120 tok/s, prompt 600 tok/s"
    assert rows[1].strip() == "no faster than before"
    assert rows[3] == "2 quiet machine   decode 162 tok/s, prompt 812 tok/s · in use"
    assert rows[4].strip() == "24 % less time a turn than before"
    assert rows[5].strip() == "8 threads, 8 prefill threads, batch 512, f16 KV"


def test_what_rests_on_one_run_is_marked_as_unsure() -> None:
    once = tuple(replace(one, decode=spread(120.0, count=1)) for one in run().points[:3])
    rows = [row.plain for row in texts.recommendations(run(points=once + run().points[3:]))]
    assert rows[1].strip() == "no faster than before · unsure: one run each"
    repeated = run(points=(*once, *run().points))
    assert "unsure" not in "".join(row.plain for row in texts.recommendations(repeated))


def test_what_is_said_before_the_first_one_is_whole_in_a_narrow_terminal() -> None:
    rows = [row.plain for row in texts.none_yet(70)]
    assert " ".join(rows) == " ".join(texts.NONE_YET) and all(len(row) <= 70 for row in rows)


def test_settings_that_were_in_use_already_gain_nothing() -> None:
    rows = texts.recommendations(run(before=settings(7)))
    assert rows[1].plain.strip() == "the settings it had before"


def test_the_bare_loop_stands_beside_it() -> None:
    (loop,) = run().bare
    (said,) = texts.bare(run(), 75)
    assert said.plain == "beside llama.cpp, quiet: decode 162 of 165 (98 %), prompt 813 of 830 (98 %)"
    assert texts.bare(run(bare=()), 75) == []
    slow = replace(loop, decode_tok_s=9.0, decode_share=0.5)
    assert "decode 4.5 of 9.0 (50 %)" in texts.bare(run(bare=(slow,)), 75)[0].plain


def test_a_share_of_other_runs_than_those_of_the_advice_says_so() -> None:
    (loop,) = run().bare
    by_then = replace(loop, prompt_tok_s=12_670, prompt_share=0.048)
    rows = [row.plain for row in texts.bare(run(bare=(by_then,)), 75)]
    said = "beside llama.cpp, quiet: decode 162 of 165 (98 %), prompt 608 of 12,670 (5 %)"
    assert " ".join(rows[:-1]) == said and len(rows) == 3
    assert rows[-1] == "  the machine was slower by then than for the figures above"
    assert all(len(row) <= 75 for row in rows)
    almost = replace(loop, prompt_share=0.75)
    assert len(texts.bare(run(bare=(almost,)), 75)) == 1
    faster = replace(loop, decode_tok_s=330)
    assert texts.bare(run(bare=(faster,)), 75)[1].plain.startswith("  the machine was faster by then")


def test_what_was_cut_short_says_why_it_has_no_speed() -> None:
    cut = replace(run().points[3], prompt=None, decode=None, cut=True)
    row = texts.table(run(points=(*run().points[:3], cut)), BRAILLE, 120)[-1].plain
    assert row.split() == ["shared", "8", "too", "slow"]


def test_how_far_it_is() -> None:
    first, second = texts.progress(GONE_ON, BRAILLE, 120)
    assert first.plain == "▓▓▓▓▓▓▓▓░░░░░░░░░░░░░░░░ 34 % · 17 of 50 · about 42 s left · 8 threads, 512 tokens"
    assert "Esc or x stops it" in second.plain
    assert texts.progress(GONE_ON, GLYPHS["ascii"], 30)[0].plain.startswith("########....")
    assert texts.progress(run(), BRAILLE, 80) == []
    failed = run(state="failed", error="the engine died", hint="Try again")
    assert texts.progress(failed, BRAILLE, 80)[0].plain == "✗ the engine died · Try again"
    stopped = texts.progress(replace(GONE_ON, state="stopped"), BRAILLE, 80)
    assert stopped[0].plain.startswith("stopped after 17 of 50")
    cut = texts.progress(replace(GONE_ON, state="interrupted"), BRAILLE, 80)
    assert cut[0].plain == "the host ended: 17 of 50 measurements are kept; r or R measures anew"


def test_whose_it_is() -> None:
    assert texts.head(run(), NOW).plain == f"{MODEL} · Q4_1 · CPU · 8 cores · 09:00 · complete"


def test_what_another_choice_changes() -> None:
    before = mc.Defaults(threads=4, flash=False, temperature=0.2)
    after = mc.Defaults(threads=7, flash=True, gpu_layers=-1, temperature=0.2)
    said = "threads 4 → 7, flash attention off → on, GPU layers auto → all"
    assert texts.changes(before, after) == said
    assert texts.changes(before, before) == ""


# --- what a person does -------------------------------------------------------------------------------


async def test_a_benchmark_from_start_to_end(start: Started, host: FakeHost, benches: Benches) -> None:
    async with start() as pilot:
        await opened(pilot)
        await shown(pilot, "none yet", "r measure")
        await pilot.press("r")
        await shown(pilot, "under way", "0 %")
        assert host.called("bench.start") == [b.StartBench(model=MODEL, quick=True)]
        benches.post(replace(GONE_ON, id="b2"))
        await shown(pilot, "34 %", "about 42 s left", "8 threads, 512 tokens")
        await pilot.press("R", "1")
        benches.end(run(id="b2"))
        await shown(pilot, "complete", "1 shared machine", "162 ±2")
        assert len(host.called("bench.start")) == 1 and not host.called("bench.apply")


@pytest.mark.parametrize(("before", "keys"), [(["f4"], ["b", "r"]), ([], ["f4", "b", "r"])])
async def test_keys_that_come_in_one_go_do_what_they_would_one_by_one(
    start: Started, host: FakeHost, benches: Benches, before: list[str], keys: list[str]
) -> None:
    async with start() as pilot:
        app = app_of(pilot)
        await until(pilot, lambda: app.session.models is not None)
        await pilot.press(*before)
        for key in keys:
            app.post_message(Key(key, None))
        await shown(pilot, "under way")
        assert host.called("bench.start") == [b.StartBench(model=MODEL, quick=True)]


async def test_keys_that_begin_it_twice_in_one_go_begin_one(
    start: Started, host: FakeHost, benches: Benches
) -> None:
    def begun_once(request: b.StartBench) -> b.BenchRun:
        if len(host.called("bench.start")) > 1:
            raise UsageError(f"a benchmark of {MODEL} is under way")
        return begin(request)

    begin, host.replies["bench.start"] = host.replies["bench.start"], begun_once
    async with start() as pilot:
        await opened(pilot)
        for key in ("r", "r", "R"):
            pilot.app.post_message(Key(key, None))
        await shown(pilot, "under way", "0 %")
        assert host.called("bench.start") == [b.StartBench(model=MODEL, quick=True)]
        assert "✗" not in screen_text(pilot)


@pytest.mark.parametrize("error", [False, True])
async def test_what_was_said_of_the_figures_is_not_said_of_the_benchmarks(
    start: Started, benches: Benches, error: bool
) -> None:
    async with start() as pilot:
        await opened(pilot)
        await pilot.press("b")
        app = app_of(pilot)
        if error:
            app.show_error(EngineError("nothing was written"))
        else:
            app.say("nothing was written", seconds=20)
        await shown(pilot, "nothing was written")
        await pilot.press("b")
        await shown(pilot, "none yet")
        assert "nothing was written" not in screen_text(pilot)


async def test_what_was_said_of_one_benchmark_is_not_said_of_the_next(
    start: Started, host: FakeHost, benches: Benches
) -> None:
    benches.kept += [run(), run(id="b0")]
    async with start() as pilot:
        await opened(pilot)
        await pilot.press("1")
        await shown(pilot, "z undoes")
        await pilot.press("o")
        await shown(pilot, "2 of 2")
        assert "z undoes" not in screen_text(pilot)
        host.fail["bench.start"] = EngineError("the engine did not start")
        await pilot.press("r")
        await shown(pilot, "the engine did not start")
        host.fail.clear()
        await pilot.press("r")
        await shown(pilot, "under way", "0 %")
        assert "the engine did not start" not in screen_text(pilot)


async def test_what_is_typed_behind_m_is_looked_for(start: Started, host: FakeHost, benches: Benches) -> None:
    host.models_now += (replace(host.models_now[0], name="Other", default=False),)
    async with start() as pilot:
        await opened(pilot)
        for key in (*"moth", "enter"):
            pilot.app.post_message(Key(key, key if len(key) == 1 else None))
        await shown(pilot, "Benchmarks of Other")
        assert host.called("bench.list")[-1] == b.ListBenches(model="Other")


@pytest.mark.parametrize("key", ["x", "escape"])
async def test_a_key_stops_it(start: Started, host: FakeHost, benches: Benches, key: str) -> None:
    async with start() as pilot:
        await opened(pilot)
        await pilot.press("R")
        await shown(pilot, "under way")
        assert host.called("bench.start") == [b.StartBench(model=MODEL, quick=False)]
        await pilot.press(key)
        await shown(pilot, "stopped after 17 of 40")
        assert host.called("bench.stop") == [b.BenchRef(bench="b2")]
        await pilot.press("escape")
        await shown(pilot, "No model has answered yet")


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        ({"state": "stopped"}, "stopped before anything was measured: nothing is kept"),
        ({"state": "failed", "error": "too little memory", "hint": "Unload a model"}, "too little memory"),
    ],
)
async def test_a_run_that_measured_nothing_says_how_it_ended(
    start: Started, benches: Benches, ended: dict[str, object], said: str
) -> None:
    async with start() as pilot:
        await opened(pilot)
        await pilot.press("r")
        await shown(pilot, "under way")
        benches.post(replace(run(id="b2", points=(), bare=(), recommendations=()), **ended))
        await shown(pilot, said, "none yet")


async def test_it_goes_on_while_another_screen_is_seen(start: Started, benches: Benches) -> None:
    async with start() as pilot:
        await opened(pilot)
        benches.post(GONE_ON)
        await shown(pilot, "34 %")
        await pilot.press("b")
        await shown(pilot, "No model has answered yet")
        await pilot.press("f2")
        benches.post(replace(GONE_ON, done=25))
        await pilot.press("f4", "b")
        await shown(pilot, "50 %")


async def test_a_recommendation_is_applied_and_undone(
    start: Started, host: FakeHost, benches: Benches
) -> None:
    benches.kept.append(run())
    async with start() as pilot:
        await opened(pilot)
        await shown(pilot, "1 use for a shared machine")
        await pilot.press("1")
        await shown(pilot, "threads 4 → 7", "auto → on", "z undoes", "· in use")
        assert host.called("bench.apply") == [b.ApplyBench(bench="b1", condition="shared")]
        await shown(pilot, "z undo ")
        await pilot.press("z")
        await shown(pilot, "threads 7 → 4", "taken back, from its next answer on")
        assert host.called("bench.undo") == [b.BenchRef(bench="b1")]
        await shown(pilot, "1 use for a shared machine")
        assert "in use" not in screen_text(pilot) and "z undo " not in screen_text(pilot)
        await pilot.press("2")
        await shown(pilot, "threads 4 → 8")


async def test_advice_that_is_applied_and_taken_back_elsewhere_is_followed(
    start: Started, host: FakeHost, benches: Benches
) -> None:
    benches.kept += [run(), run(id="b0")]
    async with start() as pilot:
        await opened(pilot)
        await pilot.press("o")
        await shown(pilot, "2 of 2", "1 use for a shared machine")
        benches.set_elsewhere("shared")
        await shown(pilot, "2 of 2", "prompt 600 tok/s · in use", "2 use for a quiet machine")
        assert "1 use for" not in screen_text(pilot)
        benches.set_elsewhere()
        await shown(pilot, "1 use for a shared machine")
        assert "in use" not in screen_text(pilot)
        await pilot.press("1")
        await shown(pilot, "z undoes", "· in use")
        benches.set_elsewhere()
        await shown(pilot, "1 use for a shared machine")
        assert "z undoes" not in screen_text(pilot)


async def test_what_was_applied_before_the_app_was_started_can_be_undone(
    start: Started, host: FakeHost, benches: Benches
) -> None:
    before, after = mc.Defaults(), mc.Defaults(threads=7, threads_batch=8, flash=True)
    change = b.Applied(at="2026-11-21T09:05:00+00:00", before=before, after=after)
    benches.kept += [run(applied="shared", in_use=("shared",), change=change), run(id="b0")]
    benches.defaults = after
    async with start() as pilot:
        await opened(pilot)
        await shown(pilot, "· in use", "z undo ")
        await pilot.press("o")
        await shown(pilot, "2 of 2")
        assert "z undo " not in screen_text(pilot)
        await pilot.press("z")
        await shown(pilot, "nothing that is left to take back")
        await pilot.press("n", "z")
        await shown(pilot, "threads 7 → auto", "taken back", "1 use for a shared machine")
        assert benches.defaults == before


@pytest.mark.parametrize("measured", [17, 0])
async def test_one_that_was_cut_by_the_end_of_the_host_is_under_way_no_more(
    start: Started, host: FakeHost, samples: Samples, benches: Benches, measured: int
) -> None:
    async with start() as pilot:
        await opened(pilot)
        benches.post(GONE_ON)
        await shown(pilot, "34 %", "about 42 s left")
        benches.killed(*([replace(GONE_ON, state="interrupted")] if measured else []))
        samples.lose()
        if measured:
            await shown(pilot, "· interrupted", "the host ended: 17 of 50 measurements are kept", "162 ±2")
        else:
            await shown(pilot, "The host ended before the benchmark had measured anything", "none yet")
        assert "under way" not in screen_text(pilot)
        await pilot.press("r")
        await shown(pilot, "under way", "0 %")


async def test_what_is_set_already_is_said_and_offers_no_undo(start: Started, benches: Benches) -> None:
    benches.kept.append(run())
    benches.defaults = mc.Defaults(threads=7, threads_batch=8, flash=True)
    async with start() as pilot:
        await opened(pilot)
        await shown(pilot, "1 use for a shared machine")
        await pilot.press("1")
        await shown(pilot, "has these settings already", "· in use")
        assert "undo" not in screen_text(pilot)


async def test_older_benchmarks_and_another_model(start: Started, host: FakeHost, benches: Benches) -> None:
    benches.kept += [run(id="b9"), run(id="b8", state="failed", error="the engine died", points=())]
    async with start() as pilot:
        await opened(pilot)
        await shown(pilot, "1 of 2", "complete")
        await pilot.press("o")
        await shown(pilot, "2 of 2", "the engine died")
        await pilot.press("o", "n")
        await shown(pilot, "1 of 2", "complete")
        benches.kept.clear()
        await pilot.press("m")
        await shown(pilot, "Benchmarks of", "pick")
        await pilot.press("enter")
        await shown(pilot, "none yet")


async def test_a_command_opens_those_of_a_model(start: Started, host: FakeHost, benches: Benches) -> None:
    benches.kept.append(run())
    async with start(size=(160, 48)) as pilot:
        app = app_of(pilot)
        await until(pilot, lambda: app.session.models is not None)
        app.chat_screen.prompt.put("/bench smol")
        await pilot.press("enter")
        await shown(pilot, "▸ Metrics", "beside llama.cpp, quiet", "813 of 830 (98 %)")
        assert host.called("bench.list")[-1] == b.ListBenches(model=MODEL)


async def test_those_of_the_highlighted_model_are_shown(
    start: Started, host: FakeHost, benches: Benches
) -> None:
    ScriptedFigures(host, SMALL, CODER)
    async with start(size=(120, 40)) as pilot:
        await until(pilot, lambda: app_of(pilot).session.models is not None)
        await pilot.press("f4")
        await shown(pilot, QWEN[:12], "p period")
        await pilot.press("down", "b")
        await shown(pilot, f"Benchmarks of {QWEN}")
        assert host.called("bench.list")[-1] == b.ListBenches(model=QWEN)
        await pilot.press("b", "up")
        app_of(pilot).action_command("bench")
        await shown(pilot, f"Benchmarks of {MODEL}")


async def test_what_fails_is_said_and_a_host_without_benchmarks_too(
    start: Started, host: FakeHost, benches: Benches
) -> None:
    del host.replies["bench.list"]
    async with start() as pilot:
        await opened(pilot)
        await shown(pilot, "this host has no method 'bench.list'")
        host.fail["bench.start"] = EngineError("the engine did not start", hint="/restart may help")
        await pilot.press("r")
        await shown(pilot, "the engine did not start", "/restart may help")
        assert "under way ·" not in screen_text(pilot)


async def test_those_asked_for_while_the_host_was_gone_come_when_it_is_back(
    start: Started, host: FakeHost, samples: Samples, benches: Benches
) -> None:
    benches.kept.append(run())
    async with start() as pilot:
        host.reachable = False
        samples.lose()
        await until(pilot, lambda: app_of(pilot).session.link == "reconnecting")
        await pilot.press("f4", "b")
        await shown(pilot, f"Benchmarks of {MODEL}")
        host.reachable = True
        await shown(pilot, "complete", "1 shared machine")
