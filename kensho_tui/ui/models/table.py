"""The tables of the models screen: what is installed, what runs; sorted by any column."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from textual.content import Content
from textual.events import Click, Key
from textual.widget import Widget

from kensho_tui.core import contract as c
from kensho_tui.core.text import one_line
from kensho_tui.ui import format as fmt
from kensho_tui.ui.choice_list import Choice, ChoiceList
from kensho_tui.ui.columns import Cell, Column, joined
from kensho_tui.ui.keys import done, handed_on
from kensho_tui.ui.lines import QUIET
from kensho_tui.ui.models.rows import (
    ACCENT,
    PINNED,
    VERDICT_CELLS,
    Workers,
    mark,
    model_row,
    used,
)

INSTALLED = (
    Column("name", least=20),
    Column("", rank=1),
    Column("quant", rank=4),
    Column("size", rank=2, right=True),
    Column("verdict", least=VERDICT_CELLS, grows=True),
    Column("speed", rank=3, right=True),
    Column("last used", rank=5, right=True),
)
RUNNING = (
    Column("name", least=20, grows=True),
    Column("", rank=5),
    Column("state"),
    Column("device", rank=2),
    Column("context", rank=3, right=True),
    Column("memory", rank=1, right=True),
    Column("source", rank=4),
    Column("pid", rank=4, right=True),
)
_RANKS = {"resident": 0, "fits": 1, "after": 2, "too large": 3, "unknown": 4}


@dataclass(frozen=True)
class Sort:
    """By which column, and whether from its other end."""

    by: str
    turned: bool = False


@dataclass(frozen=True)
class Tab:
    """One of the tables: its columns, and how each of them may be sorted (the first is how it is at first).

    A column named in ``falling`` begins with the greatest.
    """

    title: str
    columns: tuple[Column, ...]
    sorts: Mapping[str, Callable[[Any], Any]]
    falling: frozenset[str] = field(default_factory=frozenset)

    def next(self, sort: Sort) -> Sort:
        names = list(self.sorts)
        return Sort(names[(names.index(sort.by) + 1) % len(names)])

    def first(self) -> Sort:
        return Sort(next(iter(self.sorts)))

    def falls(self, sort: Sort) -> bool:
        return (sort.by in self.falling) != sort.turned

    def ordered(self, items: Iterable[Any], sort: Sort) -> list[Any]:
        return sorted(items, key=self.sorts[sort.by], reverse=self.falls(sort))


def _verdict_rank(model: c.ModelInfo) -> tuple[int, int]:
    if model.problem:
        return len(_RANKS), 0
    return (
        (_RANKS[model.verdict.kind], model.verdict.need)
        if model.verdict is not None
        else (len(_RANKS) - 1, 0)
    )


INSTALLED_TAB = Tab(
    "Installed",
    INSTALLED,
    {
        "last used": lambda model: model.last_used or "",
        "name": lambda model: model.name.casefold(),
        "quant": lambda model: model.quantisation,
        "size": lambda model: model.size,
        "verdict": _verdict_rank,
        "speed": lambda model: model.tok_s,
    },
    frozenset({"last used", "size", "speed"}),
)
RUNNING_TAB = Tab(
    "Running",
    RUNNING,
    {
        "name": lambda worker: worker.model.casefold(),
        "state": lambda worker: worker.state,
        "device": lambda worker: worker.device,
        "context": lambda worker: worker.context,
        "memory": lambda worker: worker.footprint.total if worker.footprint is not None else 0,
        "pid": lambda worker: worker.pid,
    },
    frozenset({"memory", "context"}),
)
TABS = (INSTALLED_TAB, RUNNING_TAB)


def installed_rows(
    models: Iterable[c.ModelInfo], workers: Workers, sort: Sort, now: datetime, answers: str = ""
) -> list[Choice]:
    by_name = sorted(models, key=lambda model: model.name.casefold())
    return [
        model_row(model, workers, answers, Cell(used(model, now)))
        for model in INSTALLED_TAB.ordered(by_name, sort)
    ]


def running_rows(workers: Iterable[c.WorkerInfo], shares: Workers, sort: Sort) -> list[Choice]:
    rows = []
    for worker in RUNNING_TAB.ordered(workers, sort):
        footprint = worker.footprint
        glyph = mark(_bare(worker), worker)
        rows.append(
            Choice(
                worker.model,
                one_line(worker.model, 100) or "no model yet",
                mark=glyph.text,
                mark_style=glyph.style,
                also=one_line(worker.device, 40),
                cells=(
                    Cell(PINNED * worker.pinned, ACCENT),
                    _state(worker, shares.share(worker.model)),
                    Cell(one_line(worker.device, 24)),
                    Cell(fmt.thousands(worker.context) if worker.context else ""),
                    Cell(fmt.size(footprint.total) if footprint is not None else ""),
                    Cell(footprint.source if footprint is not None else ""),
                    Cell(str(worker.pid) if worker.pid > 0 else ""),
                ),
            )
        )
    return rows


def _bare(worker: c.WorkerInfo) -> c.ModelInfo:
    """A model of which no more is known than that it runs: its file may be gone from the list."""
    return c.ModelInfo(name=worker.model, path="", size=0, source="path", pinned=worker.pinned)


def _state(worker: c.WorkerInfo, share: float | None) -> Cell:
    words = {"ready": "ready", "busy": "answering", "closing": "unloading"}
    if worker.state in words:
        return Cell(words[worker.state], ACCENT if worker.state == "busy" else QUIET)
    return Cell(f"loading {fmt.percent(share)}" if share is not None else "loading", ACCENT)


class Table(ChoiceList):
    """One table, which has the keys: what is in `keys` is done, the others move."""

    titled: ClassVar[bool] = True

    def __init__(
        self,
        choose: Callable[[str], object],
        moved: Callable[[str], object],
        keys: Mapping[str, Callable[[], None]],
    ) -> None:
        super().__init__(choose, columns=INSTALLED, moved=moved)
        self._keys = keys
        self.light(True)

    def use(self, columns: tuple[Column, ...]) -> None:
        """Other columns, and so other rows."""
        self._columns = columns

    def on_click(self, event: Click) -> None:
        """A click highlights, a second one takes."""
        event.prevent_default()  # what a list does otherwise
        at = self._row_of(event)
        if at is not None:
            self._go(at)
            if event.chain > 1:
                self.choose()

    def on_key(self, event: Key) -> None:
        if handed_on(self, event):
            return
        if event.key in self._keys:
            done(event)
            self._keys[event.key]()
        elif self.press(event.key):
            done(event)


class Titles(Widget):
    """The columns' names above the table, the one it is sorted by marked."""

    ALLOW_SELECT = False

    def __init__(self, table: Table) -> None:
        super().__init__(id="titles")
        self._table = table
        self._tab: Tab = INSTALLED_TAB
        self._sort = INSTALLED_TAB.first()

    def show(self, tab: Tab, sort: Sort) -> None:
        self._tab, self._sort = tab, sort
        self.refresh()

    def render(self) -> Content:
        widths = self._table.widths(self._table.scrollable_content_region.width)
        cells = [self._title(column) for column in self._tab.columns]
        return Content.assemble("   ", joined(self._tab.columns, widths, cells))

    def _title(self, column: Column) -> Content:
        if column.title != self._sort.by:
            return Content.styled(column.title, QUIET)
        arrow = "▼" if self._tab.falls(self._sort) else "▲"
        return Content.styled(f"{column.title} {arrow}", "$primary")
