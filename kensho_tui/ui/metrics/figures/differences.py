"""Two of a kind side by side: how far apart they are, and whether that is more than noise. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.cells import cell_len

from kensho_tui.core.metrics_contract import Figures, Spread
from kensho_tui.ui.choice_list import Choice
from kensho_tui.ui.columns import Cell, Column
from kensho_tui.ui.lines import QUIET
from kensho_tui.ui.metrics.figures import said
from kensho_tui.ui.metrics.figures.document import Item
from kensho_tui.ui.metrics.figures.look import Look
from kensho_tui.ui.metrics.figures.measures import BANDWIDTH, DECODE, LOAD, PROMPT, TTFT, Measure
from kensho_tui.ui.table import Listing

UNCLEAR = "not clear"
COMPARED = (DECODE, TTFT, PROMPT, BANDWIDTH, LOAD)
"""What matters most comes first."""

Judgement = Literal["none", "few", "unclear", "first", "second"]


@dataclass(frozen=True)
class Side:
    """One of the two: its name, what it ran with by title, and its figures. ``whole``: its name in files,
    where that is another."""

    name: str
    about: Mapping[str, str]
    figures: Figures
    whole: str = ""


@dataclass(frozen=True)
class Difference:
    """``ratio``: the second median over the first; None: one of them is missing, or nought."""

    measure: Measure
    first: Spread | None
    second: Spread | None
    ratio: float | None
    judged: Judgement


def difference(measure: Measure, first: Spread | None, second: Spread | None) -> Difference:
    ratio = None
    if first is not None and second is not None and first.median > 0 and second.median > 0:
        ratio = second.median / first.median
    return Difference(measure, first, second, ratio, judged(first, second, less=measure.time))


def judged(first: Spread | None, second: Spread | None, *, less: bool = False) -> Judgement:
    """Which of them is better, with ``less`` the lower one. Where the middle halves of their runs overlap
    nothing clear can be said."""
    if first is None or second is None:
        return "none"
    if said.few(first) or said.few(second):
        return "few"
    if first.lower <= second.upper and second.lower <= first.upper:
        return "unclear"
    return "first" if (first.median < second.median) == less else "second"


def differences(first: Figures, second: Figures) -> list[Difference]:
    return [difference(measure, measure.of(first), measure.of(second)) for measure in COMPARED]


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
    about = [
        _row(title, (Cell(first.about.get(title, "")), Cell(second.about.get(title, "")), Cell(""), Cell("")))
        for title in {**first.about, **second.about}
    ]
    runs = Cell(f"{first.figures.runs:,}"), Cell(f"{second.figures.runs:,}"), Cell(""), Cell("")
    found = differences(first.figures, second.figures)
    measured = [
        _row(
            one.measure.title,
            (
                _cell(one.measure, one.first, look),
                _cell(one.measure, one.second, look),
                Cell(f"{one.ratio:.2f} x" if one.ratio else ""),
                _said(one),
            ),
        )
        for one in found
    ]
    return [*measured, _row("runs", runs), *about]


def _row(name: str, cells: tuple[Cell, ...]) -> Choice:
    return Choice(name, name, mark=" ", cells=cells)


def _cell(measure: Measure, spread: Spread | None, look: Look) -> Cell:
    return Cell(measure.parts(spread, look.sign).together(), QUIET if said.few(spread) else "")


def words(one: Difference) -> str:
    """What the difference is worth."""
    if one.judged == "none":
        return ""
    if one.judged in ("few", "unclear"):
        return "too few runs" if one.judged == "few" else UNCLEAR
    better = "A" if one.judged == "first" else "B"
    return f"{better} is {'sooner' if one.measure.time else 'faster'}"


def _said(one: Difference) -> Cell:
    return Cell(words(one), "$success" if one.judged in ("first", "second") else QUIET)


def items(first: Side, second: Side) -> list[Item]:
    """The differences as they are handed out."""
    return [
        {
            "figure": one.measure.name,
            "a": one.first,
            "b": one.second,
            "ratio": one.ratio,
            "judged": one.judged,
        }
        for one in differences(first.figures, second.figures)
    ]
