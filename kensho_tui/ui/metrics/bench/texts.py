"""A benchmark as lines of text: how far it is, what it measured, and what follows from that. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from textual.content import Content

from kensho_tui.core.bench_contract import (
    BenchPoint,
    BenchRun,
    Condition,
    Recommendation,
)
from kensho_tui.core.model_contract import Defaults
from kensho_tui.core.text import one_line
from kensho_tui.ui import format as fmt
from kensho_tui.ui.columns import Column, joined, table_widths
from kensho_tui.ui.lines import QUIET, SEPARATOR, in_a_row, quiet
from kensho_tui.ui.metrics.bench.judged import ONE_RUN, TOO_SLOW, by_then, rests_on_one, time_saved
from kensho_tui.ui.metrics.figures.said import uncounted
from kensho_tui.ui.metrics.graph import Glyphs

CONDITIONS: tuple[Condition, ...] = ("shared", "quiet")
"""In the order of their keys, 1 and 2."""
SAID: dict[Condition, str] = {"shared": "shared machine", "quiet": "quiet machine"}
BAR_CELLS = 24
STATES = {
    "running": "under way",
    "complete": "complete",
    "stopped": "stopped",
    "failed": "failed",
    "interrupted": "interrupted",
}
STYLES = {
    "running": "$primary",
    "complete": "$success",
    "stopped": "$warning",
    "failed": "$error",
    "interrupted": "$warning",
}
COLUMNS = (
    Column("", rank=0),
    Column("machine", rank=3),
    Column("threads", right=True),
    Column("prefill threads", right=True, rank=4),
    Column("batch", right=True, rank=5),
    Column("flash", rank=6),
    Column("KV", rank=7),
    Column("GPU layers", right=True, rank=8),
    Column("prompt", right=True, rank=2),
    Column("prompt tok/s", right=True),
    Column("decode tok/s", right=True),
    Column("runs", right=True, rank=1),
)

SETTINGS = range(2, 9)
"""Of these columns those are left out, and said once, that are the same in every row."""


NONE_YET = (
    "none yet: a benchmark measures prefill and decode with each setting, and recommends the best",
    "r measures the settings that matter most, R all of them; answers wait meanwhile",
)


def wrapped(lines: Iterable[Content], width: int) -> list[Content]:
    return [row for line in lines for row in line.wrap(width)]


def none_yet(width: int) -> list[Content]:
    """What stands there before the first one."""
    return wrapped(map(quiet, NONE_YET), width)


def head(run: BenchRun, now: datetime) -> Content:
    """Whose it is, where and when, and how it stands."""
    parts = [
        fmt.with_quantisation(one_line(run.model, 60), one_line(run.quantisation, 12), SEPARATOR),
        one_line(run.device, 40),
        f"{run.cores} cores" if run.cores else "",
        fmt.clock(run.created, now),
    ]
    said = SEPARATOR.join(filter(None, parts))
    return Content.assemble((said, "bold"), quiet(SEPARATOR), (STATES[run.state], STYLES[run.state]))


def progress(run: BenchRun, glyphs: Glyphs, width: int) -> list[Content]:
    """How far it is while it runs; why it ended otherwise than by itself."""
    if run.state == "running":
        share = run.done / run.total if run.total else 0.0
        left = f"about {fmt.whole_seconds(run.eta_s)} left" if run.eta_s is not None else ""
        bar = Content.styled(glyphs.bar(share, BAR_CELLS), "$primary")
        parts = [
            (0, Content.assemble(bar, f" {fmt.percent(share)}")),
            (3, quiet(f"{run.done} of {run.total}" if run.total else "")),
            (1, quiet(left)),
            (2, quiet(one_line(run.doing, 80))),
        ]
        wait = quiet("answers wait for its end; it goes on when you leave, Esc or x stops it")
        return [in_a_row(parts, width), wait]
    if run.error:
        hint = f"{SEPARATOR}{one_line(run.hint, 200)}" if run.hint else ""
        return [Content.assemble((f"✗ {one_line(run.error, 200)}", "$error"), quiet(hint))]
    of = f" of {run.total}" if run.total > run.done else ""
    if run.state == "stopped":
        return [quiet(f"stopped after {run.done}{of} measurements: they are kept; advice takes a whole run")]
    if run.state == "interrupted":
        kept = f"{run.done}{of} {'measurement is' if run.total == 1 else 'measurements are'} kept"
        return [quiet(f"the host ended: {kept}; r or R measures anew")]
    return []


def recommendations(run: BenchRun) -> list[Content]:
    """Each with its key, its settings, and what it gains over those in use before."""
    found: list[Content] = []
    for key, condition in enumerate(CONDITIONS, start=1):
        one = run.recommended(condition)
        if one is None:
            continue
        mark = (
            Content.assemble(quiet(SEPARATOR), ("in use", "$success"))
            if condition in run.in_use
            else Content()
        )
        speeds = f"decode {fmt.speed(one.decode_tok_s)}, prompt {fmt.speed(one.prompt_tok_s)}"
        unsure = (f"{SEPARATOR}unsure: {ONE_RUN}", "$warning") if rests_on_one(run, one) else ""
        found += [
            Content.assemble((f"{key} ", "bold $primary"), (f"{SAID[condition]:<16}", "bold"), speeds, mark),
            Content.assemble(quiet(f"  {_gain(run, one)}"), unsure),
            quiet(f"  {one.settings.words(gpu=run.on_gpu)}"),
        ]
    return found


def _gain(run: BenchRun, one: Recommendation) -> str:
    less = time_saved(one.gain)
    if one.settings == run.before:
        return "the settings it had before"
    return f"{less} % less time a turn than before" if less > 0 else "no faster than before"


def table(run: BenchRun, glyphs: Glyphs, width: int) -> list[Content]:
    """What was measured, in the order in which it was; what is recommended has its key before it."""
    if not run.points:
        return []
    rows = [_cells(run, point, glyphs.sign) for point in run.points]
    same = [at for at in SETTINGS if len(rows) > 1 and len({row[at] for row in rows}) == 1]
    laid = table_widths(COLUMNS, rows, width, without=same)
    drawn = [joined(COLUMNS, laid, [quiet(column.title) for column in COLUMNS])]
    for point, row in zip(run.points, rows, strict=True):
        style = QUIET if point.problem or point.cut else "bold" if row[0] else "$foreground"
        line = joined(COLUMNS, laid, [Content.styled(cell, style) for cell in row])
        drawn.append(line.truncate(width, ellipsis=True))
        if point.problem:
            why = f"   not possible: {one_line(point.problem, 200)}"
            drawn.append(quiet(why).truncate(width, ellipsis=True))
    said = ", ".join(f"{COLUMNS[at].title} {rows[0][at]}" for at in same if rows[0][at])
    return [*([quiet(f"all with {said}").truncate(width, ellipsis=True)] if said else []), *drawn]


def _cells(run: BenchRun, point: BenchPoint, sign: str) -> Sequence[str]:
    found = point.settings
    keys = [
        str(key)
        for key, condition in enumerate(CONDITIONS, start=1)
        if condition == point.condition
        and (one := run.recommended(condition)) is not None
        and one.settings == found
    ]
    counted = point.decode or point.prompt
    return (
        "".join(keys),
        point.condition,
        str(found.threads) if found.threads else "auto",
        str(found.threads_batch),
        str(found.batch),
        "on" if found.flash else "off",
        found.kv_type,
        found.layers if run.on_gpu else "",
        fmt.thousands(point.prompt_tokens),
        uncounted(point.prompt, sign),
        TOO_SLOW if point.cut else uncounted(point.decode, sign),
        str(counted.count) if counted is not None else "",
    )


def _held_against(here: float, alone: float, share: float) -> str:
    """``162 of 165 (98 %)``, one decimal below ten. The share may be more than all of it."""
    digits = 1 if alone < 10 else 0
    return f"{here:,.{digits}f} of {alone:,.{digits}f} ({share * 100:.0f} %)"


def bare(run: BenchRun, width: int) -> list[Content]:
    """The speeds here of those of llama.cpp alone that they are held against."""
    found = []
    for one in run.bare:
        decode = _held_against(one.decode_here, one.decode_tok_s, one.decode_share)
        prompt = _held_against(one.prompt_here, one.prompt_tok_s, one.prompt_share)
        found.append(quiet(f"beside llama.cpp, {one.condition}: decode {decode}, prompt {prompt}"))
        if said := by_then(run, one):
            found.append(Content.styled(f"  {said}", "$warning"))
    return wrapped(found, width)


NAMES = {
    "threads": "threads",
    "threads_batch": "prefill threads",
    "batch": "batch",
    "flash": "flash attention",
    "kv_type": "KV cache",
    "gpu_layers": "GPU layers",
    "context": "context",
}


def changes(before: Defaults, after: Defaults) -> str:
    """``threads 3 → 6, flash attention off → on``; empty: nothing is another."""
    said = []
    for name, title in NAMES.items():
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            said.append(f"{title} {_value(old)} → {_value(new)}")
    return ", ".join(said)


def _value(value: object) -> str:
    if value is None:
        return "auto"
    if isinstance(value, bool):
        return "on" if value else "off"
    return "all" if value == -1 else one_line(str(value), 20)
