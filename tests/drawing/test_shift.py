"""Which rows are moved, and when it is not worth it."""

from collections.abc import Sequence

import pytest

from kensho_tui.ui.drawing.cells import Row
from kensho_tui.ui.drawing.sgr import PLAIN
from kensho_tui.ui.drawing.shift import Shift, find_shift


def rows(texts: Sequence[str]) -> list[Row | None]:
    """One row per text, one column wide; None where the text is empty."""
    return [Row([text], [PLAIN]) if text else None for text in texts]


def found(old: Sequence[str], new: Sequence[str]) -> Shift | None:
    return find_shift(rows(new), rows(old), [y for y in range(len(old)) if old[y] != new[y]])


@pytest.mark.parametrize(
    ("old", "new", "shift"),
    [
        ("abcdefg", "bcdefgX", Shift(0, 6, 1)),
        ("abcdefg", "XYabcde", Shift(0, 6, -2)),
        ("Habcdef.", "Hcdefxy.", Shift(1, 6, 2)),
        # A row in between that is another one is mended afterwards.
        ("abcdefg", "bcXefgY", Shift(0, 6, 1)),
        # Blank rows move along, but say nothing on their own.
        ("a c e g", " c e gX", Shift(0, 6, 1)),
        ("    x  ", "   x   ", None),
        # Too little moved.
        ("abcdefg", "bcXXXXX", None),
        ("abcdefg", "abcdefX", None),
        # Rows that stand right are not moved away for a few that do not.
        ("abcdEFGHIJKLMNOPqrst", "bcdXEFGHIJKLMNOPrstY", Shift(0, 3, 1)),
        ("abPQRScdTUVWef", "bxPQRSdyTUVWfz", None),
        ("abcDEF", "XYZabc", Shift(0, 5, -3)),
        ("abcd.", "bcdd.", None),
        # A row of which nothing is known is moved with the others.
        (["a", "b", "", "d", "e", "f"], "bXdefY", Shift(0, 5, 1)),
    ],
)
def test_the_shift_that_spares_most(old: Sequence[str], new: Sequence[str], shift: Shift | None) -> None:
    assert found(old, new) == shift


def test_what_comes_in_is_unknown() -> None:
    moved = rows("abcdef")
    Shift(1, 4, 2).apply(moved)
    assert "".join(row.text if row else "?" for row in moved) == "ade??f"
    Shift(0, 5, -1).apply(moved)
    assert "".join(row.text if row else "?" for row in moved) == "?ade??"


def test_lines_are_deleted_and_inserted_within_a_region() -> None:
    assert Shift(1, 4, 2).sequence == "\x1b[2;5r\x1b[2H\x1b[2M\x1b[r"
    assert Shift(0, 9, -1).sequence == "\x1b[1;10r\x1b[1H\x1b[1L\x1b[r"
