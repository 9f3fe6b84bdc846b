"""Measurements in words."""

import pytest

from kensho_tui.core.metrics_contract import Spread
from kensho_tui.ui.metrics.figures import said
from tests.ui.metrics.figures.scripted import spread


@pytest.mark.parametrize(
    ("median", "half", "count", "text"),
    [
        (148.2, 2.4, 31, "148 ±2 (31)"),
        (48.26, 1.24, 1100, "48.3 ±1.2 (1,100)"),
        (48.26, 0.0, 1, "48.3 (1)"),
        (12345.0, 1234.0, 9, "12,345 ±1,234 (9)"),
    ],
)
def test_speeds_have_spread_and_count_and_one_run_has_no_spread(
    median: float, half: float, count: int, text: str
) -> None:
    assert said.said(spread(median, half, count)) == text


def test_nothing_is_said_of_nothing() -> None:
    assert (said.said(None), said.time_said(None)) == ("", "")


@pytest.mark.parametrize(
    ("median", "half", "count", "text"),
    [
        (0.21, 0.012, 34, "210 +-12 ms (34)"),
        (2.314, 0.4, 5, "2.31 +-0.40 s (5)"),
        (2.314, 0.0, 1, "2.31 s (1)"),
        (1234.5, 2.0, 5, "1,234.50 +-2.00 s (5)"),
    ],
)
def test_times_have_the_unit_of_their_size(median: float, half: float, count: int, text: str) -> None:
    assert said.time_said(spread(median, half, count), "+-") == text


@pytest.mark.parametrize(
    ("quartiles", "sign", "text"),
    [
        ((0.284, 0.21, 3.9), "±", "284 [210–3,900] ms (34)"),
        ((2.46, 0.31, 8.05), "+-", "2.46 [0.31-8.05] s (34)"),
        ((2.0, 1.0, 3.0), "±", "2.00 ±1.00 s (34)"),
    ],
)
def test_where_quartiles_lie_far_apart_both_are_said(
    quartiles: tuple[float, float, float], sign: str, text: str
) -> None:
    median, lower, upper = quartiles
    found = Spread(count=34, median=median, lower=lower, upper=upper, least=0.0, most=9.0)
    assert said.time_said(found, sign) == text
    assert said.wide(found) == ("[" in text) == ("quartiles]" in said.legend(sign, [None, found]))


def test_a_column_has_medians_under_medians_and_counts_under_counts() -> None:
    column = [said.time_parts(spread(0.034, 0.003, 1234)), said.Parts(), said.time_parts(spread(0.2))]
    assert said.aligned(column) == [" 34 ±3 ms (1,234)", "", "200 ±0 ms    (31)"]
