"""What models ran with: in words, and what tells runs apart."""

from msgspec.structs import replace

from kensho_tui.ui.metrics.figures import ran, rows
from kensho_tui.ui.metrics.figures.document import flat, setup
from kensho_tui.ui.metrics.figures.look import Look
from tests.ui.conftest import NOW
from tests.ui.metrics.figures.scripted import SMALL, generation

USUAL = SMALL.settings[0]
ONE = replace(USUAL, threads_batch=1)
BEFORE = replace(USUAL, threads_batch=0, batch=0, flash="")
"""Kept by a version that did not know of them."""


def test_everything_in_words() -> None:
    assert ran.words(USUAL) == (
        "CPU · 8,192 tokens · f16 · 3 threads · 4 prefill threads · batch 256 · flash attention"
    )
    everywhere = replace(USUAL, device="CUDA0", gpu_layers=-1, flash="off")
    assert ran.words(everywhere).endswith("batch 256 · no flash attention · all GPU layers")
    assert ran.words(replace(BEFORE, device="", context=0, kv_type="", threads=0, gpu_layers=0)) == ""


def test_settings_that_differ_have_columns_and_the_others_are_said_once() -> None:
    setups = (USUAL, ONE, replace(USUAL, batch=512))
    titles = [column.title for column in rows.settings_listing(setups).columns]
    assert titles[:4] == ["device", "prefill", "batch", "runs"]
    shown = [[cell.text for cell in row.cells[:2]] for row in rows.setup_rows(setups, Look(NOW))]
    assert shown == [["4", "256"], ["1", "256"], ["4", "512"]]
    assert len(rows.setup_rows(setups, Look(NOW))[0].cells) == len(titles) - 1
    assert [row.plain for row in ran.common(setups, 80)] == [
        "all with CPU · 8,192 tokens · f16 · 3 threads · flash attention"
    ]


def test_of_a_single_setting_everything_is_shown() -> None:
    titles = [column.title for column in rows.settings_listing((USUAL,)).columns]
    assert titles[:8] == ["device", "context", "KV", "threads", "prefill", "batch", "flash", "GPU layers"]
    assert len(rows.setup_rows((USUAL,), Look(NOW))[0].cells) == len(titles) - 1


def test_two_are_named_by_what_differs() -> None:
    assert ran.names(USUAL, ONE) == ("4 prefill threads", "1 prefill thread")
    assert ran.names(BEFORE, ONE) == (ran.UNKNOWN, "1 prefill thread · batch 256 · flash attention")
    assert ran.names(USUAL, replace(USUAL, active_weights=1)) == ("76 M of weights", "< 1 M of weights")
    assert ran.facts(BEFORE, ran.differing([BEFORE, ONE])) == dict.fromkeys(
        ("prefill", "batch", "flash"), ran.UNKNOWN
    )


def test_generations_have_what_differs_and_a_cached_answer_counts_for_nothing() -> None:
    cached = generation(1, from_cache=True, device="", context=0, kv_type="", threads=0, gpu_layers=0,
                        threads_batch=0, batch=0, flash="")  # fmt: skip
    same = [generation(0), cached]
    assert rows.generations_listing(same).columns[-1].title != "settings"
    mixed = [*same, generation(2, threads_batch=1)]
    assert rows.generations_listing(mixed).columns[-1].title == "settings"
    assert [row.cells[-1].text for row in rows.generation_rows(mixed, Look(NOW))] == [
        "4 prefill threads", "", "1 prefill thread",
    ]  # fmt: skip


def test_files_have_all_of_it() -> None:
    record = flat(setup(ONE))
    assert (record["threads_batch"], record["batch"], record["flash"]) == (1, 256, "on")
    record = flat(generation(0))
    assert (record["threads_batch"], record["batch"], record["flash"]) == (4, 256, "on")
