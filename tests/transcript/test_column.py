"""Places in a column of messages: every row once, whatever was thought of the heights before."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.theme import Theme

from kensho_tui.core import contract as c
from kensho_tui.ui.themes import own_themes
from kensho_tui.ui.transcript.canvas import Canvas
from kensho_tui.ui.transcript.column import Column
from kensho_tui.ui.transcript.extent import Extent
from kensho_tui.ui.transcript.look import Look, make_look
from kensho_tui.ui.transcript.place import Place, Words

NOW = datetime(2026, 11, 21, 9, 20, tzinfo=UTC)
WORDS = Words(now=lambda: NOW, key=lambda name: "^G")
HEIGHT = 12


def look_of(theme: Theme) -> Look:
    return make_look({**theme.to_color_system().generate(), **theme.variables})


LOOK = look_of(own_themes()[0])


def message(number: int, text: str, role: c.Role = "assistant", **changes: object) -> c.Message:
    values: dict[str, object] = {
        "id": f"m{number}",
        "parent_id": None,
        "role": role,
        "state": "complete",
        "model": "small",
        "content": text,
        "stop_reason": "end",
        "error": None,
        "created": "2026-11-21T09:14:00+00:00",
    }
    return c.Message(**{**values, **changes})  # type: ignore[arg-type]


def column(texts: list[str], width: int = 60) -> Column:
    stack = Column(Canvas(width, LOOK), WORDS)
    roles: tuple[c.Role, c.Role] = ("user", "assistant")
    stack.show([message(n, text, roles[n % 2]) for n, text in enumerate(texts)], ())
    return stack


def stacked(*messages: c.Message, live: bool = False) -> Column:
    stack = Column(Canvas(60, LOOK), WORDS)
    stack.show(messages, {message.id for message in messages} if live else ())
    return stack


def page(stack: Column, place: Place) -> list[str]:
    top = stack.row_of(place)
    return [stack.strip(row).text.rstrip() for row in range(top, top + HEIGHT)]


def whole(texts: list[str], width: int = 60) -> list[str]:
    """All rows, drawn from the start."""
    stack = column(texts, width)
    stack.settle(Place(0, 0, 0), 100_000)
    return [stack.strip(row).text.rstrip() for row in range(stack.height)]


TEXTS = st.lists(
    st.sampled_from(
        [
            "short",
            "a paragraph of words that is longer than a row is wide, so that it must be wrapped\n\nand more",
            "- one\n- two\n\n```python\nx = 1\n\ny = 2\n```",
            "# Title\n\n" + "word " * 80,
            "",
            "line\n" * 30,
        ]
    ),
    min_size=1,
    max_size=12,
)


@given(TEXTS, st.lists(st.integers(-30, 30), max_size=12))
def test_moving_shows_the_rows_of_the_whole(texts: list[str], moves: list[int]) -> None:
    rows = whole(texts)
    stack = column(texts)
    place = stack.settle(stack.end(HEIGHT), HEIGHT)
    top = max(len(rows) - HEIGHT, 0)
    expected = [*rows, *[""] * HEIGHT]
    assert page(stack, place) == expected[top : top + HEIGHT]
    for move in moves:
        place = stack.settle(stack.moved(place, move), HEIGHT)
        top = min(max(top + move, 0), max(len(rows) - HEIGHT, 0))
        assert page(stack, place) == expected[top : top + HEIGHT]


@given(TEXTS, st.integers(0, 400))
def test_jumps_land_on_a_row_and_the_ends_are_the_ends(texts: list[str], row: int) -> None:
    stack = column(texts)
    place = stack.settle(stack.place_at(row), HEIGHT)
    assert "\n".join(page(stack, place)) in "\n".join([*whole(texts), *[""] * HEIGHT])
    assert stack.row_of(stack.settle(stack.place_at(0), HEIGHT)) == 0


@pytest.mark.parametrize("width", [30, 60, 90, 140])
def test_another_width_keeps_the_paragraph_that_is_read(width: int) -> None:
    texts = [f"message {n} " + "some words " * (n * 5 % 40) for n in range(40)]
    stack = column(texts, 80)
    place = stack.settle(stack.place_at(stack.height // 2), HEIGHT)
    read = stack.items[place.item].message.id
    place = stack.resize(Canvas(width, LOOK), place)
    place = stack.settle(place, HEIGHT)
    assert stack.items[place.item].message.id == read
    assert all(len(stack.strip(stack.row_of(place) + row).text) == width for row in range(HEIGHT))


def test_only_what_is_seen_is_drawn_and_what_is_far_is_forgotten() -> None:
    texts = [f"message {n}\n\n" + "words " * 30 for n in range(500)]
    stack = column(texts)
    place = stack.settle(stack.end(HEIGHT), HEIGHT)
    assert sum(bool(item.parts) for item in stack.items) <= 6
    while stack.row_of(place) > 0:
        place = stack.settle(stack.moved(place, -HEIGHT), HEIGHT)
    assert sum(bool(item.parts) for item in stack.items) <= 70
    assert page(stack, place)[1].endswith("message 0")


HEIGHTS = st.lists(st.integers(0, 9), min_size=1, max_size=30)
CHANGES = st.lists(st.tuples(st.integers(0, 29), st.integers(0, 9)))


@given(HEIGHTS, CHANGES)
def test_an_extent_is_its_heights(heights: list[int], changes: list[tuple[int, int]]) -> None:
    extent = Extent(heights)
    for number, height in changes:
        at = number % len(heights)
        heights[at] = height
        extent.set(at, height)
        assert extent.total == sum(heights)
    assert [extent.top(at) for at in range(len(heights))] == [sum(heights[:at]) for at in range(len(heights))]
    rows = [(at, row) for at, height in enumerate(heights) for row in range(height)]
    assert [extent.find(row) for row in range(extent.total)] == rows


def piece(text: str, at: int, **changes: object) -> c.Piece:
    """Text of a stream from character `at` on."""
    values: dict[str, object] = {
        "text": text,
        "cursor": at + len(text),
        "state": "streaming",
        "phase": c.Phase(name="decode"),
        "tokens": 1,
    }
    return c.Piece(**{**values, **changes})  # type: ignore[arg-type]


STREAMED = (
    "# Title\n\nSome *text* that is long enough to be wrapped into more than one row of the page.\n\n"
    "- one item that is also rather long, so that its second row hangs below the first\n- two\n  more of it\n"
    "\n```python\ndef f():\n\n    return 1\n```\n1. first\n2. second\n\nthe end"
)


@given(st.lists(st.integers(1, 40), min_size=1))
def test_a_stream_ends_up_as_the_whole_and_grows_only_at_its_end(sizes: list[int]) -> None:
    start = message(1, "", state="streaming", stop_reason=None, stream="s")
    stack = stacked(start, live=True)
    item = stack.items[0]
    at = turn = 0
    while at < len(STREAMED):
        size = sizes[turn % len(sizes)]
        before = _rows(stack)
        first = item.grow(piece(STREAMED[at : at + size], at), 0.0)
        assert _rows(stack)[:first] == before[:first]
        at, turn = at + size, turn + 1
    end = message(1, STREAMED)
    item.grow(piece("", at, state="ended", result=end), 0.0)
    stack.show([end], ())
    assert _rows(stack) == _rows(stacked(end))


def _rows(stack: Column) -> list[str]:
    stack.measure(0)
    stack.settle(Place(0, 0, 0), 10_000)
    return [stack.strip(row).text.rstrip() for row in range(stack.height)]


def test_rows_begin_with_a_bar_that_tells_the_role() -> None:
    rows = whole(["asked", "answered"])
    assert rows[0].split() == ["▌", "you", "09:14"]
    assert rows[3].split()[:2] == ["┃", "small"]
    assert rows[4] == " ┃ answered"
    assert rows[4].index("answered") == Canvas.LEFT


def test_text_that_was_shown_already_does_not_come_twice() -> None:
    """The message may be shown with more text than there was when its stream was first asked for."""
    stack = stacked(message(1, "one two ", state="streaming", stop_reason=None, stream="s"), live=True)
    stack.items[0].grow(piece("two three", 4), 0.0)
    assert _rows(stack)[1] == " ┃ one two three"


def test_what_cannot_be_drawn_is_shown_as_it_was_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a renderer's mistake")

    monkeypatch.setattr("kensho_tui.ui.transcript.markdown.block_rows", fail)
    assert whole(["", "some **text**"])[-2:] == [" ┃ some **text**", ""]


@pytest.mark.parametrize("width", range(1, 16))
def test_rows_are_as_wide_as_the_canvas_however_narrow(width: int) -> None:
    stack = column(["asked 漢字", "# answered\n\n- item\n\n```py\nx = 1\n```"], width)
    stack.settle(Place(0, 0, 0), 1000)
    assert {stack.strip(row).cell_length for row in range(stack.height)} == {width}
