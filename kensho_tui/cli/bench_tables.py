"""What a benchmark found, as tables of plain text (pure)."""

import textwrap
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from kensho_tui.cli.table import Column, render, with_ascii_cuts
from kensho_tui.core.bench_contract import (
    STANDARD_ANSWER,
    STANDARD_PROMPT,
    BenchRun,
    Condition,
    Recommendation,
)
from kensho_tui.core.text import one_line
from kensho_tui.ui.format import ago
from kensho_tui.ui.metrics.bench.judged import ONE_RUN, TOO_SLOW, by_then, rests_on_one, time_saved
from kensho_tui.ui.metrics.figures.said import said

MACHINES = {"quiet": "a quiet machine", "shared": "a shared machine"}


def told(run: BenchRun, columns: int | None, *, plain: bool = False) -> list[str]:
    """All of one run in at most `columns` cells (None: no edge); ``plain`` has ASCII signs."""
    sign = "+-" if plain else "±"
    found = [_head(run), ""]
    found += _points(run, columns, sign)
    found += [*_problems(run), *_bare(run), *_recommendations(run)]
    lines = [part for line in found for part in _wrapped(line, columns)]
    return with_ascii_cuts(lines, plain=plain)


def _wrapped(line: str, columns: int | None) -> list[str]:
    return textwrap.wrap(line, columns, drop_whitespace=False) if columns and len(line) > columns else [line]


def _head(run: BenchRun) -> str:
    words = [
        run.model,
        run.quantisation,
        run.device,
        f"{run.cores} cores",
        run.build.split(",")[0],
        run.created[:10],
    ]
    return one_line("  ".join(word for word in words if word), 300)


def _points(run: BenchRun, columns: int | None, sign: str) -> list[str]:
    points = [point for point in run.points if not point.problem]
    if not points:
        return ["Nothing was measured."]
    layout = (
        Column("MACHINE"),
        Column("THREADS", right=True),
        Column("PREFILL THREADS", right=True, rank=1),
        Column("BATCH", right=True, rank=2),
        Column("FLASH", rank=4),
        Column("KV", rank=3),
        Column("GPU LAYERS", right=True, rank=5),
        Column("PROMPT", right=True),
        Column("PROMPT TOK/S", right=True),
        Column("DECODE TOK/S", right=True),
    )
    rows = [
        (
            point.condition,
            f"{point.settings.threads}" if point.settings.threads else "auto",
            f"{point.settings.threads_batch}",
            f"{point.settings.batch}",
            "on" if point.settings.flash else "off",
            point.settings.kv_type,
            point.settings.layers if run.on_gpu else "",
            f"{point.prompt_tokens:,}",
            said(point.prompt, sign),
            TOO_SLOW if point.cut else said(point.decode, sign),
        )
        for point in points
    ]
    return [*render(layout, rows, columns), f"Median {sign} half the interquartile range (runs)."]


def _problems(run: BenchRun) -> Iterator[str]:
    found = {(point.settings, point.problem): None for point in run.points if point.problem}
    for settings, problem in found:
        yield f"Cannot be used: {settings.words(gpu=run.on_gpu)}: {one_line(problem, 300)}"


def _bare(run: BenchRun) -> Iterator[str]:
    for loop in run.bare:
        prompt = f"{loop.prompt_here:,.0f} of its {loop.prompt_tok_s:,.0f} prompt tok/s"
        decode = f"{loop.decode_here:,.1f} of its {loop.decode_tok_s:,.1f} decode tok/s"
        said = by_then(run, loop)
        yield (
            f"Beside llama.cpp alone at the end, {MACHINES[loop.condition]}: {prompt} "
            f"({loop.prompt_share:.0%}), {decode} ({loop.decode_share:.0%}){f'; {said}' if said else ''}."
        )


def _recommendations(run: BenchRun) -> Iterator[str]:
    if run.recommendations:
        yield ""
    for one in run.recommendations:
        words = one.settings.words(gpu=run.on_gpu)
        yield f"For {MACHINES[one.condition]}: {words}{_gain(run, one)}{_unsure(run, one)}"


def _gain(run: BenchRun, one: Recommendation) -> str:
    if one.settings == run.before:
        return ": what was in use already."
    exact = (
        " A quantised KV cache loses some exactness, and is worth it here."
        if one.settings.kv_type != "f16" and (run.before is None or run.before.kv_type == "f16")
        else ""
    )
    less = time_saved(one.gain)
    if less <= 0:
        return f": no faster than what was in use.{exact}"
    turn = f"a turn of {STANDARD_PROMPT} and {STANDARD_ANSWER} tokens"
    return f": {turn} takes {less} % less time than before.{exact}"


def _unsure(run: BenchRun, one: Recommendation) -> str:
    return f" Unsure: {ONE_RUN}; a longer benchmark repeats them." if rests_on_one(run, one) else ""


def listed(
    runs: Sequence[BenchRun], columns: int | None, *, plain: bool = False, now: datetime | None = None
) -> list[str]:
    """Runs as a table, one a line."""
    now = now or datetime.now(UTC)
    layout = (
        Column("WHEN"),
        Column("MODEL", least=18),
        Column("QUANT", rank=3),
        Column("STATE"),
        Column("QUIET", rank=1),
        Column("SHARED", rank=2),
        Column("APPLIED", rank=4),
    )
    rows = [
        (
            ago(run.created, now),
            run.model,
            run.quantisation,
            run.state,
            _short(run, "quiet"),
            _short(run, "shared"),
            run.applied or "",
        )
        for run in runs
    ]
    lines = render(layout, rows, columns)
    if any(run.recommendations for run in runs):
        lines += _wrapped("Prompt / decode tok/s with the settings recommended for such a machine.", columns)
    return with_ascii_cuts(lines, plain=plain)


def _short(run: BenchRun, condition: Condition) -> str:
    found = run.recommended(condition)
    return f"{found.prompt_tok_s:,.0f} / {found.decode_tok_s:,.1f}" if found is not None else ""
