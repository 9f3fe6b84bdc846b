"""Settled blocks as rows: what a person reads, in the theme's colours."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.theme import Theme

from kensho_tui.ui.themes import own_themes
from kensho_tui.ui.transcript.canvas import Row
from kensho_tui.ui.transcript.code import code_block
from kensho_tui.ui.transcript.markdown import block_rows
from kensho_tui.ui.transcript.parts import means_itself
from kensho_tui.ui.transcript.wrap import wrap
from tests.transcript.test_column import LOOK, look_of

WIDTH = 40


def texts(rows: list[Row]) -> list[str]:
    return ["".join(text for text, _, _ in row).rstrip() for row in rows]


def drawn(text: str, width: int = WIDTH) -> list[str]:
    return texts(block_rows(LOOK, width, text))


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("Some **bold** and `code`, *soft* ~~gone~~.", ["Some bold and code, soft gone."]),
        ("## Title", ["Title"]),
        ("first line\nsecond line", ["first line", "second line"]),
        ("- one\n  - deep", [" • one", "    • deep"]),
        ("7. seven", [" 7. seven"]),
        ("- [ ] to do", [" • [ ] to do"]),
        ("> quoted\n> words", ["▏ quoted", "▏ words"]),
        ("see https://example.org/a now", ["see https://example.org/a now"]),
        ("[here](https://example.org)", ["here (https://example.org)"]),
        ("![a cat](cat.png)", ["[a cat] (cat.png)"]),
        ("- before ![it](p.png) after", [" • before [it] (p.png) after"]),
        ("[1]: https://example.org/source", ["[1]: https://example.org/source"]),
        ("see [docs][1]", ["see [docs][1]"]),
        ("<b>raw</b> &amp; html", ["<b>raw</b> & html"]),
        ("[bold]no markup[/bold] :smile:", ["[bold]no markup[/bold] :smile:"]),
    ],
)
def test_markdown_reads_as_text(text: str, rows: list[str]) -> None:
    assert drawn(text) == rows


def test_a_rule_is_as_wide_as_the_text() -> None:
    assert drawn("---") == ["─" * WIDTH]


def test_a_table_is_aligned_and_fits() -> None:
    rows = drawn("| name | tok/s |\n|---|---:|\n| small | 148 |\n| big | 7 |")
    assert [row.split() for row in rows] == [
        ["name", "tok/s"],
        [rows[1].strip()],
        ["small", "148"],
        ["big", "7"],
    ]
    assert rows[2].rindex("8") == rows[3].rindex("7")
    wide = drawn("| " + "word " * 30 + "| b |\n|---|---|\n| " + "more " * 30 + "| d |")
    assert max(map(len, wide)) <= WIDTH


def test_a_table_keeps_long_words_and_is_no_table_where_it_cannot_fit() -> None:
    words = ("kensho_tui.ui.transcript.markdown", "https://example.org/a/long/address")
    rows = drawn(f"| a | b |\n|---|---|\n| {words[0]} | {words[1]} |")
    halves = [row[: WIDTH // 2].strip() for row in rows], [row[WIDTH // 2 :].strip() for row in rows]
    shown = "".join(character for row in rows for character in row)
    assert all(part in "".join("".join(half) for half in halves) for part in ("kensho_tui", "https://"))
    assert sum(shown.count(character) for character in "/") == words[1].count("/")
    with pytest.raises(ValueError, match="columns"):
        drawn("|" + " a |" * 20 + "\n|" + "---|" * 20)


def test_deep_lists_are_drawn_to_their_ends() -> None:
    rows = drawn("\n".join("  " * level + f"- level {level}" for level in range(16)), width=100)
    assert [row.split("•")[1].strip() for row in rows] == [f"level {level}" for level in range(16)]


@pytest.mark.parametrize("language", ["make", "http", "diff", "console"])
def test_a_line_that_a_lexer_would_not_end_with_is_plain(language: str) -> None:
    rows = code_block(LOOK, WIDTH, "a" * 30_000, language)
    assert {style for row in rows[1:] for _, style, _ in row} == {LOOK.code}


def test_code_keeps_every_character_and_fills_its_ground() -> None:
    code = "def f(x):\n\treturn 'a' + x  # " + "long " * 12 + "\n\nπ = '漢字'"
    rows = code_block(LOOK, WIDTH, code, "python")
    assert texts(rows)[0].split()[0] == "python"
    assert all(Segment.get_line_length(list(row)) == WIDTH for row in rows)
    shown = "".join(text[1:] for text in texts(rows)[1:])
    assert shown.replace(" ", "") == code.replace("\t", "").replace("\n", "").replace(" ", "")
    assert any(style == LOOK.tokens["Keyword"] for row in rows for _, style, _ in row)
    assert all(
        style is not None and style.bgcolor == LOOK.code.bgcolor for row in rows for _, style, _ in row
    )


def test_code_of_an_unknown_language_is_plain_and_the_same_text() -> None:
    code = "a <- b\n\tc"
    assert texts(code_block(LOOK, WIDTH, code, "nolanguage"))[1:] == [" a <- b", "     c"]


def test_code_in_a_list_is_drawn_below_its_item() -> None:
    rows = drawn("1. run:\n   ```sh\n   ls -l\n   ```")
    assert rows[0] == " 1. run:"
    assert rows[1].split()[0] == "sh"
    assert rows[2] == "     ls -l"


@pytest.mark.parametrize("theme", own_themes(), ids=lambda theme: theme.name)
def test_every_style_of_a_theme_can_be_read(theme: Theme) -> None:
    """Text stands out from its ground: a contrast of 3 at least (WCAG 2, large text and signs)."""
    look = look_of(theme)
    styles = [
        look.base,
        look.quiet,
        look.person,
        look.model,
        look.warning,
        look.error,
        look.code,
        look.code_quiet,
    ]
    styles += [*look.tokens.values(), *(style for style in look.markdown.values() if style.color)]
    styles.remove(look.markdown["markdown.hr"])
    styles.remove(look.markdown["markdown.table.border"])
    for style in styles:
        assert _contrast(style) >= 3, style


def _contrast(style: Style) -> float:
    assert style.color is not None
    assert style.bgcolor is not None
    lights = sorted(_light(Color.from_rich_color(colour)) for colour in (style.color, style.bgcolor))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def _light(colour: Color) -> float:
    """Relative luminance, https://www.w3.org/TR/WCAG20/#relativeluminancedef"""
    parts = [
        value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4 for value in colour.normalized
    ]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


_HARMLESS = st.sampled_from(
    [*"aZé字 \n.,;:!?()-'\"/#=+%$“‘•…^{}1", "and ", "x" * 30, "Words go on ", "\nSo ", ". "]
)
_MARKS = st.sampled_from(
    [
        *"~*_`<>|&@[]\\\t\x0b\xa0\u3000",
        "  ",
        "\n- ",
        "\n1. ",
        "\n# ",
        "\n===",
        "\n---",
        "http://a.b",
        "www.a.org",
        "a.com",
        "a@b.org",
        "//localhost",
        "mailto:a",
        "&amp;",
        "**b**",
    ]
)
_TEXTS = st.lists(_HARMLESS | _HARMLESS | _HARMLESS | _HARMLESS | _MARKS, max_size=8).map(
    lambda words: "So " + "".join(words)
)


@given(_TEXTS)
def test_what_is_said_to_mean_itself_does_so(text: str) -> None:
    """Paragraphs of words alone are drawn without Markdown: in rows and colours that it would give them."""
    assume(means_itself(text))
    rows = block_rows(LOOK, WIDTH, text)
    assert texts(rows) == [row.rstrip() for line in text.split("\n") for row in wrap(line, WIDTH)]
    assert {style for row in rows for _, style, _ in row} <= {LOOK.base}


@pytest.mark.parametrize(
    "text",
    [
        "All is well.",
        'It\'s said (and/or meant) that 字 go; 3 of 4: "so"!',
        "one line\nand another, as this",
    ],
)
def test_prose_means_itself(text: str) -> None:
    assert means_itself(text)
