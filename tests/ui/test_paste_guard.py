"""The paste guard: whatever is pasted, the parser sees brackets around plain text."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from kensho_tui.core.text import printable
from kensho_tui.ui.textual_input import PasteGuard

START, END = "\x1b[200~", "\x1b[201~"


def _in_pieces(text: str, cuts: list[int]) -> str:
    guard = PasteGuard()
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    pieces = (text[a:b] for a, b in itertools.pairwise(places))
    return "".join(guard.clean(piece) for piece in pieces)


@given(st.lists(st.integers(0, 500)))
def test_typed_keys_and_plain_pastes_pass_however_they_are_cut(cuts: list[int]) -> None:
    text = f"ab\x1b[A{START}first\rsecond{END}\x1b[B{START}{END}c\x07"
    assert _in_pieces(text, cuts) == text.replace("first\rsecond", "first\nsecond")


@given(st.lists(st.integers(0, 500), max_size=3))
def test_controls_in_a_paste_never_reach_the_parser(cuts: list[int]) -> None:
    inside = "x\x1b[31mred\x1b[0m\x07\x01 y\x1b"
    cleaned = _in_pieces(f"{START}{inside}{END}z", cuts)
    assert cleaned.startswith(START) and cleaned.endswith(f"{END}z")
    middle = cleaned[len(START) : -len(END) - 1]
    assert middle == printable(middle) and "x" in middle and "red" in middle and "y" in middle


@given(st.lists(st.integers(0, 500)))
def test_a_line_end_cut_in_two_is_one_line_end(cuts: list[int]) -> None:
    text = f"{START}a\r\nb\r\n\r\nc{END}"
    assert _in_pieces(text, cuts) == text.replace("\r\n", "\n")
