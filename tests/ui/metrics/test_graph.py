"""Values as lines of text, in every look, whatever they are."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kensho_tui.config.settings import Settings
from kensho_tui.ui.metrics.graph import (
    ASCII,
    BLOCKS,
    BRAILLE,
    GLYPHS,
    Look,
    Window,
    glyphs_for,
    graph,
    round_top,
)

LOOKS = get_args(Look)
VALUES = st.lists(st.none() | st.floats(-10, 1e12), max_size=200)
SIZES = st.integers(0, 60), st.integers(1, 8)


def heights(lines: list[str], look: Look) -> list[int]:
    """Steps that are filled in each column, read off the lines from the bottom; fails where one floats."""
    if look == "braille":
        return [height for cell in zip(*lines, strict=True) for height in _dots(cell)]
    ramp = BLOCKS if look == "blocks" else ASCII
    return [_sum([ramp.index(char) for char in column], len(ramp) - 1) for column in zip(*lines, strict=True)]


def _dots(column: tuple[str, ...]) -> tuple[int, int]:
    masks = [ord(char) - BRAILLE if char != " " else 0 for char in column]
    sides = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
    left, right = (
        [bool(mask & bit) for mask in masks for bit in side] for side in sides
    )  # from the top to the bottom
    for side in (left, right):
        assert side == sorted(side)
    return sum(left), sum(right)


def _sum(levels: list[int], full: int) -> int:
    """Full cells below, then one that may be partly full, then empty ones."""
    rising = levels[::-1]
    partly = next((at for at, level in enumerate(rising) if level < full), len(rising))
    assert not any(rising[partly + 1 :])
    return sum(levels)


@given(values=VALUES, width=SIZES[0], height=SIZES[1], top=st.floats(0, 1e12), look=st.sampled_from(LOOKS))
def test_it_has_its_size_gaps_stay_gaps_and_values_leave_a_trace(
    values: list[float | None], width: int, height: int, top: float, look: Look
) -> None:
    lines = graph(values, width, height, top, look)
    assert [len(line) for line in lines] == [width] * height
    columns = width * GLYPHS[look].columns
    shown = ([None] * columns + values)[len(values) :][:columns] if columns else []
    steps = {"braille": 4, "blocks": 8, "ascii": 3}[look] * height
    for value, found in zip(shown, heights(lines, look) if width else [], strict=True):
        assert 0 <= found <= steps
        assert (found == 0) == (value is None)
        if value is not None and top > 0:
            assert abs(found - min(max(value / top, 0), 1) * steps) <= 1


@given(values=st.lists(st.floats(0, 100), min_size=2, max_size=40), look=st.sampled_from(LOOKS))
def test_what_is_more_is_never_lower(values: list[float], look: Look) -> None:
    found = heights(graph(values, 40, 3, 100.0, look), look)[-len(values) :]
    assert [high for _, high in sorted(zip(values, found, strict=True))] == sorted(found)


def test_each_look_draws_a_ramp() -> None:
    ramp = [0.0, 25.0, 50.0, 75.0, 100.0, None, 100.0]
    assert graph(ramp, 7, 1, 100, "blocks") == ["▁▂▄▆█ █"]
    assert graph(ramp, 7, 1, 100, "ascii") == ["..::# #"]
    assert graph(ramp, 7, 1, 100, "braille") == ["   ⢀⣠⣾⢸"]


@given(most=st.floats(0, 1e15))
def test_a_scale_is_round_and_holds_what_is_shown(most: float) -> None:
    top = round_top(most, 10)
    assert top >= max(most, 10)
    assert top == 10 or top / most <= 2.5
    assert f"{top:e}"[0] in "125"


@given(
    points=st.lists(st.tuples(st.floats(0, 300), st.none() | st.floats(0, 100)), max_size=80),
    columns=st.integers(1, 120),
)
def test_columns_hold_the_highest_of_their_time(
    points: list[tuple[float, float | None]], columns: int
) -> None:
    points.sort(key=lambda point: point[0])
    window = Window.of(300, 300, columns, 1)
    found = window.values(points, 0)
    first = window.last - columns + 1
    for number, value in enumerate(found):
        own = [v for at, v in points if v is not None and int(at // window.step_s) == first + number]
        assert value == max(own, default=None)


def test_samples_that_belong_together_leave_no_blank_columns_and_others_do() -> None:
    window = Window(until=20.0, step_s=0.5, columns=20)
    points = [(float(at), 1.0) for at in (11, 12, 13, 17, 18, 19, 20)]
    found = window.values(points, 2.5)
    said = "".join("." if value is None else "#" for value in found)
    assert said == ".#####.......#######"


def test_a_value_that_is_not_known_ends_what_belongs_together() -> None:
    window = Window(until=13.0, step_s=0.5, columns=7)
    found = window.values([(11.0, 1.0), (12.0, None), (13.0, 1.0)], 2.5)
    assert found == [None, None, 1.0, None, None, None, 1.0]


@pytest.mark.parametrize(
    ("settings", "environment", "encoding", "look"),
    [
        (Settings(), {}, "utf-8", "braille"),
        (Settings(), {"TERM": "linux"}, "UTF-8", "blocks"),
        (Settings(), {"KENSHO_DRAWING": "plain"}, "utf-8", "ascii"),
        (Settings(drawing="plain"), {}, "utf-8", "ascii"),
        (Settings(), {}, "iso8859-1", "ascii"),
        (Settings(graphs="blocks", drawing="plain"), {}, "ascii", "blocks"),
    ],
)
def test_the_look_is_what_the_terminal_can_show(
    settings: Settings, environment: dict[str, str], encoding: str, look: Look
) -> None:
    assert glyphs_for(settings, environment, encoding).look == look
