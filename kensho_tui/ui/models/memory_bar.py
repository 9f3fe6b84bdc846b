"""A model's memory as a stacked bar and its terms in numbers. Pure."""

from typing import NamedTuple

from textual.content import Content

from kensho_tui.core import contract as c
from kensho_tui.ui import format as fmt
from kensho_tui.ui.lines import quiet


class Term(NamedTuple):
    """One term of a footprint: its glyph and style in the bar, what it is called, bytes."""

    glyph: str
    style: str
    title: str
    size: int


FREE = "·"
TERMS = (("▓", "$primary"), ("▒", "$secondary"), ("░", "$accent"), ("▚", "$foreground 45%"))


def terms(footprint: c.Footprint) -> list[Term]:
    """The terms that are not nothing, the weights first."""
    sizes = (footprint.weights, footprint.kv, footprint.compute, footprint.overhead)
    titles = ("weights", "KV cache", "compute", "process")
    return [
        Term(glyph, style, title, size)
        for (glyph, style), title, size in zip(TERMS, titles, sizes, strict=True)
        if size > 0
    ]


def cells(sizes: list[int], whole: int, width: int) -> list[int]:
    """Cells for each size in a bar of `width` that stands for `whole`: one at least, never more than fit."""
    given: list[int] = []
    done = 0
    for at, size in enumerate(sizes):
        done += size
        later = len(sizes) - at - 1
        end = min(round(done / whole * width) if whole > 0 else 0, width - later)
        given.append(max(end - sum(given), 1))
    return given


def bar(footprint: c.Footprint, free: int, width: int, over: str = "$error") -> Content:
    """What the model takes of what is free; where it takes more, what is too much is in the style `over`."""
    found = terms(footprint)
    if not found or width < len(found):
        return Content()
    whole = max(footprint.total, free)
    parts = cells([term.size for term in found], whole, width)
    rest = width - sum(parts)
    drawn = Content.assemble(
        *((term.glyph * count, term.style) for term, count in zip(found, parts, strict=True)),
        quiet(FREE * max(rest, 0)),
    )
    if footprint.total > free:
        fits = min(max(round(free / whole * width), 0), width - 1)
        drawn = drawn.stylize(over, fits, width)
    return drawn


def legend(footprint: c.Footprint, kv_note: str = "") -> list[Content]:
    """A line for each term: glyph, name, size at the right, a note."""
    found = terms(footprint)
    lines = []
    for term in found:
        note = f"  {kv_note}" if term.title == "KV cache" and kv_note else ""
        lines.append(
            Content.assemble(
                (term.glyph, term.style), f" {term.title:<9}", f"{fmt.size(term.size):>7}", quiet(note)
            )
        )
    if footprint.host > 0:
        lines.append(quiet(f"  in RAM   {fmt.size(footprint.host):>7}  what the GPU does not hold"))
    return lines
