"""An answer as a time line."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from kensho_tui.core import contract as c
from kensho_tui.ui.metrics.graph import GLYPHS
from kensho_tui.ui.metrics.now.timeline import Elapsed, cells, last_rows, line, live_rows
from tests.ui.conftest import NOW
from tests.ui.metrics.scripted import generation

BRAILLE = GLYPHS["braille"]


@given(
    seconds=st.lists(st.just(0.0) | st.floats(1e-4, 1e4), min_size=4, max_size=4), width=st.integers(0, 64)
)
def test_cells_are_shared_by_time(seconds: list[float], width: int) -> None:
    found = cells(seconds, width)
    busy = [value for value in seconds if value > 0]
    if not busy or not width:
        assert found == [0, 0, 0, 0]
        return
    assert sum(found) == max(width, len(busy))
    for value, count in zip(seconds, found, strict=True):
        assert (count > 0) == (value > 0)
        assert count <= max(value / sum(seconds) * width + len(busy) + 1, 1)


def test_the_last_answer_in_two_rows() -> None:
    first, second = last_rows(generation(), True, NOW, BRAILLE, 130)
    assert first.plain.startswith("queue ░ load ▏ prefill ▓▓▓ decode ████")
    assert first.plain.endswith("  TTFT 34 ms") and first.cell_length <= 130
    assert second.plain.startswith("last answer · ")
    for part in ("queue 2 ms, prefill 32 ms, decode 646 ms", "148 tok/s", "312 in, 280 cached, 96 out"):
        assert part in second.plain


def test_what_ended_before_its_first_text_has_no_decode_and_no_ttft() -> None:
    times = c.Timings(queue_s=0.4, load_s=1.5, prefill_s=5.8, total_s=7.7)
    stopped = generation(timings=times, state="stopped", stop_reason="abort")
    first, second = last_rows(stopped, True, NOW, BRAILLE, 130)
    assert first.plain.endswith("decode ▏  no text in 7.7 s")
    assert "queue 400 ms, load 1.5 s, prefill 5.8 s" in second.plain and "decode" not in second.plain


def test_on_a_narrow_line_names_give_way_and_the_figure_stays() -> None:
    first, second = last_rows(generation(), True, NOW, BRAILLE, 46)
    assert first.plain.startswith("q ░ l ▏ p ") and first.plain.endswith("TTFT 34 ms")
    assert first.cell_length <= 46 and second.cell_length <= 46


def test_a_cached_answer_is_labelled() -> None:
    again = generation(from_cache=True, timings=c.Timings(total_s=0.002, ttft_s=0.001))
    assert last_rows(again, True, NOW, BRAILLE, 90)[0].plain == ("from cache in 2 ms: no model was at work")


def test_what_was_not_measured_is_said() -> None:
    cut = generation(timings=None, usage=None, state="interrupted", stop_reason=None)
    assert "interrupted: it was not measured" in last_rows(cut, True, NOW, BRAILLE, 90)[0].plain
    assert "ask something in F2" in last_rows(None, True, NOW, BRAILLE, 90)[0].plain
    assert "not read yet" in last_rows(None, False, NOW, BRAILLE, 90)[0].plain


def test_a_name_that_has_the_quantisation_says_it_once() -> None:
    named = replace(generation(), model="SmolLM2.Q4_1", timings=None, usage=None)
    assert last_rows(named, True, NOW, BRAILLE, 90)[1].plain.count("Q4_1") == 1


def test_plain_ascii() -> None:
    assert line((0.1, 0, 0.1, 0.2), "end", GLYPHS["ascii"], 60).plain.isascii()


def test_an_answer_under_way_is_counted_by_phase() -> None:
    elapsed = Elapsed.of("s1", "queued", 10.0, None)
    for phase, at in (("queued", 11.0), ("loading", 12.0), ("warming", 13.0), ("prefill", 15.0)):
        elapsed.take(phase, at)  # type: ignore[arg-type]
    elapsed.take("decode", 16.0)
    elapsed.take("stalled", 18.0)
    assert elapsed.seconds == [2.0, 3.0, 1.0, 2.0]
    first, second = live_rows(elapsed, "answering", ["12 tokens", "", "M"], BRAILLE, 80)
    assert first.plain.endswith("answering") and second.plain == "12 tokens · M"


def test_one_that_was_under_way_before_is_split_at_its_first_words() -> None:
    elapsed = Elapsed.of("s1", "decode", 10.0, 13.0)
    elapsed.take("decode", 14.0)
    assert elapsed.seconds == [0.0, 0.0, 3.0, 1.0]
