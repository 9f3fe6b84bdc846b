"""``kensho-tui metrics``: what models did on this machine, with counts and spread."""

import argparse
import re
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from kensho_tui.cli.link import link
from kensho_tui.cli.output import ascii_only, print_json, print_notices, width
from kensho_tui.core.text import one_line, valid

if TYPE_CHECKING:
    from kensho_tui.client.facade import Kensho
    from kensho_tui.core.metrics_contract import Generation, ModelMetricsList

LAST_SHOWN = 10
MOST_DOCUMENTED = 1000
TREND_DAYS = 366

_AGO = re.compile(r"(\d{1,6})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "metrics",
        help="what models did on this machine: speeds, with counts and spread",
        description="Times and speeds of each model as they were measured here, and the last generations.",
    )
    parser.add_argument(
        "--since", metavar="T", help="only what began since then: 12h, 7d, 2w, or a date as 2026-11-21"
    )
    parser.add_argument(
        "-m", "--model", metavar="MODEL", help="only this model: a name, or a unique part of one"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document instead of text")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    import asyncio

    since = since_date(options.since, datetime.now(UTC)) if options.since is not None else None
    return asyncio.run(_metrics(since, valid(options.model) if options.model else None, options.json))


def since_date(text: str, now: datetime) -> str:
    """The moment that ``text`` means, ISO 8601 in UTC (pure). A day begins where the person is.

    Raises `UsageError`.
    """
    from kensho_tui.core.errors import UsageError

    try:
        past = _AGO.fullmatch(text.strip().casefold())
        if past is not None:
            found = now - timedelta(**{_UNITS[past[2]]: int(past[1])})
        else:
            found = datetime.fromisoformat(text.strip())
        return found.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError):
        raise UsageError(
            f"--since {one_line(text, 40)} says no time", hint="Write 12h, 7d, 2w, or a date as 2026-11-21"
        ) from None


async def _metrics(since: str | None, model: str | None, as_json: bool) -> int:
    from kensho_tui.core.metrics_contract import MODEL_METRICS, ListModelMetrics

    async with link() as kensho:
        asked = ListModelMetrics(since=since, model=model, days=TREND_DAYS if as_json else 0)
        found = await kensho.call(MODEL_METRICS, asked)
        most = MOST_DOCUMENTED if as_json else LAST_SHOWN
        generations, more = await _generations(kensho, since, found.model, most)
        await print_notices(kensho)
    if as_json:
        print_json(document(found, generations, since, more))
    elif not found.models and not generations:
        print(nothing(since, found.model), file=sys.stderr)
    else:
        for line in lines(found, generations, width(sys.stdout), plain=ascii_only(sys.stdout)):
            print(line)
    return 0


async def _generations(
    kensho: "Kensho", since: str | None, model: str | None, most: int
) -> "tuple[tuple[Generation, ...], bool]":
    """The last ones, and whether there are more."""
    from kensho_tui.core.metrics_contract import GENERATIONS, ListGenerations

    page = await kensho.call(GENERATIONS, ListGenerations(since=since, model=model, limit=most))
    return page.generations, bool(page.next)


def nothing(since: str | None, model: str | None) -> str:
    who = f"{one_line(model, 80)} has not" if model else "No model has"
    if not since:
        return f"{who} answered here yet."
    when = datetime.fromisoformat(since).astimezone()
    return f"{who} answered here since {when:%Y-%m-%d %H:%M}. Without --since all that is kept is looked at."


# --- the document -----------------------------------------------------------------------------------


def document(
    found: "ModelMetricsList", generations: "tuple[Generation, ...]", since: str | None, more: bool
) -> dict[str, object]:
    """What `metrics --json` prints. ``more``: there are older generations that are not in it."""
    from kensho_tui.ui.metrics.figures.document import model

    return {
        "since": since,
        "model": found.model,
        "least_prompt_tokens": found.least_prompt,
        "least_completion_tokens": found.least_completion,
        "models": [model(one) for one in found.models],
        "generations": generations,
        "more": more,
    }


# --- the tables -------------------------------------------------------------------------------------


def lines(
    found: "ModelMetricsList",
    generations: "tuple[Generation, ...]",
    columns: int | None,
    *,
    plain: bool = False,
    now: datetime | None = None,
) -> list[str]:
    """Both tables in at most `columns` cells (None: no edge); ``plain`` has ASCII signs (pure)."""
    from kensho_tui.cli.table import with_ascii_cuts

    now = now or datetime.now(UTC)
    told = _model_lines(found, columns, now, "+-" if plain else "±")
    if generations:
        told += [*([""] if told else []), *_generation_lines(generations, columns, now)]
    return with_ascii_cuts(told, plain=plain)


def _model_lines(found: "ModelMetricsList", columns: int | None, now: datetime, sign: str) -> list[str]:
    from kensho_tui.cli.table import Column, render
    from kensho_tui.ui.format import ago
    from kensho_tui.ui.metrics.figures.said import GIGA, said, time_said

    if not found.models:
        return []
    layout = (
        Column("MODEL", least=21),
        Column("QUANT", rank=1),
        Column("RUNS", right=True, rank=4),
        Column("TTFT", right=True, rank=2),
        Column("LOAD", right=True, rank=8),
        Column("PROMPT TOK/S", right=True, rank=3),
        Column("DECODE TOK/S", right=True),
        Column("GB/S", right=True, rank=6),
        Column("FROM CACHE", right=True, rank=7),
        Column("LAST RUN", rank=5),
    )
    rows = [
        (
            model.model,
            model.quantisation,
            f"{model.figures.runs:,}",
            time_said(model.figures.ttft, sign),
            time_said(model.figures.load, sign),
            said(model.figures.prompt, sign),
            said(model.figures.decode, sign),
            said(model.figures.bandwidth, sign, GIGA),
            f"{model.from_cache:,}" if model.from_cache else "",
            ago(model.last, now),
        )
        for model in found.models
    ]
    table = render(layout, rows, columns)
    return [*table, *_wrapped(_legend(found, table[0], sign), columns)]


def _legend(found: "ModelMetricsList", title: str, sign: str) -> str:
    """What the columns in ``title`` mean."""
    from kensho_tui.ui.metrics.figures.measures import legend

    spread = legend([model.figures for model in found.models], sign)
    parts = [
        f"{spread[0].upper()}{spread[1:]} (how many runs could be measured). Speeds are of runs that read "
        f"{found.least_prompt} new tokens and wrote {found.least_completion} at least"
    ]
    parts += ["TTFT has loading in it, and no time in the queue"] * ("TTFT" in title)
    parts += ["GB/s are weights read, in 10^9 bytes"] * ("GB/S" in title)
    return f"{'; '.join(parts)}."


def _wrapped(text: str, columns: int | None) -> list[str]:
    import textwrap

    return textwrap.wrap(text, columns or 110)


def _generation_lines(generations: "tuple[Generation, ...]", columns: int | None, now: datetime) -> list[str]:
    from kensho_tui.cli.table import Column, render

    layout = (
        Column("WHEN"),
        Column("MODEL", least=21),
        Column("QUANT", rank=1),
        Column("IN", right=True, rank=3),
        Column("CACHED", right=True, rank=6),
        Column("OUT", right=True, rank=2),
        Column("QUEUE", right=True, rank=9),
        Column("LOAD", right=True, rank=7),
        Column("PREFILL", right=True, rank=8),
        Column("TTFT", right=True),
        Column("TOK/S", right=True),
        Column("END", rank=4),
        Column("CHAT", rank=5),
    )
    return render(layout, [_generation(one, now) for one in generations], columns)


def _generation(one: "Generation", now: datetime) -> tuple[str, ...]:
    from kensho_tui.ui.format import clock, seconds
    from kensho_tui.ui.metrics.figures.said import ended

    usage, timings = one.usage, one.timings
    times = (timings.queue_s, timings.load_s, timings.prefill_s, timings.ttft_s) if timings else (0.0,) * 4
    return (
        clock(one.created, now),
        one.model or "",
        one.quantisation,
        *((f"{usage.prompt_tokens:,}", f"{usage.cached_tokens:,}") if usage else ("", "")),
        f"{usage.completion_tokens:,}" if usage else "",
        *(seconds(time) if time > 0 else "" for time in times),
        f"{timings.decode_tok_s:.1f}" if timings and timings.decode_tok_s > 0 else "",
        ended(one),
        one.chat,
    )
