"""Models and workers of this machine as rows of their tables. Pure."""

from collections.abc import Iterable
from datetime import datetime

from kensho_tui.core import contract as c
from kensho_tui.core.text import one_line
from kensho_tui.ui import format as fmt
from kensho_tui.ui.choice_list import Choice
from kensho_tui.ui.columns import Cell, Column
from kensho_tui.ui.lines import QUIET
from kensho_tui.ui.models.rows import (
    ACCENT,
    PINNED,
    VERDICT_CELLS,
    Workers,
    mark,
    model_row,
    used,
    verdict_rank,
)
from kensho_tui.ui.table import Listing, Sort

INSTALLED_COLUMNS = (
    Column("name", least=20),
    Column("", rank=1),
    Column("quant", rank=4),
    Column("size", rank=2, right=True),
    Column("verdict", least=VERDICT_CELLS, grows=True),
    Column("speed", rank=3, right=True),
    Column("last used", rank=5, right=True),
)
RUNNING_COLUMNS = (
    Column("name", least=20, grows=True),
    Column("", rank=5),
    Column("state"),
    Column("device", rank=2),
    Column("context", rank=3, right=True),
    Column("memory", rank=1, right=True),
    Column("source", rank=4),
    Column("pid", rank=4, right=True),
)

INSTALLED = Listing(
    INSTALLED_COLUMNS,
    {
        "last used": lambda model: model.last_used or "",
        "name": lambda model: model.name.casefold(),
        "quant": lambda model: model.quantisation,
        "size": lambda model: model.size,
        "verdict": lambda model: verdict_rank(model.verdict, model.problem),
        "speed": lambda model: model.tok_s,
    },
    frozenset({"last used", "size", "speed"}),
)
RUNNING = Listing(
    RUNNING_COLUMNS,
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


def installed_rows(
    models: Iterable[c.ModelInfo], workers: Workers, sort: Sort, now: datetime, answers: str = ""
) -> list[Choice]:
    by_name = sorted(models, key=lambda model: model.name.casefold())
    return [
        model_row(model, workers, answers, Cell(used(model, now)))
        for model in INSTALLED.ordered(by_name, sort)
    ]


def running_rows(workers: Iterable[c.WorkerInfo], shares: Workers, sort: Sort) -> list[Choice]:
    rows = []
    for worker in RUNNING.ordered(workers, sort):
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
    words = {"ready": "ready", "busy": "benchmark" if worker.bench else "answering", "closing": "unloading"}
    if worker.state in words:
        return Cell(words[worker.state], ACCENT if worker.state == "busy" else QUIET)
    return Cell(f"loading {fmt.percent(share)}" if share is not None else "loading", ACCENT)
