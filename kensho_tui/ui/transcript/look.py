"""How things look: Rich styles made from a theme's colours. No colour is named here."""

from collections.abc import Mapping
from dataclasses import dataclass

from rich.style import Style
from textual.color import Color

# Kinds of code tokens (as pygments names them) and the theme's colour for each.
_CODE = {
    "Comment": "foreground 60%",
    "Keyword": "accent",
    "Keyword.Constant": "warning",
    "Literal.String": "success",
    "Literal.String.Doc": "foreground 60%",
    "Literal.Number": "warning",
    "Name.Builtin": "secondary",
    "Name.Class": "primary",
    "Name.Decorator": "secondary",
    "Name.Exception": "secondary",
    "Name.Function": "primary",
    "Name.Tag": "accent",
    "Name.Attribute": "secondary",
    "Name.Variable": "secondary",
    "Operator.Word": "accent",
    "Generic.Deleted": "error",
    "Generic.Inserted": "success",
    "Generic.Heading": "primary",
}


@dataclass(frozen=True, eq=False)
class Look:
    """Styles of a transcript; every one has foreground and background."""

    base: Style
    quiet: Style
    person: Style
    model: Style
    border: Style
    warning: Style
    error: Style
    selection: Style
    code: Style
    code_quiet: Style
    tokens: Mapping[str, Style]
    markdown: Mapping[str, Style]


def make_look(variables: Mapping[str, str]) -> Look:
    """The look of a theme, from its variables (name -> colour) as Textual makes them."""
    ground, raised = Color.parse(variables["background"]), Color.parse(variables["surface"])

    def style(words: str, on: Color = ground, *, bold: bool = False, line: bool = False) -> Style:
        name, _, share = words.partition(" ")
        colour = Color.parse(variables[name])
        colour = colour.multiply_alpha(float(share.rstrip("%")) / 100) if share else colour
        if colour.ansi is None:
            colour = on.blend(colour, colour.a, alpha=1.0)
        colours = colour.rich_color, on.rich_color
        return Style(color=colours[0], bgcolor=colours[1], bold=bold or None, underline=line or None)

    def heading(level: int) -> Style:
        bold = "bold" in variables.get(f"markdown-h{level}-text-style", "bold")
        return style(f"markdown-h{level}-color", bold=bold)

    base = style("foreground")
    return Look(
        base=base,
        quiet=style("foreground 55%"),
        person=style("secondary"),
        model=style("primary"),
        border=style("border"),
        warning=style("warning"),
        error=style("error"),
        selection=Style(bgcolor=ground.blend(Color.parse(variables["primary"]), 0.3, alpha=1.0).rich_color),
        code=style("foreground", raised),
        code_quiet=style("foreground 58%", raised),
        tokens={kind: style(words, raised) for kind, words in _CODE.items()},
        markdown={
            "markdown.paragraph": base,
            "markdown.em": Style(italic=True),
            "markdown.strong": style("markdown-h1-color", bold=True),
            "markdown.s": Style(strike=True),
            "markdown.code": style("primary", raised),
            "markdown.item.bullet": style("primary"),
            "markdown.item.number": style("primary"),
            "markdown.block_quote": style("foreground 75%"),
            "markdown.hr": style("border"),
            "markdown.link": style("secondary", line=True),
            "markdown.link_url": style("foreground 55%"),
            "markdown.table.border": style("border"),
            "markdown.table.header": style("markdown-h1-color", bold=True),
            **{f"markdown.h{level}": heading(level) for level in range(1, 7)},
        },
    )
