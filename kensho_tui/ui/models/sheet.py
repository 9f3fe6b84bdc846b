"""The pane beside the table: a head, memory as a bar with its terms, facts; laid out for its width."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from kensho_tui.core import contract as c
from kensho_tui.core.model_contract import Fit
from kensho_tui.core.text import one_line
from kensho_tui.ui import format as fmt
from kensho_tui.ui.lines import quiet
from kensho_tui.ui.models import memory_bar

SIDE_BY_SIDE = 72
"""Columns of the pane from which on memory and facts stand side by side."""
BAR_CELLS, LEFT_CELLS, MOST_LEFT = 44, 38, 42
MAX_FACTS, FACT_NAME = 40, 14
HEADING = "$foreground 80%"
Facts = list[tuple[str, str]]


class Page(Protocol):
    """What is said of one row."""

    def head(self) -> list[Content]:
        """A name on one line, then what matters most, wrapped."""

    def memory(self, width: int) -> list[Content]:
        """What it takes, with bars of `width` cells; empty: nothing is known of that."""

    def facts(self) -> Facts:
        """By name, in their order; safe to show."""


def content(page: Page, width: int, tall: bool) -> Content:
    """The pane's text for `width` cells: facts beside the memory where there is room, else below it."""
    beside = width >= SIDE_BY_SIDE and not tall
    (name, *rest), memory = page.head(), page.memory(LEFT_CELLS if beside else min(width, BAR_CELLS))
    beside = beside and bool(memory)
    left = min(max(line.cell_length for line in memory) + 3, MOST_LEFT) if beside else 0
    facts = [line for fact in page.facts() for line in _hanging(*fact, width - left)]
    body = _beside(memory, [Content(), *facts], left, width) if beside else [*memory, Content(), *facts]
    head = [name.truncate(width, ellipsis=True), *(row for line in rest for row in line.wrap(width))]
    return Content("\n").join([*head, *body])


def _beside(left: Sequence[Content], right: Sequence[Content], at: int, width: int) -> list[Content]:
    rows = []
    for number in range(max(len(left), len(right))):
        one = left[number] if number < len(left) else Content()
        other = right[number] if number < len(right) else Content()
        one = one.truncate(at - 2, ellipsis=True)
        pad = " " * (at - one.cell_length)
        rows.append(Content.assemble(one, pad, other.truncate(max(width - at, 0), ellipsis=True)))
    return rows


# --- memory ---------------------------------------------------------------------------------------------


class Taken(NamedTuple):
    """Memory that is taken, or would be, of what `verdict` says is there. ``note``: after its source."""

    footprint: c.Footprint
    verdict: c.Verdict | None
    fit: Fit | None = None
    note: str = ""
    kv_note: str = ""


def memory(taken: Taken, width: int) -> list[Content]:
    """The bar, its terms, and all of them together."""
    footprint, found, fit = taken.footprint, taken.verdict, taken.fit
    free = found.free if found is not None else 0
    resident = found is not None and found.kind == "resident"
    room = free + footprint.total if resident else free
    over = "$warning" if found is not None and found.kind == "after" else "$error"
    lines = [
        Content(),
        Content.assemble(
            (found.memory if found is not None else "memory", HEADING),
            quiet(f" · {footprint.source}{taken.note}"),
        ),
        memory_bar.bar(footprint, room, width, over),
        *memory_bar.legend(footprint, taken.kv_note),
        _together(footprint, free, resident),
    ]
    if fit is not None and fit.others > 0 and fit.memory > 0:
        used = f"{fmt.size(fit.others)} of {fmt.size(fit.memory)}"
        lines.append(quiet(f"  other programs use {used}"))
    return lines


def kv_words(fit: Fit) -> str:
    """``8,192 tokens · f16``: what a KV cache's size is for."""
    return f"{fmt.thousands(fit.context)} tokens · {one_line(fit.kv_type, 12)}"


def _together(footprint: c.Footprint, free: int, resident: bool) -> Content:
    of = f"  {fmt.size(free)} more are free" if resident else f"  of {fmt.size(max(free, 0))} free"
    return Content.assemble("= ", f"{'together':<9}", (f"{fmt.size(footprint.total):>7}", "bold"), quiet(of))


def most(fit: Fit, trained: int) -> str:
    """The largest context that fits, in words; ``trained``: the model's own."""
    if fit.max_context >= trained > 0:
        return f"{fmt.thousands(trained)} tokens fit: its whole context"
    return f"{fmt.thousands(fit.max_context)} tokens fit at most" if fit.max_context else "no context fits"


def would_fit(fit: Fit) -> list[Content]:
    """What would make it fit, and what the plain formula would have said."""
    lines = []
    if fit.verdict.remedies:
        lines.append(Content.styled("It would fit with", HEADING))
        lines += [quiet(f"  {one_line(remedy.what, 120)}") for remedy in fit.verdict.remedies]
    if fit.kensho:
        lines.append(quiet("The usual rule of thumb, less exact:"))
        lines.append(quiet(f"(parameters × bits / 8) × 1.2 = {fmt.size(fit.kensho)}"))
    return lines


# --- facts ----------------------------------------------------------------------------------------------


def told(facts: Mapping[str, str] | Iterable[tuple[str, str]]) -> Facts:
    """Facts of somebody else's, made safe to show; empty ones are left out."""
    pairs = facts.items() if isinstance(facts, Mapping) else facts
    clean = [(one_line(name, FACT_NAME - 1), one_line(text, 300)) for name, text in pairs]
    return [(name, text) for name, text in clean if text][:MAX_FACTS]


def _fact(name: str, text: str) -> Content:
    return Content.assemble(quiet(f"{name:<{FACT_NAME}}"), text)


def _hanging(name: str, text: str, width: int) -> list[Content]:
    """A fact on as many lines as it needs, the text under itself."""
    first, *rest = Content(text).wrap(max(width - FACT_NAME, 12)) or [Content()]
    return [_fact(name, first.plain), *(_fact("", line.plain) for line in rest)]


class DetailsPane(VerticalScroll, can_focus=False):
    """The text, made anew when the row or the width changes."""

    def __init__(self) -> None:
        super().__init__(id="details")
        self._text = Static(id="details-text")
        self._page: Page | None = None

    def compose(self) -> ComposeResult:
        yield self._text

    def show(self, page: Page | None, *, top: bool = False) -> None:
        """What is known of the highlighted row; None: there is none. `top`: it is another one."""
        self._page = page
        self._draw()
        if top:
            self.scroll_home(animate=False)

    def page(self) -> None:
        """A page further; from the end back to the top."""
        if self.scroll_offset.y >= self.max_scroll_y:
            self.scroll_home(animate=False)
        else:
            self.scroll_page_down(animate=False)

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        width = self.scrollable_content_region.width
        if not self.is_mounted or width <= 0:
            return
        tall = self.size.height > self.size.width // 3
        self._text.update(content(self._page, width, tall) if self._page is not None else "")
