"""Wrapping: rows joined are the line, none is too wide, growing ends up where wrapping at once does."""

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from kensho_tui.ui.transcript.wrap import GrowingLine, fold, wrap

TEXT = st.text(st.sampled_from("ab cd  漢字é-👋"), max_size=120)


@given(TEXT, st.integers(4, 30))
def test_rows_joined_are_the_line_and_none_is_too_wide(line: str, width: int) -> None:
    for rows in (wrap(line, width), fold(line, width)):
        assert "".join(rows) == line
        assert all(cell_len(row.rstrip()) <= width for row in rows)


def test_words_stay_whole_where_they_fit() -> None:
    assert wrap("one two three four", 9) == ["one two ", "three ", "four"]
    assert wrap("a verylongwordindeed b", 8) == ["a ", "verylong", "wordinde", "ed b"]
    assert wrap("", 8) == [""]


@given(TEXT, st.integers(4, 30), st.integers(1, 7), st.booleans())
def test_a_line_that_grew_is_wrapped_as_a_whole_one(line: str, width: int, size: int, words: bool) -> None:
    growing = GrowingLine(width, words=words)
    for at in range(0, len(line), size):
        growing.feed(line[at : at + size])
    assert "".join(growing.rows) == line
    assert all(cell_len(row.rstrip()) <= width for row in growing.rows)
    if not words:
        assert growing.rows == fold(line, width)
