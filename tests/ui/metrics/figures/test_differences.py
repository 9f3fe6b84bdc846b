"""Two side by side: what is better, and what is noise."""

from hypothesis import given
from hypothesis import strategies as st

from kensho_tui.core.metrics_contract import Spread
from kensho_tui.ui.metrics.figures.differences import Side, difference, items, judged, rows, words
from kensho_tui.ui.metrics.figures.document import flat
from kensho_tui.ui.metrics.figures.look import Look
from kensho_tui.ui.metrics.figures.measures import DECODE, TTFT, Measure
from tests.ui.conftest import NOW
from tests.ui.metrics.figures.scripted import CODER, OLD, SMALL, spread

SPREADS = st.none() | st.builds(spread, st.floats(0.001, 1e6), st.floats(0, 1e3), st.integers(1, 10_000))
TURNED = {"first": "second", "second": "first"}


@given(SPREADS, SPREADS, st.sampled_from([TTFT, DECODE]))
def test_both_ways_say_the_same(a: Spread | None, b: Spread | None, measure: Measure) -> None:
    one, other = difference(measure, a, b), difference(measure, b, a)
    assert other.judged == TURNED.get(one.judged, one.judged)
    assert (one.ratio is None) == (other.ratio is None)
    if one.ratio is not None and other.ratio is not None:
        assert abs(one.ratio * other.ratio - 1) < 1e-9


@given(SPREADS, st.booleans())
def test_nothing_is_better_than_itself(a: Spread | None, less: bool) -> None:
    assert judged(a, a, less=less) in ("none", "few", "unclear")


def test_what_overlaps_is_not_clear_and_few_runs_say_nothing() -> None:
    assert judged(spread(100, 5), spread(110, 5)) == "unclear"  # they touch
    assert judged(spread(100, 5), spread(110, 4.9)) == "second"
    assert judged(spread(100, 5), spread(110, 4.9), less=True) == "first"
    assert judged(spread(100, 1, 4), spread(900, 1)) == "few"
    assert judged(None, spread(900, 1)) == "none"


def test_words() -> None:
    assert words(difference(DECODE, spread(40, 1), spread(80, 1))) == "B is faster"
    assert words(difference(TTFT, spread(0.1, 0.01), spread(0.2, 0.01))) == "A is sooner"
    assert words(difference(TTFT, spread(0.1, 1), spread(0.2, 1))) == "not clear"


def test_rows_have_counts_ratio_and_judgement() -> None:
    sides = (
        Side("small", {"runs with": "Q4_1"}, SMALL.figures),
        Side("coder", {"runs with": "Q4_K_M"}, CODER.figures),
    )
    shown = {row.label: [cell.text for cell in row.cells] for row in rows(*sides, Look(NOW))}
    assert shown["runs"] == ["1,234", "86", "", ""]
    assert shown["runs with"][:2] == ["Q4_1", "Q4_K_M"]
    assert shown["decode tok/s"][2:] == ["0.28 x", "A is faster"]
    assert "(1,111)" in shown["decode tok/s"][0]
    old = Side("old", {}, OLD.figures)
    assert {row.cells[3].text for row in rows(sides[0], old, Look(NOW))} == {"", "too few runs"}


def test_items_have_a_field_for_every_figure() -> None:
    found = items(Side("a", {}, SMALL.figures), Side("b", {}, CODER.figures))
    documents = [one for one in found if isinstance(one, dict)]
    assert [one["figure"] for one in documents] == [
        "decode_tok_s",
        "ttft_s",
        "prompt_tok_s",
        "bandwidth",
        "load_s",
    ]
    record = flat(documents[0])
    assert documents[0]["a"] == SMALL.figures.decode
    assert (record["a_median"], record["b_count"], record["judged"]) == (148.2, 78, "first")
