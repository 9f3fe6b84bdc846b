"""Looks and the way from one to the next."""

import itertools

import pytest
from rich.color import ColorSystem
from rich.style import Style

from kensho_tui.ui.drawing import sgr
from kensho_tui.ui.drawing.sgr import PLAIN, Look, Palette, transition
from tests.drawing import capture
from tests.drawing.emulators import codes_of

LOOKS = [
    Look(attributes, foreground, background)
    for attributes in (0, 1, 2, 3, 4, 8, 9, 16, 64, 129, 256, 4096, 1 | 4 | 8 | 256)
    for foreground in ("", "31", "38;5;9", "38;2;1;2;3")
    for background in ("", "44", "48;2;9;8;7")
]


def test_each_transition_leads_where_it_should() -> None:
    for old, new in itertools.product([*LOOKS, None], LOOKS):
        state = capture.Style()
        state.take(codes_of(old) if old else "1;3;4;5;7;9;31;44")
        sequence = transition(old, new)
        if sequence:
            assert sequence.startswith("\x1b[") and sequence.endswith("m")
            state.take(sequence[2:-1])
        assert state.attributes == capture.attributes_of(codes_of(new)), (old, new)


@pytest.mark.parametrize(
    ("old", "new", "sequence"),
    [
        (Look(0, "31", "44"), Look(0, "32", "44"), "\x1b[32m"),
        (Look(0, "31", "44"), Look(0, "31", ""), "\x1b[49m"),
        (Look(0, "38;2;1;2;3", "44"), Look(1, "38;2;1;2;3", "44"), "\x1b[1m"),
        (Look(1, "38;2;1;2;3", "44"), Look(0, "38;2;1;2;3", "44"), "\x1b[22m"),
        # Bold and dim go off together.
        (Look(3, "38;2;1;2;3", "44"), Look(2, "38;2;1;2;3", "44"), "\x1b[22;2m"),
        (Look(1 | 4 | 8, "31", "44"), PLAIN, "\x1b[0m"),
        (PLAIN, PLAIN, ""),
        (None, PLAIN, "\x1b[0m"),
    ],
)
def test_only_what_differs_is_said(old: Look | None, new: Look, sequence: str) -> None:
    assert transition(old, new) == sequence


@pytest.mark.parametrize(
    ("system", "foreground", "background"),
    [
        (ColorSystem.TRUECOLOR, "38;2;255;0;0", "48;5;240"),
        (ColorSystem.EIGHT_BIT, "38;5;196", "48;5;240"),
        (ColorSystem.STANDARD, "31", "100"),
    ],
)
def test_colours_are_those_of_the_terminal(system: ColorSystem, foreground: str, background: str) -> None:
    look = Palette(system).look(Style.parse("bold not italic #ff0000 on grey35"))
    assert look == Look(1, foreground, background)


def test_default_colours_meta_data_and_links_say_nothing() -> None:
    palette = Palette()
    assert palette.look(None) is PLAIN
    assert palette.look(Style.parse("default on default")) is PLAIN
    assert palette.look(Style(meta={"@click": "x"}, link="https://example.org")) is PLAIN


def test_looks_are_few_however_many_styles_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sgr, "_MOST_STYLES", 10)
    palette = Palette()
    found = [palette.look(Style(bold=True, meta={"offset": number})) for number in range(100)]
    assert set(found) == {Look(1)} and len({id(look) for look in found[:10]}) == 1
    assert len(palette._by_id) <= 10
