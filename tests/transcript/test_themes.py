"""Themes on terminals with fewer colours: greys stay greys, and text never has the colour of its ground."""

import pytest
from rich.color import Color, ColorSystem
from rich.style import Style
from textual.theme import BUILTIN_THEMES, Theme

from kensho_tui.ui.themes import own_themes
from tests.transcript.test_column import look_of

GROUNDS = ("background", "surface", "panel", "border", "border-blurred", "scrollbar")
THEMES = [*own_themes(), *BUILTIN_THEMES.values()]


@pytest.mark.parametrize("name", GROUNDS)
def test_the_dark_grounds_are_greys_in_256_colours(name: str) -> None:
    theme = next(theme for theme in own_themes() if theme.name == "kensho-dark")
    colour = str(getattr(theme, name, None) or theme.variables[name])
    number = Color.parse(colour).downgrade(ColorSystem.EIGHT_BIT).number
    assert number is not None and number >= 232


@pytest.mark.parametrize("system", [ColorSystem.STANDARD, ColorSystem.EIGHT_BIT], ids=lambda one: one.name)
@pytest.mark.parametrize("theme", own_themes(), ids=lambda theme: theme.name)
def test_text_can_be_told_from_its_ground_in_few_colours(theme: Theme, system: ColorSystem) -> None:
    look = look_of(theme)
    for style in (look.base, look.quiet, look.person, look.model, look.warning, look.error, look.code):
        assert _number(style.color, system) != _number(style.bgcolor, system), style


def _number(colour: Color | None, system: ColorSystem) -> int | None:
    assert colour is not None
    return colour.downgrade(system).number


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_every_theme_makes_a_look(theme: Theme) -> None:
    look = look_of(theme)
    assert all(isinstance(style, Style) for style in look.markdown.values())
