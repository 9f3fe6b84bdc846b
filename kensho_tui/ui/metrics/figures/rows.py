"""Models, their settings and their generations as rows of the tables. Pure."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any

from kensho_tui.core.metrics_contract import (
    DayMetrics,
    Figures,
    Generation,
    GenerationOrder,
    ModelMetrics,
    SetupMetrics,
)
from kensho_tui.core.text import one_line
from kensho_tui.ui import format as fmt
from kensho_tui.ui.choice_list import IDLE, Choice
from kensho_tui.ui.columns import Cell, Column
from kensho_tui.ui.lines import QUIET
from kensho_tui.ui.metrics.figures import ran, said
from kensho_tui.ui.metrics.figures.document import RAN_WITH
from kensho_tui.ui.metrics.figures.look import Look
from kensho_tui.ui.metrics.figures.measures import BANDWIDTH, DECODE, PROMPT, TTFT, Measure
from kensho_tui.ui.metrics.figures.periods import by_date
from kensho_tui.ui.metrics.figures.spark import sparkline
from kensho_tui.ui.table import Listing

NAME_LIMIT = 100
GONE = "✗"
"""Before a model whose file is here no more, as before any that cannot be used."""
TREND_DAYS = 14
TREND = f"{TREND_DAYS} days"
QUEUED_S = 0.1
"""What waited for a shorter time waited for nobody."""
PLAIN_TEXT = ""
"""The style of what a row is about; the rest is quiet."""

SHOWN = (TTFT, PROMPT, DECODE, BANDWIDTH)
STRONG = (TTFT, DECODE)
"""What most people look for."""


def _median_of(measure: Measure) -> Callable[[Any], float]:
    """To sort rows by it; without it they count as the least."""

    def median(row: ModelMetrics | SetupMetrics) -> float:
        found = measure.of(row.figures)
        return found.median if found is not None else -1.0

    return median


_FIGURES: Mapping[str, Callable[[Any], float]] = {
    **{measure.title: _median_of(measure) for measure in (DECODE, TTFT, PROMPT, BANDWIDTH)},
    "runs": lambda row: row.figures.runs,
}
_FALLING = frozenset({"last used", DECODE.title, PROMPT.title, BANDWIDTH.title, "runs"})


MODELS = Listing(
    (
        Column("model", least=21),
        Column("quant"),
        Column("runs", rank=6, right=True),
        Column("TTFT", rank=1, right=True),
        Column("prompt tok/s", rank=3, right=True),
        Column("decode tok/s", right=True),
        Column("GB/s", rank=7, right=True),
        Column(TREND, rank=4),
        Column("last used", rank=5, right=True),
    ),
    {
        "last used": lambda row: row.last,
        "model": lambda row: (row.model.casefold(), row.quantisation),
        **_FIGURES,
    },
    _FALLING,
)
SETTINGS = Listing(
    (
        Column("device", least=8),
        Column("runs", rank=10, right=True),
        Column("TTFT", rank=1, right=True),
        Column("prompt tok/s", rank=6, right=True),
        Column("decode tok/s", right=True),
        Column("GB/s", rank=11, right=True),
        Column("last used", rank=9, right=True),
    ),
    {
        "last used": lambda row: row.last,
        **{one.title: attrgetter(one.name) for one in ran.SETTINGS},
        **_FIGURES,
    },
    _FALLING | {one.title for one in ran.SETTINGS if one.right},
)
ORDERS: Mapping[str, GenerationOrder] = {
    "time": "created",
    TTFT.title: "ttft_s",
    DECODE.title: "decode_tok_s",
    PROMPT.title: "prompt_tok_s",
    "out": "completion_tokens",
    "in": "prompt_tokens",
}
"""By which columns the host sorts generations."""
GENERATIONS = Listing(
    (
        Column("time", least=12),
        Column("in", rank=3, right=True),
        Column("cached", rank=6, right=True),
        Column("out", rank=2, right=True),
        Column("queue", rank=1, right=True),
        Column("TTFT", right=True),
        Column("prompt tok/s", rank=7, right=True),
        Column("decode tok/s", right=True),
        Column("ended", rank=4),
        Column("memory", rank=8, right=True),
        Column("settings", rank=5),
    ),
    dict.fromkeys(ORDERS, lambda row: row),
    frozenset(ORDERS.keys() - {TTFT.title}),
)


def model_key(model: ModelMetrics) -> str:
    return f"{model.model}\n{model.quantisation}"


def setup_key(setup: SetupMetrics) -> str:
    return "\n".join(str(getattr(setup, name)) for name in RAN_WITH)


def model_rows(
    models: Sequence[ModelMetrics],
    trends: Mapping[str, Sequence[DayMetrics]],
    dates: Sequence[str],
    installed: Collection[str] | None,
    look: Look,
) -> list[Choice]:
    """In the order given; ``trends`` by `model_key` over these ``dates``. What is not ``installed`` any more
    (None: that is not known) is marked.
    """
    columns = _columns([model.figures for model in models], look)
    rows = []
    for model, measured in zip(models, columns, strict=True):
        key = model_key(model)
        gone = installed is not None and model.model not in installed
        rows.append(
            Choice(
                key,
                one_line(model.model, NAME_LIMIT),
                **look.mark(key, GONE if gone else IDLE),
                also=one_line(model.quantisation, 24),
                cells=(
                    Cell(one_line(model.quantisation, 12)),
                    Cell(f"{model.figures.runs:,}"),
                    *measured,
                    Cell(_trend(trends.get(key, ()), dates, look)),
                    Cell(f"{'gone · ' if gone else ''}{fmt.ago(model.last, look.now)}"),
                ),
            )
        )
    return rows


def _trend(days: Sequence[DayMetrics], dates: Sequence[str], look: Look) -> str:
    found = by_date(days, dates)
    values = [day.decode.median if day is not None and day.decode is not None else None for day in found]
    return sparkline(values, look.graphs)


def _columns(figures: Sequence[Figures], look: Look) -> list[tuple[Cell, ...]]:
    """Of each row the cells of what is `SHOWN`."""
    return list(zip(*(_column(measure, figures, look) for measure in SHOWN), strict=True))


def _column(measure: Measure, figures: Sequence[Figures], look: Look) -> list[Cell]:
    spreads = [measure.of(row) for row in figures]
    texts = said.aligned([measure.parts(spread, look.sign) for spread in spreads])
    return [
        Cell(text, PLAIN_TEXT if measure in STRONG and not said.few(spread) else QUIET)
        for text, spread in zip(texts, spreads, strict=True)
    ]


def _shown(setups: Sequence[SetupMetrics]) -> list[ran.Setting]:
    """Beside the device: of several what tells them apart. `ran.common` says the rest once."""
    found = ran.differing(setups) if len(setups) > 1 else ran.SETTINGS
    return [one for one in found if one.name != "device"]


def settings_listing(setups: Sequence[SetupMetrics]) -> Listing:
    """A narrow terminal has what tells these apart rather than figures that are looked at less."""
    apart = len(setups) > 1
    columns = [
        Column(one.title, rank=min(one.rank, 2) if apart else one.rank, right=one.right)
        for one in _shown(setups)
    ]
    return replace(SETTINGS, columns=(SETTINGS.columns[0], *columns, *SETTINGS.columns[1:]))


def setup_rows(setups: Sequence[SetupMetrics], look: Look) -> list[Choice]:
    """In the columns of `settings_listing`."""
    columns = _columns([setup.figures for setup in setups], look)
    shown = _shown(setups)
    rows = []
    for setup, measured in zip(setups, columns, strict=True):
        key = setup_key(setup)
        rows.append(
            Choice(
                key,
                one_line(setup.device, 40) or ran.UNKNOWN,
                **look.mark(key),
                also=one_line(ran.words(setup), 120),
                cells=(
                    *(Cell(one.cell(setup)) for one in shown),
                    Cell(f"{setup.figures.runs:,}"),
                    *measured,
                    Cell(fmt.ago(setup.last, look.now)),
                ),
            )
        )
    return rows


def generation_rows(generations: Sequence[Generation], look: Look) -> list[Choice]:
    """In the columns of `generations_listing`."""
    apart = ran.differing(generations)
    return [_generation(one, [Cell(ran.words(one, apart))] if apart else [], look) for one in generations]


def generations_listing(generations: Sequence[Generation]) -> Listing:
    """With settings only where these ran with several."""
    if ran.differing(generations):
        return GENERATIONS
    return replace(GENERATIONS, columns=GENERATIONS.columns[:-1])


def _generation(one: Generation, settings: Sequence[Cell], look: Look) -> Choice:
    usage, timings = one.usage, one.timings
    return Choice(
        one.id,
        fmt.clock(one.created, look.now),
        mark=IDLE,
        cells=(
            Cell(fmt.thousands(usage.prompt_tokens) if usage else ""),
            Cell(fmt.thousands(usage.cached_tokens) if usage and usage.cached_tokens else ""),
            Cell(fmt.thousands(usage.completion_tokens) if usage else ""),
            Cell(fmt.seconds(timings.queue_s) if timings and timings.queue_s >= QUEUED_S else ""),
            Cell(fmt.seconds(timings.ttft_s) if timings and timings.ttft_s > 0 else "", PLAIN_TEXT),
            Cell(_speed(timings.prompt_tok_s) if timings else ""),
            Cell(_speed(timings.decode_tok_s) if timings else "", PLAIN_TEXT),
            Cell(said.ended(one), "$error" if one.state == "failed" else QUIET),
            Cell(fmt.size(one.memory + one.memory_host) if one.memory + one.memory_host else ""),
            *settings,
        ),
    )


def _speed(value: float) -> str:
    return "" if value <= 0 else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"
