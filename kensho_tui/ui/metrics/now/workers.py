"""The workers as a table: what each holds and uses. Pure."""

from collections.abc import Mapping, Sequence

from textual.content import Content

from kensho_tui.core.contract import WorkerInfo
from kensho_tui.core.sample_contract import Sample, WorkerSample
from kensho_tui.core.text import one_line
from kensho_tui.ui import format as fmt
from kensho_tui.ui.columns import Column, joined, table_widths
from kensho_tui.ui.lines import QUIET, quiet

COLUMNS = (
    Column("worker", least=22),
    Column("state", rank=2),
    Column("RAM", right=True),
    Column("mapped", right=True, rank=5),
    Column("VRAM", right=True),
    Column("CPU", right=True, rank=1),
    Column("context", right=True, rank=3),
    Column("pid", right=True, rank=4),
)
STATES = {"busy": "answering", "ready": "warm", "closing": "unloading"}
BENCH = "benchmark"
STYLES = {"busy": "$primary", "ready": "$success"}


def worker_rows(
    latest: Sample, now: Sample | None, known: Mapping[int, WorkerInfo], width: int, most: int, models: str
) -> list[Content]:
    """The titles and at most `most` rows; the last says how many more there are. `models`: the key that shows
    them."""
    workers = now.workers if now is not None else ()
    if not workers:
        none = f"no model is loaded: ask something in F2, or load one in {models}"
        return [quiet(none if now is not None else "workers: not known now")]
    cut = len(workers) - max(most - 1, 0) if len(workers) > most else 0
    shown = workers[: len(workers) - cut]
    cells = [_cells(worker, known.get(worker.pid), bool(latest.devices)) for worker in shown]
    laid = table_widths(COLUMNS, cells, width)
    rows = [joined(COLUMNS, laid, [quiet(column.title) for column in COLUMNS])]
    for worker, texts in zip(shown, cells, strict=True):
        styles = ["$foreground", STYLES.get(worker.state, QUIET), *["$foreground"] * (len(COLUMNS) - 2)]
        drawn = [Content.styled(text, style) for text, style in zip(texts, styles, strict=True)]
        rows.append(joined(COLUMNS, laid, drawn))
    if cut:
        rows.append(quiet(f"and {cut} more: {models} shows all that run"))
    return rows


def _cells(worker: WorkerSample, known: WorkerInfo | None, gpus: bool) -> Sequence[str]:
    vram = fmt.size(worker.vram) if worker.vram is not None else "–" if gpus else ""
    measured = known is not None and known.bench and worker.state == "busy"
    return (
        one_line(worker.model, 60),
        BENCH if measured else STATES.get(worker.state, worker.state),
        fmt.size(worker.ram),
        fmt.size(worker.file) if worker.file else "",
        vram,
        f"{worker.cpu:.1f} cores",
        fmt.thousands(known.context) if known is not None and known.context else "",
        str(worker.pid),
    )
