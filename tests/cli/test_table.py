"""Tables for terminals of any width."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kensho_tui.cli.table import Column, cells, cut, render

COLUMNS = (
    Column("NAME", least=6),
    Column("SIZE", right=True, rank=2),
    Column("EMPTY", rank=3),
    Column("WHERE", rank=1, least=4),
)
ROWS = [("a model of a kind", "1.1 GiB", "", "/somewhere/far"), ("b", "98 MiB", "", "/x")]


def test_a_pipe_has_no_edge() -> None:
    assert render(COLUMNS, ROWS, None) == [
        "NAME                  SIZE  WHERE",
        "a model of a kind  1.1 GiB  /somewhere/far",
        "b                   98 MiB  /x",
    ]


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (42, "a model of a kind  1.1 GiB  /somewhere/far"),
        (36, "a model of a kind  1.1 GiB  /somewh…"),
        (25, "a model o…  1.1 GiB  /so…"),
        (20, "a model of a…   /so…"),
        (9, "a model…"),
        (1, "…"),
    ],
)
def test_narrow_terminals_lose_the_least_important_first(width: int, expected: str) -> None:
    assert render(COLUMNS, ROWS, width)[1] == expected


@pytest.mark.parametrize(
    ("text", "width"), [("abc", 3), ("模型", 4), ("e\u0301", 1), ("👩", 2), ("", 0), ("a\u200db", 2)]
)
def test_cells(text: str, width: int) -> None:
    assert cells(text) == width


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [("abcdef", 6, "abcdef"), ("abcdef", 4, "abc…"), ("模型模型", 4, "模…"), ("模型", 1, "…"), ("ab", 0, "")],
)
def test_cut(text: str, width: int, expected: str) -> None:
    assert cut(text, width) == expected


def test_no_escape_sequence_and_no_newline_gets_through() -> None:
    line = render(COLUMNS, [("\x1b]0;t\x07red\x1b[31m", "1\n2", "", "a\tb\x9b1m")], None)[1]
    assert line == "red    1 2  a b"


@given(
    st.lists(st.tuples(st.text(max_size=40), st.text(max_size=12), st.text(), st.text()), max_size=4),
    st.integers(1, 120),
)
def test_no_line_is_wider_than_the_terminal(rows: list[tuple[str, ...]], width: int) -> None:
    lines = render(COLUMNS, rows, width)
    assert len(lines) == len(rows) + 1
    assert all(cells(line) <= width and "\n" not in line for line in lines)
