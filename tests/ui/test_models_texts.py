"""Pure parts: rows, verdicts in words, columns, memory bars, progress, defaults typed by hand."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from textual.content import Content

from kensho_tui.core import contract as c
from kensho_tui.core.errors import NotFoundError, UsageError
from kensho_tui.core.model_contract import Defaults, Fit, Unloaded
from kensho_tui.ui import format as fmt
from kensho_tui.ui.columns import GAP, Cell, Column, joined, lay_out, natural_widths
from kensho_tui.ui.loading import Loads, share
from kensho_tui.ui.model_choice import ModelChoice
from kensho_tui.ui.models import memory_bar
from kensho_tui.ui.models.actions import meant, unloaded_words
from kensho_tui.ui.models.details import Seen, in_words
from kensho_tui.ui.models.forms import FIELDS, KEPT, defaults_of, split_tags
from kensho_tui.ui.models.local_rows import INSTALLED, RUNNING, installed_rows, running_rows
from kensho_tui.ui.models.rows import Workers, first_other, last_used_first, mark, names, remedy, verdict
from kensho_tui.ui.models.sheet import content
from kensho_tui.ui.models.what_if import WhatIf, contexts, other_kv, wider
from kensho_tui.ui.table import Sort
from tests.ui.fake_host import GIB, MODEL, worker
from tests.ui.fake_models import BROKEN, FREE, GEMMA, LLAMA, QWEN, a_few, footprint, loading, model

SMOLLM, QWEN_INFO, GEMMA_INFO, LLAMA_INFO, BROKEN_INFO = a_few()
NOW = datetime(2026, 11, 21, 9, 20, tzinfo=UTC)


def with_worker(state: c.WorkerState, name: str = MODEL) -> Workers:
    return Workers((replace(worker(state), model=name),), {name: 0.62})


# --- words ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("info", "workers", "glyph", "words"),
    [
        (SMOLLM, Workers(), "●", "resident · warm"),
        (SMOLLM, with_worker("ready"), "●", "resident · warm"),
        (replace(SMOLLM, pinned=True), with_worker("ready"), "●", "resident · pinned"),
        (SMOLLM, with_worker("busy"), "◉", "resident · answering"),
        (SMOLLM, with_worker("loading"), "◔", "loading 62 %"),
        (SMOLLM, with_worker("closing"), "◔", "unloading"),
        (QWEN_INFO, Workers(), "○", "fits · 2.3 s"),
        (replace(QWEN_INFO, load_s=0.0), Workers(), "○", "fits"),
        (GEMMA_INFO, Workers(), "○", f"fits after unloading {MODEL}"),
        (LLAMA_INFO, Workers(), "✗", "7.1 G free · 4,096 tokens fit"),
        (model("Huge", 40, "too large"), Workers(), "✗", "7.1 G free · 48 G needed"),
        (BROKEN_INFO, Workers(), "✗", "the file is cut short: 1.1 of 2.2 GB are there"),
        (BROKEN_INFO, with_worker("ready", BROKEN), "✗", "the file is cut short: 1.1 of 2.2 GB are there"),
        (replace(QWEN_INFO, verdict=None), Workers(), "○", ""),
        (replace(QWEN_INFO, verdict=c.Verdict(kind="unknown", reason="a\nb")), Workers(), "○", "a b"),
    ],
)
def test_verdicts_in_words(info: c.ModelInfo, workers: Workers, glyph: str, words: str) -> None:
    assert verdict(info, workers).text == words
    assert mark(info, workers.of(info.name)).text == glyph


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (c.Remedy(what="x", context=4096), "4,096 tokens fit"),
        (c.Remedy(what="x", kv_type="q8_0"), "q8_0 KV fits"),
        (c.Remedy(what="x", context=2048, kv_type="q8_0"), "2,048 tokens + q8_0 KV fit"),
        (c.Remedy(what="x", gpu_layers=20), "20 GPU layers fit"),
        (c.Remedy(what="another\x1b[31m file"), "another file"),
    ],
)
def test_remedies_in_words(found: c.Remedy, words: str) -> None:
    assert remedy(found) == words


@pytest.mark.parametrize(
    ("given_", "said"), [((), ""), (("A",), "A"), (("A", "B"), "A and B"), (("A", "B", "C"), "A and 2 more")]
)
def test_names(given_: tuple[str, ...], said: str) -> None:
    assert names(given_) == said


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 M"),
        (1000, "< 1 M"),
        (98 * 1024**2, "98 M"),
        (GIB, "1.0 G"),
        (int(9.4 * GIB), "9.4 G"),
        (24 * GIB, "24 G"),
    ],
)
def test_sizes(count: int, said: str) -> None:
    assert fmt.size(count) == said


@pytest.mark.parametrize(
    ("done", "said", "then"),
    [
        (Unloaded(models=("A",), freed=GIB), "A unloaded, 1.0 G are free again", ""),
        (Unloaded(models=("A",), busy=("B",)), "A unloaded", "B answers just now and stays"),
        (Unloaded(models=(), busy=("B", "C")), "B and C answer just now and stay", "stop the answer first"),
        (Unloaded(models=()), "No model is loaded", ""),
    ],
)
def test_what_is_said_after_an_unload(done: Unloaded, said: str, then: str) -> None:
    assert unloaded_words(done, None, str)[:2] == (said, then)


# --- order ----------------------------------------------------------------------------------------------


def test_last_used_comes_first_and_what_is_broken_last() -> None:
    favourite = model("Zephyr", 1, "fits", favourite=True)
    plain = model("Alpha", 1, "fits")
    found = last_used_first((*a_few(), plain, favourite), ())
    assert [info.name for info in found] == [MODEL, QWEN, GEMMA, "Zephyr", "Alpha", LLAMA, BROKEN]
    chosen = last_used_first((*a_few(), plain, favourite), ("Alpha", GEMMA))
    assert [info.name for info in chosen][:4] == ["Alpha", GEMMA, MODEL, QWEN]
    assert first_other(chosen, "Alpha") == GEMMA
    assert first_other(a_few()[:1], MODEL) == MODEL
    assert first_other((), None) == ""


@pytest.mark.parametrize(
    ("reference", "name"),
    [(MODEL, MODEL), ("smollm2-135m-instruct", MODEL), ("gemma", GEMMA), ("qcoder", QWEN), ("l31", LLAMA)],
)
def test_the_model_that_is_meant(reference: str, name: str) -> None:
    assert meant(reference, a_few()).name == name


@pytest.mark.parametrize("reference", ["zzz", "in", ""])
def test_none_or_several_meant(reference: str) -> None:
    with pytest.raises(NotFoundError):
        meant(reference, a_few())


def test_every_column_sorts_both_ways() -> None:
    running = (worker(), replace(worker(), model=GEMMA, pid=7, footprint=footprint(GIB)))
    for tab in (INSTALLED, RUNNING):
        items = a_few() if tab is INSTALLED else running
        for by in tab.sorts:
            one, other = (tab.ordered(items, Sort(by, turned)) for turned in (False, True))
            key = tab.sorts[by]
            assert [key(item) for item in one] == [key(item) for item in other][::-1]
        sort = tab.first()
        for _ in tab.sorts:
            sort = tab.next(sort)
        assert sort == tab.first()
        assert {column.title for column in tab.columns} >= set(tab.sorts)


def test_rows_have_a_cell_for_every_column() -> None:
    running = running_rows((worker(), loading(QWEN, "starting")), Workers(), RUNNING.first())
    installed = installed_rows(a_few(), Workers(), INSTALLED.first(), NOW)
    for tab, rows in ((INSTALLED, installed), (RUNNING, running)):
        assert all(len(row.cells) == len(tab.columns) - 1 for row in rows)
    assert installed[0].cells[-1] == Cell("6 min ago")


# --- columns --------------------------------------------------------------------------------------------

COLUMNS = (
    Column("name", least=8),
    Column("quant", rank=2),
    Column("verdict", least=6, grows=True),
    Column("speed", rank=1, right=True),
)


@pytest.mark.parametrize(
    ("room", "widths"),
    [
        (60, [16, 6, 23, 9]),  # what is left over goes to the verdict
        (43, [16, 6, 6, 9]),
        (36, [9, 6, 6, 9]),
        (34, [15, 0, 6, 9]),  # the highest rank goes first, and what it took is for the name
        (20, [12, 0, 6, 0]),
        (5, [8, 0, 6, 0]),
    ],
)
def test_widths_of_columns(room: int, widths: list[int]) -> None:
    assert lay_out(COLUMNS, [16, 6, 6, 9], room) == widths


@given(st.lists(st.integers(0, 60), min_size=4, max_size=4), st.integers(0, 200))
def test_columns_never_take_more_than_there_is(natural: list[int], room: int) -> None:
    widths = lay_out(COLUMNS, natural, room)
    kept = [width for width in widths if width]
    least = min(natural[0], 8) + min(natural[2], 6) + 2
    assert sum(kept) + GAP * max(len(kept) - 1, 0) <= max(room, least)


def test_a_text_goes_on_over_empty_cells_and_no_further() -> None:
    cells = [Content("a"), Content("b"), Content("a long verdict here"), Content("")]
    assert joined(COLUMNS, [4, 3, 6, 9], cells).plain == "a     b    a long verdict h…"
    cells[3] = Content("9 tok/s")
    assert joined(COLUMNS, [4, 3, 6, 9], cells).plain == "a     b    a lon…    9 tok/s"


def test_titles_have_room_for_the_mark_of_the_sort() -> None:
    assert natural_widths(COLUMNS, [("ab", "", "", "")], True) == [6, 7, 9, 7]
    assert natural_widths(COLUMNS, [("漢字", "", "x", "")], False) == [4, 0, 1, 0]


# --- memory ---------------------------------------------------------------------------------------------


def test_the_bar_shows_the_terms_and_what_is_free() -> None:
    print_ = c.Footprint(weights=4 * GIB, kv=2 * GIB, compute=GIB, overhead=GIB)
    assert memory_bar.bar(print_, 16 * GIB, 16).plain == "▓▓▓▓▒▒░▚········"
    assert memory_bar.bar(c.Footprint(), GIB, 10).plain == ""
    assert memory_bar.bar(print_, 16 * GIB, 3).plain == ""


def test_what_is_too_much_is_marked() -> None:
    drawn = memory_bar.bar(c.Footprint(weights=8 * GIB), 6 * GIB, 16)
    assert drawn.plain == "▓" * 16
    red = [span for span in drawn.spans if span.style == "$error"]
    assert [(span.start, span.end) for span in red] == [(12, 16)]


@given(
    st.lists(st.integers(0, 1 << 44), min_size=4, max_size=4), st.integers(-1, 1 << 44), st.integers(0, 200)
)
def test_the_bar_is_as_wide_as_it_should_be(sizes: list[int], free: int, width: int) -> None:
    weights, kv, compute, overhead = sizes
    print_ = c.Footprint(weights=weights, kv=kv, compute=compute, overhead=overhead)
    drawn = memory_bar.bar(print_, free, width).plain
    found = memory_bar.terms(print_)
    assert len(drawn) == (width if found and width >= len(found) else 0)
    assert all(term.glyph in drawn for term in found) or not drawn


def fit(context: int = 8192, **changes: object) -> Fit:
    print_ = footprint(GIB, context)
    judged = c.Verdict(kind="fits", need=print_.total, free=FREE, reason="It takes 1.6 GB of RAM")
    base = Fit(
        model=QWEN,
        context=context,
        kv_type="f16",
        gpu_layers=0,
        footprint=print_,
        verdict=judged,
        max_context=20480,
        kensho=GIB,
    )
    return replace(base, **changes)


@given(st.integers(20, 200), st.booleans())
def test_details_fit_any_width(width: int, tall: bool) -> None:
    text = content(Seen(QWEN_INFO, Workers(), None, fit(), True), width, tall).plain
    assert "weights" in text and QWEN[:10] in text
    if width >= 60:
        assert max(map(len, text.splitlines())) <= width


def test_what_other_programs_use_is_said() -> None:
    shared = fit(memory=24 * GIB, others=18 * GIB)
    assert (
        "other programs use 18 G of 24 G" in content(Seen(QWEN_INFO, Workers(), None, shared), 60, True).plain
    )
    alone = content(Seen(QWEN_INFO, Workers(), None, fit(memory=24 * GIB)), 60, True).plain
    assert "other programs" not in alone


def test_measured_memory_is_shown_until_something_is_tried() -> None:
    measured = replace(worker(), model=QWEN, footprint=footprint(GIB, source="measured"))
    seen = Seen(QWEN_INFO, Workers((measured,)), None, None)
    assert seen.footprint == measured.footprint
    assert seen._replace(fit=fit(4096)).footprint == fit(4096).footprint


@pytest.mark.parametrize(
    ("defaults", "said"),
    [
        (Defaults(), ""),
        (
            Defaults(context=4096, kv_type="q8_0", gpu_layers=-1),
            "context 4,096 · q8_0 KV · all layers on the GPU",
        ),
        (
            Defaults(temperature=0.2, top_k=40, max_tokens=512),
            "temperature 0.2 · top k 40 · answers up to 512",
        ),
        (
            Defaults(threads=3, threads_batch=4, batch=1024, flash=False),
            "3 threads · 4 prefill threads · batch 1,024 · flash attention off",
        ),
        (Defaults(threads=1, threads_batch=1), "1 thread · 1 prefill thread"),
        (Defaults(threads=0, flash=True), "as many threads as pay · flash attention on"),
        (Defaults(system="x", template="y"), "a system prompt · a template of its own"),
    ],
)
def test_defaults_in_words(defaults: Defaults, said: str) -> None:
    assert in_words(defaults) == said


# --- what is tried --------------------------------------------------------------------------------------


def test_contexts_that_are_tried() -> None:
    assert contexts(8192, 5000) == [512, 1024, 2048, 4096, 5000, 8192]
    assert contexts(6000, 0) == [512, 1024, 2048, 4096, 6000]
    assert contexts(256, 256) == [256]
    assert contexts(0, 0)[-1] == 1 << 20


def test_wider_and_narrower_end_where_there_is_no_more() -> None:
    tried = WhatIf()
    sizes = []
    for _ in range(9):
        tried = wider(tried, fit(), 32768, 1)
        sizes.append(tried.context)
    assert sizes[:4] == [16384, 20480, 32768, 32768]
    assert wider(WhatIf(context=512, exact=True), fit(), 32768, -1) == WhatIf(context=512, exact=True)
    assert wider(WhatIf(exact=True), fit(), 32768, -1) == WhatIf(context=4096)


def test_kv_types_go_round() -> None:
    tried = [WhatIf()]
    for _ in range(3):
        tried.append(other_kv(tried[-1], fit()))
    assert [one.kv_type for one in tried] == [None, "q8_0", "q4_0", "f16"]


# --- progress -------------------------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["unloading", "waiting", "starting", "reading", "loading", "warming"]),
            st.integers(0, 100),
        ),
        max_size=30,
    )
)
def test_a_load_never_runs_backwards(steps: list[tuple[c.PhaseName, int]]) -> None:
    loads, before = Loads(), 0.0
    for at, (name, done) in enumerate(steps):
        loads.take((replace(loading(QWEN, name, done), elapsed_s=at * 0.1),), 0.0)
        found = loads.of(QWEN, 0.0)
        assert found is not None
        if found.share is not None:
            assert before <= found.share <= 1
            before = found.share


def test_another_load_begins_anew_and_the_clock_goes_on() -> None:
    loads = Loads()
    loads.take((replace(loading(QWEN, "reading", 100), elapsed_s=2.0),), 10.0)
    found = loads.of(QWEN, 10.5)
    assert found is not None and found.text() == "80 % · 2.5 of ~2.3 s"
    loads.take((replace(loading(QWEN, "reading", 10), elapsed_s=0.1, expected_s=0.0),), 20.0)
    found = loads.of(QWEN, 20.0)
    assert found is not None and found.text() == "8 %"
    loads.take((replace(worker(), model=QWEN),), 21.0)
    assert loads.of(QWEN, 21.0) is None and loads.of(None, 21.0) is None


@pytest.mark.parametrize(
    ("phase", "said"),
    [
        (c.Phase(name="starting"), "starting · 1.4 of ~2.3 s"),
        (
            c.Phase(name="waiting", note="for the driver"),
            "waiting for memory · 1.4 of ~2.3 s · for the driver",
        ),
        (c.Phase(name="unloading", note="A\x1b[31m"), "unloading A · 1.4 of ~2.3 s"),
        (c.Phase(name="unloading"), "unloading another model · 1.4 of ~2.3 s"),
        (c.Phase(name="reading"), "loading · 1.4 of ~2.3 s"),
        (c.Phase(name="warming"), "98 % · 1.4 of ~2.3 s"),
        (None, "starting · 1.4 of ~2.3 s"),
    ],
)
def test_progress_in_words(phase: c.Phase | None, said: str) -> None:
    loads = Loads()
    loads.take((replace(loading(QWEN, "starting"), phase=phase),), 0.0)
    found = loads.of(QWEN, 0.0)
    assert found is not None and found.text() == said


def test_shares_of_the_phases_join_without_a_gap() -> None:
    ends = [
        share(c.Phase(name=name, done=done, total=100))
        for name in ("reading", "loading")
        for done in (0, 100)
    ]
    assert ends == [0.0, 0.8, 0.8, pytest.approx(0.98)]
    assert share(c.Phase(name="decode", done=1, total=2)) is None


@pytest.mark.parametrize(
    ("phase", "said"),
    [
        (c.Phase(name="unloading", note="SmolLM2"), "unloading SmolLM2 · 2 s"),
        (c.Phase(name="unloading"), "unloading another model · 2 s"),
        (c.Phase(name="waiting", note="for the driver"), "waiting for memory · for the driver · 2 s"),
    ],
)
def test_phases_of_a_stream_in_words(phase: c.Phase, said: str) -> None:
    assert fmt.phase_text(phase, 2.0) == said


# --- what was chosen ------------------------------------------------------------------------------------


def test_a_choice_is_remembered_until_the_host_has_it() -> None:
    choice = ModelChoice()
    choice.choose(None, "B", "A")
    choice.got_id("c1")
    assert (choice.of(None), choice.of("c1"), choice.recent) == ("B", "B", ["B", "A"])
    choice.settle("c1", "A")
    assert choice.of("c1") == "B"
    choice.settle("c1", "B")
    assert choice.of("c1") is None


def test_a_choice_that_fails_is_taken_back_unless_another_was_made() -> None:
    choice = ModelChoice()
    choice.choose("c1", "B", "A")
    choice.choose("c1", "C", "B")
    assert not choice.take_back("c1", "B")
    assert choice.take_back("c1", "C") and choice.of("c1") == "B"
    choice.choose("c1", "C", "B")
    choice.choose("c1", "C", "C")
    assert choice.take_back("c1", "C") and choice.of("c1") == "C"
    assert choice.recent == ["C", "B", "A"]


# --- what is typed --------------------------------------------------------------------------------------


def typed(**changes: str) -> dict[str, str]:
    return {**{field.name: "" for field in FIELDS}, "system": "", "template": "", **changes}


@pytest.mark.parametrize(
    ("fields", "defaults"),
    [
        ({}, Defaults()),
        ({"context": " 16,384 "}, Defaults(context=16384)),
        ({"kv_type": "Q8_0"}, Defaults(kv_type="q8_0")),
        ({"gpu_layers": "-1", "temperature": "0"}, Defaults(gpu_layers=-1, temperature=0.0)),
        ({"top_k": "40", "top_p": "0.9", "min_p": ".05"}, Defaults(top_k=40, top_p=0.9, min_p=0.05)),
        (
            {"max_tokens": "512", "system": " Be brief.\nYes. "},
            Defaults(max_tokens=512, system="Be brief.\nYes."),
        ),
        ({"template": KEPT}, Defaults(template="{{ x }}")),
        (
            {"threads": "0", "threads_batch": "4", "batch": "512", "flash": " On "},
            Defaults(threads=0, threads_batch=4, batch=512, flash=True),
        ),
        ({"flash": "off"}, Defaults(flash=False)),
    ],
)
def test_what_is_typed_becomes_defaults(fields: dict[str, str], defaults: Defaults) -> None:
    assert defaults_of(typed(**fields), Defaults(template="{{ x }}", context=1)) == defaults


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"context": "8k"}, "Context: '8k' is not a whole number"),
        ({"context": "1"}, "Context must be from 64"),
        ({"gpu_layers": "2,5"}, "GPU layers: '2,5' is not a whole number"),
        ({"temperature": "hot"}, "Temperature: 'hot' is not a number"),
        ({"temperature": "0,5"}, "Temperature: '0,5' is not a number"),
        ({"temperature": "nan"}, "Temperature must be"),
        ({"top_p": "1.5"}, "Top p must be from 0 to 1"),
        ({"kv_type": "f8"}, "there is no 'f8'"),
        ({"flash": "maybe"}, "Flash attention: there is no 'maybe'"),
        ({"threads_batch": "0"}, "Prefill threads must be from 1"),
        ({"template": "/nowhere/x.jinja"}, "No such file"),
        ({"template": "/"}, "template:"),
        ({"template": "a\x00b"}, "template:"),
        ({"system": "x" * 100_001}, "the system prompt is longer"),
        ({"max_tokens": "9" * 5000}, "Answer's tokens"),
    ],
)
def test_what_is_typed_wrong_is_named(fields: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        defaults_of(typed(**fields), Defaults())
    assert said in caught.value.line()


def test_a_template_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "chat.jinja"
    file.write_text("{{ messages }}", encoding="utf-8")
    assert defaults_of(typed(template=str(file)), Defaults()).template == "{{ messages }}"
    for bad in (b"", b"x" * ((1 << 20) + 1), b"\xff\xfe"):
        file.write_bytes(bad)
        with pytest.raises(UsageError):
            defaults_of(typed(template=str(file)), Defaults())


@pytest.mark.parametrize(
    ("text", "tags"),
    [("", ()), ("Code, math code", ("code", "math")), ("a\x1b[31mb", ("ab",)), (" ,, ", ())],
)
def test_tags(text: str, tags: tuple[str, ...]) -> None:
    assert split_tags(text) == tags


@pytest.mark.parametrize("text", ["x" * 33, " ".join(map(str, range(17)))])
def test_too_many_or_long_tags_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        split_tags(text)


@pytest.mark.parametrize(
    ("date", "said"),
    [
        ("2026-11-21T09:14:00Z", "09:14"),
        ("2026-01-02T09:14:00Z", "2 Jan 09:14"),
        ("2025-11-22T09:14:00Z", "22 Nov 2025 09:14"),
        ("soon", ""),
    ],
)
def test_a_moment_of_another_year_says_which(date: str, said: str) -> None:
    assert fmt.clock(date, NOW) == said
