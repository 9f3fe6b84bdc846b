"""Two of a kind side by side: how far apart they are, and whether that is more than noise. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich.cells import cell_len

from kensho_tui.core.metrics_contract import Figures, Spread
from kensho_tui.ui.choice_list import Choice
from kensho_tui.ui.columns import Cell, Column
from kensho_tui.ui.lines import QUIET
from kensho_tui.ui.metrics.figures import said
from kensho_tui.ui.metrics.figures.document import Document, Record, spread_record
from kensho_tui.ui.metrics.figures.export import Item
from kensho_tui.ui.metrics.figures.look import Look
from kensho_tui.ui.models.table import Listing

UNCLEAR = "not clear"
HANDED_OUT = {
    "decode tok/s": "decode_tok_s",
    "TTFT": "ttft_s",
    "prompt tok/s": "prompt_tok_s",
    "GB/s": "bandwidth",
    "load": "load_s",
}
"""What figures are called in files, by what they are called on the screen."""

Judgement = Literal["none", "few", "unclear", "first", "second"]


@dataclass(frozen=True)
class Side:
    """One of the two: its name, what it ran with, and its figures."""

    name: str
    about: str
    figures: Figures


@dataclass(frozen=True)
class Difference:
    """``ratio``: the second median over the first; None: one of them is missing, or nought."""

    name: str
    first: Spread | None
    second: Spread | None
    ratio: float | None
    judged: Judgement


def difference(name: str, first: Spread | None, second: Spread | None, *, less: bool = False) -> Difference:
    """``less``: the lower one is the better."""
    ratio = None
    if first is not None and second is not None and first.median > 0 and second.median > 0:
        ratio = second.median / first.median
    return Difference(name, first, second, ratio, judged(first, second, less=less))


def judged(first: Spread | None, second: Spread | None, *, less: bool = False) -> Judgement:
    """Which of them is better. Where the middle halves of their runs overlap nothing clear can be said."""
    if first is None or second is None:
        return "none"
    if said.few(first) or said.few(second):
        return "few"
    if first.lower <= second.upper and second.lower <= first.upper:
        return "unclear"
    return "first" if (first.median < second.median) == less else "second"


def differences(first: Figures, second: Figures) -> list[Difference]:
    """What matters most comes first."""
    return [
        difference("decode tok/s", first.decode, second.decode),
        difference("TTFT", first.ttft, second.ttft, less=True),
        difference("prompt tok/s", first.prompt, second.prompt),
        difference("GB/s", first.bandwidth, second.bandwidth),
        difference("load", first.load, second.load, less=True),
    ]


def listing(first: Side, second: Side, found: Sequence[Choice]) -> Listing:
    """The columns of these rows; in a narrow terminal the names are cut, and no figure."""
    least = [max((cell_len(row.cells[at].text) for row in found), default=0) for at in range(4)]
    columns = (
        Column("", least=12),
        Column(f"A {first.name}", least=least[0], right=True),
        Column(f"B {second.name}", least=least[1], right=True),
        Column("B / A", right=True),
        Column("verdict", least=least[3]),
    )
    return Listing(columns, {"figure": lambda row: row})


def rows(first: Side, second: Side, look: Look) -> list[Choice]:
    about = [_row("runs with", (Cell(first.about), Cell(second.about), Cell(""), Cell("")))]
    if not first.about and not second.about:
        about = []
    runs = Cell(f"{first.figures.runs:,}"), Cell(f"{second.figures.runs:,}"), Cell(""), Cell("")
    found = differences(first.figures, second.figures)
    texts = _columns(found, look)
    measured = [
        _row(one.name, (*texts[at], Cell(f"{one.ratio:.2f} x" if one.ratio else ""), _said(one)))
        for at, one in enumerate(found)
    ]
    return [*measured, _row("runs", runs), *about]


def _row(name: str, cells: tuple[Cell, ...]) -> Choice:
    return Choice(name, name, mark=" ", cells=cells)


def _columns(found: list[Difference], look: Look) -> list[tuple[Cell, Cell]]:
    sides = []
    for spreads in ([one.first for one in found], [one.second for one in found]):
        parts = [_parts(one.name, spread, look) for one, spread in zip(found, spreads, strict=True)]
        sides.append(
            [
                Cell(text.together(), QUIET if said.few(spread) else "")
                for text, spread in zip(parts, spreads, strict=True)
            ]
        )
    return list(zip(*sides, strict=True))


def _parts(name: str, spread: Spread | None, look: Look) -> said.Parts:
    if name in ("TTFT", "load"):
        return said.time_parts(spread, look.sign, "only ")
    return said.parts(spread, look.sign, said.GIGA if name == "GB/s" else 1.0, "only ")


def words(one: Difference) -> str:
    """What the difference is worth."""
    if one.judged == "none":
        return ""
    if one.judged in ("few", "unclear"):
        return "too few runs" if one.judged == "few" else UNCLEAR
    better = "A" if one.judged == "first" else "B"
    return f"{better} is {'sooner' if one.name in ('TTFT', 'load') else 'faster'}"


def _said(one: Difference) -> Cell:
    return Cell(words(one), "$success" if one.judged in ("first", "second") else QUIET)


def items(first: Side, second: Side) -> list[Item]:
    """The differences as they are handed out."""
    found: list[Item] = []
    for one in differences(first.figures, second.figures):
        name = HANDED_OUT[one.name]
        outcome: Record = {"ratio": one.ratio, "judged": one.judged}
        sides = {**spread_record("a", one.first), **spread_record("b", one.second)}
        document: Document = {"figure": name, "a": one.first, "b": one.second, **outcome}
        found.append((document, {"figure": name, **sides, **outcome}))
    return found
