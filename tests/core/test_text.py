from hypothesis import given
from hypothesis import strategies as st

from kensho_tui.core.text import one_line, printable, valid

ANY_TEXT = st.text(st.characters(codec=None), max_size=200)


def test_escape_sequences_vanish_whole() -> None:
    assert printable("\x1b[31mred\x1b[0m") == "red"
    assert printable("\x1b]52;c;aGFjaw==\x07copied") == "copied"
    assert printable("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\") == "link"
    assert printable("\x1bP+q544e\x1b\\x") == "x"
    assert printable("\x9b2Jclear") == "clear"


def test_line_ends_and_tabs_stay_text() -> None:
    assert printable("a\r\nb\rc\td\n") == "a\nb\nc\td\n"


def test_joiners_and_scripts_stay_but_reordering_goes() -> None:
    assert printable("👩‍👩‍👧 مرحبا \u202egnp.exe") == "👩‍👩‍👧 مرحبا gnp.exe"


@given(ANY_TEXT)
def test_nothing_a_terminal_obeys_is_left(text: str) -> None:
    left = printable(text)
    controls = {c for c in left if ord(c) < 32 or 127 <= ord(c) < 160 or 0xD800 <= ord(c) < 0xE000}
    assert controls <= {"\n", "\t"}


@given(ANY_TEXT)
def test_valid_text_can_be_encoded_and_keeps_its_length(text: str) -> None:
    assert len(valid(text).encode("utf-8").decode("utf-8")) == len(text)


@given(ANY_TEXT, st.integers(1, 50))
def test_one_line_is_one_and_short(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert "\n" not in line and len(line) <= limit


def test_one_line_says_that_it_was_cut() -> None:
    assert one_line("a\n  b  \tc", 80) == "a b c"
    assert one_line("abcdef", 4) == "abc…"
