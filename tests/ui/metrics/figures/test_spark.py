"""Values over days as rows of cells."""

from hypothesis import given
from hypothesis import strategies as st

from kensho_tui.ui.metrics.figures.spark import BROADEST, in_a_column, sparkline, squeezed, trend
from kensho_tui.ui.metrics.graph import Look

VALUES = st.lists(st.none() | st.floats(0, 1e6), max_size=60)
LOOKS = st.sampled_from(["braille", "blocks", "ascii"])


@given(VALUES, LOOKS)
def test_a_sparkline_has_a_cell_for_each_value_and_gaps_where_there_is_none(
    values: list[float | None], look: Look
) -> None:
    line = sparkline(values, look)
    if not any(values):
        assert line == ""
        return
    assert len(line) == len(values)
    assert all((sign == " ") == (value is None) for sign, value in zip(line, values, strict=True))
    assert line.isascii() == (look == "ascii" or all(value is None for value in values))


def test_heights_begin_at_nought() -> None:
    assert sparkline([98, 100, 99], "braille") == "███"
    assert sparkline([0, 50, 100], "blocks") == "▁▄█"


@given(VALUES, st.integers(0, 80))
def test_squeezed_values_keep_their_range(values: list[float | None], columns: int) -> None:
    found = squeezed(values, columns)
    many = in_a_column(len(values), columns)
    assert len(found) <= columns and (not columns or (len(found) - 1) * many < max(len(values), 1))
    assert not columns or len(found) * many >= len(values)
    known = [value for value in values if value is not None]
    assert all(min(known) <= value <= max(known) for value in found if value is not None)
    if len(values) <= columns:
        assert found == values


def test_every_column_but_the_first_is_of_equally_many() -> None:
    assert in_a_column(7, 3) == 3 and squeezed([1, 2, 2, 2, 9, 9, 9], 3) == [1, 2, 9]
    assert in_a_column(7, 7) == 1 and in_a_column(0, 5) == 1


@given(VALUES, st.integers(0, 80), LOOKS)
def test_a_trend_stays_in_its_room(values: list[float | None], width: int, look: Look) -> None:
    line = trend(values, width, look)
    assert len(line) <= min(width, BROADEST * len(values))
    if any(values) and width >= len(values):
        assert len(line) >= len(values)
