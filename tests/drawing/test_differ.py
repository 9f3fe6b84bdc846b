"""Random frames: what a terminal shows is what was wanted, whatever came before."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kensho_tui.ui.drawing.differ import FrameDiffer
from kensho_tui.ui.drawing.sgr import PLAIN, Look
from tests.drawing.emulators import Contrary, Emulator
from tests.drawing.scenes import Change, Scene, changes, lines, play, sizes


@pytest.mark.parametrize("terminal", [Emulator, Contrary])
@settings(max_examples=120, deadline=None)
@given(sizes, changes)
def test_the_terminal_shows_what_is_wanted(
    terminal: type[Emulator], size: tuple[int, int], frames: list[Change]
) -> None:
    play(Scene(terminal, *size), frames)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from("aabcdefgh "), min_size=4, max_size=14),
    st.lists(st.tuples(*[st.integers(0, 14)] * 2, st.integers(-4, 4), st.integers(0, 30)), max_size=4),
)
def test_rows_that_moved_are_moved(rows: list[str], moves: list[tuple[int, int, int, int]]) -> None:
    """Few texts, so that many rows look alike; the last column is a scroll bar of another colour."""
    height = len(rows)
    scene = Scene(Emulator, 5, height)
    scene.repaint([[(row * 5, PLAIN)] for row in rows])
    scene.frame()
    for one, two, by, change in moves:
        top, bottom = sorted((one % (height + 1), two % (height + 1)))
        scene.scroll(top, bottom, by, [("new", PLAIN)])
        for y in (change % height, (change * 7) % height):
            bar = [(" ", Look(0, "", "44" if y % 2 else ""))]
            scene.model.put(4, y, bar)
            scene.differ.put(4, y, bar)
        scene.cursor = (change % 2, change % height)
        scene.frame()
        scene.check()


def test_scrolling_costs_the_new_line_alone() -> None:
    scene = Scene(Emulator, 80, 24)
    texts = [f"{y} some words of line {y} that are long enough" for y in range(30)]
    scene.repaint(lines(*texts[:23], "status"))
    scene.frame()
    for start in range(1, 6):
        scene.repaint(lines(*texts[start : start + 23], "status"))
        frame = scene.frame()
        scene.check()
        assert frame.moved and len(frame.text) < 80 + 40
    for start in range(5, -1, -1):
        scene.repaint(lines(*texts[start : start + 23], "status"))
        frame = scene.frame()
        scene.check()
        assert len(frame.text) < 80 + 40


@pytest.mark.parametrize("up", [True, False])
def test_the_cursor_is_known_after_a_shift(up: bool) -> None:
    """A scroll region takes it home: not where the last frame left it, even if that is just right."""
    scene = Scene(Emulator, 8, 6)
    before, after = lines(*"abcdef"), lines(*"bcdefg")
    scene.repaint(before if up else after)
    scene.cursor = (0, 5 if up else 0)
    scene.frame()
    scene.repaint(after if up else before)
    assert scene.frame().moved
    scene.check()


def test_the_cursor_is_known_after_a_wide_character() -> None:
    scene = Scene(Emulator, 8, 1)
    scene.repaint(lines("世b"))
    scene.frame()
    scene.repaint(lines("界b"))
    scene.cursor = (1, 0)
    scene.frame()
    scene.check()


def test_nothing_is_positioned_after_what_terminals_measure_differently() -> None:
    scene = Scene(Contrary, 12, 2)
    scene.repaint(lines("👩\u200d💻 abc", "x"))
    scene.cursor = (11, 0)
    scene.frame()
    scene.check()
    scene.repaint(lines("👩\u200d💻 abd", "x"))
    assert scene.frame().text.startswith("\r\x1b[2K👩")
    scene.check()


def test_a_row_that_gets_a_cluster_is_written_whole() -> None:
    scene = Scene(Contrary, 12, 1)
    scene.repaint(lines("one two"))
    scene.frame()
    for text in ("🇩🇪", "ab"):
        scene.model.put(4, 0, [(text, PLAIN)])
        scene.differ.put(4, 0, [(text, PLAIN)])
        scene.frame()
        scene.check()


def test_a_row_that_held_a_cluster_is_written_whole() -> None:
    scene = Scene(Contrary, 12, 1)
    scene.repaint(lines("🇩🇪  ab"))
    scene.frame()
    scene.repaint(lines("xx  ab"))
    scene.frame()
    scene.check()


def test_colours_are_said_once() -> None:
    red, bold = Look(0, "31"), Look(1, "31")
    scene = Scene(Emulator, 20, 2)
    scene.repaint([[("one two", red)], [("three", red)]])
    scene.frame()
    scene.repaint([[("one two more", red)], [("three four", red), (" five", bold)]])
    text = scene.frame().text
    scene.check()
    assert text.count("31") == 1 and text.count("\x1b[1m") == 1
    scene.repaint([[("one two more!", bold)], [("three four", red), (" five!", bold)]])
    assert "m" not in scene.frame().text.replace("more", "")


def test_unchanged_cells_are_written_where_moving_costs_more() -> None:
    scene = Scene(Emulator, 40, 1)
    scene.repaint(lines("12 of 99 and something else 12"))
    scene.cursor = (0, 0)
    scene.frame()
    scene.repaint(lines("13 of 98 and something else 13"))
    assert scene.frame().text == "\x1b[2G3\x1b[8G8\x1b[30G3\r"
    scene.repaint(lines("24of 99 and something else 13"))
    assert scene.frame().text.startswith("24of")


def test_a_budget_writes_urgent_rows_first_and_ends() -> None:
    scene = Scene(Emulator, 40, 12)
    scene.frame()
    scene.repaint(lines(*[f"row {y} " + "x" * 20 for y in range(12)]))
    frame = scene.differ.frame((0, 9), 70, range(9, 11))
    assert not frame.complete and frame.rows == 2
    assert frame.text.index("row 9") < frame.text.index("row 10")
    scene.terminal.feed(frame.text)
    count = 1
    while not scene.frame(70).complete:
        count += 1
    scene.check()
    assert 4 <= count <= 8


def test_rows_that_change_all_the_time_keep_no_other_from_being_written() -> None:
    scene = Scene(Emulator, 20, 8)
    scene.frame()
    written: set[int] = set()
    for number in range(8):
        scene.repaint(lines(*[f"{number} of row {y}" for y in range(8)]))
        text = scene.frame(20).text
        written |= {y for y in range(8) if f"{number} of row {y}" in text or f"\x1b[{y + 1}H{number}" in text}
    assert written == set(range(8))


def test_a_small_budget_still_writes_one_row() -> None:
    scene = Scene(Emulator, 10, 3)
    assert scene.frame(1).rows == 1


def test_a_row_never_put_is_left_alone() -> None:
    differ = FrameDiffer(10, 2)
    differ.put(0, 0, [("part", PLAIN)])
    assert differ.frame((0, 0)).rows == 0
    differ.put_row(1, [("whole", PLAIN)])
    differ.put_row(7, [("outside", PLAIN)])
    assert differ.frame((0, 0)).rows == 1
