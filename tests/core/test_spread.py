"""Median and quartiles against what their definition says, value by value."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kensho_tui.core.spread import quantile, spread

VALUES = st.lists(st.integers(0, 10**12), min_size=1, max_size=60)


def test_of_nothing_there_is_none() -> None:
    assert spread([]) is None


def test_of_one_value_everything_is_that() -> None:
    one = spread([7])
    assert one is not None
    assert (one.count, one.median, one.lower, one.upper, one.least, one.most, one.half) == (
        1,
        7,
        7,
        7,
        7,
        7,
        0,
    )


def test_an_example_by_hand() -> None:
    found = spread([10, 20, 40, 80], 0.1)
    assert found is not None
    assert (found.lower, found.median, found.upper) == pytest.approx((1.75, 3.0, 5.0))
    assert found.half == pytest.approx(1.625)


@given(VALUES)
def test_quartiles_are_those_of_the_standard_library(values: list[int]) -> None:
    found = spread(sorted(values))
    assert found is not None
    assert found.median == pytest.approx(statistics.median(values))
    assert (found.count, found.least, found.most) == (len(values), min(values), max(values))
    if len(values) > 1:
        lower, _, upper = statistics.quantiles(values, n=4, method="inclusive")
        assert (found.lower, found.upper) == pytest.approx((lower, upper))


@given(VALUES, st.floats(0, 1))
def test_a_quantile_has_its_share_of_values_on_each_side(values: list[int], share: float) -> None:
    ordered = sorted(values)
    found = quantile(ordered, share)
    slack = 1 + 1e-9
    assert sum(value <= found * slack for value in values) >= share * (len(values) - 1)
    assert sum(value * slack >= found for value in values) >= (1 - share) * (len(values) - 1)
