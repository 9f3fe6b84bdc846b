"""Bytes of tokens become text: whole characters, nothing of a stop sequence."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kensho_tui.worker.textstream import TextStream


def feed(stream: TextStream, parts: list[bytes], *, complete: bool = True) -> tuple[list[str], str]:
    given_out = []
    for part in parts:
        given_out.append(stream.feed(part))
        if stream.stopped:
            break
    return given_out, stream.finish(complete=complete)


@pytest.mark.parametrize(
    ("parts", "stop", "out", "last"),
    [
        ([b"ab", b"c"], (), ["ab", "c"], ""),
        ([b"\xe2\x82", b"\xac!"], (), ["", "€!"], ""),
        ([b"\xf0\x9f", b"\x98", b"\x80"], (), ["", "", "\N{GRINNING FACE}"], ""),
        ([b"a\xffb"], (), ["a\ufffdb"], ""),
        ([b"\xe2\x82", b"x"], (), ["", "\ufffdx"], ""),
        ([b"a\xe2"], (), ["a"], "\ufffd"),
        ([b"one EN", b"D two"], ("END",), ["one ", ""], ""),
        ([b"one EN", b"GLISH"], ("END",), ["one ", "ENGLISH"], ""),
        ([b"one EN"], ("END",), ["one "], "EN"),
        ([b"a\n", b"\n", b"b"], ("\n\n",), ["a", ""], ""),
        ([b"xabab", b"c"], ("ababc",), ["x", ""], ""),
        ([b"stop here"], ("here", "stop"), [""], ""),
        ([b"a\xe2\x82", b"\xac"], ("€",), ["a", ""], ""),
        ([b"abc"], ("", ""), ["abc"], ""),
    ],
)
def test_table(parts: list[bytes], stop: tuple[str, ...], out: list[str], last: str) -> None:
    assert feed(TextStream(stop), parts) == (out, last)


def test_a_character_cut_by_a_limit_is_dropped() -> None:
    assert feed(TextStream(), [b"a\xe2\x82"], complete=False) == (["a"], "")
    assert feed(TextStream(("END",)), [b"aE\xe2"], complete=False) == (["a"], "E")


@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=6))
def test_without_stop_the_whole_is_decoded(data: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(data)]
    parts = [data[a:b] for a, b in pairwise(edges)]
    out, last = feed(TextStream(), parts)
    assert "".join(out) + last == data.decode("utf-8", "replace")


@given(
    st.text(alphabet="ab€", max_size=30),
    st.lists(st.text(alphabet="ab€", min_size=1, max_size=4), max_size=3),
    st.integers(1, 4),
)
def test_text_ends_before_the_first_stop_sequence(text: str, stop: list[str], size: int) -> None:
    data = text.encode()
    stream = TextStream(stop)
    out, last = feed(stream, [data[at : at + size] for at in range(0, len(data), size)])
    shown = "".join(out) + last
    assert text.startswith(shown)
    assert not any(sequence in shown for sequence in stop)
    assert stream.stopped == any(sequence in text for sequence in stop)
    if stream.stopped:
        assert any(text.startswith(sequence, len(shown)) for sequence in stop)
    else:
        assert shown == text
