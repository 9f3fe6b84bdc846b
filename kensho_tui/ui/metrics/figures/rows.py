"""Models, their settings and their generations as rows of the tables. Pure."""

from collections.abc import Callable, Collection, Mapping, Sequence

from kensho_tui.core.metrics_contract import (
    DayMetrics,
    Figures,
    Generation,
    ModelMetrics,
    SetupMetrics,
    Spread,
)
from kensho_tui.core.text import one_line
from kensho_tui.ui import format as fmt
from kensho_tui.ui.choice_list import IDLE, Choice
from kensho_tui.ui.columns import Cell, Column
from kensho_tui.ui.lines import QUIET
from kensho_tui.ui.metrics.figures import said
from kensho_tui.ui.metrics.figures.look import Look
from kensho_tui.ui.metrics.figures.periods import by_date
from kensho_tui.ui.metrics.figures.spark import sparkline
from kensho_tui.ui.models.table import Listing

NAME_LIMIT = 100
GONE = "✗"
"""Before a model whose file is here no more, as before any that cannot be used."""
TREND_DAYS = 14
TREND = f"{TREND_DAYS} days"
PLAIN_TEXT = ""
"""The style of what a row is about; the rest is quiet."""

_FIGURES = {
    "TTFT": lambda row: _median(row.figures.ttft),
    "prompt tok/s": lambda row: _median(row.figures.prompt),
    "GB/s": lambda row: _median(row.figures.bandwidth),
    "runs": lambda row: row.figures.runs,
}
_FALLING = frozenset({"last used", "decode tok/s", "prompt tok/s", "GB/s", "runs"})


def _median(spread: Spread | None) -> float:
    return spread.median if spread is not None else -1.0


MODELS = Listing(
    (
        Column("model", least=16),
        Column("quant", rank=4),
        Column("runs", rank=6, right=True),
        Column("TTFT", rank=1, right=True),
        Column("prompt tok/s", rank=3, right=True),
        Column("decode tok/s", right=True),
        Column("GB/s", rank=7, right=True),
        Column(TREND, rank=2),
        Column("last used", rank=5, right=True),
    ),
    {
        "last used": lambda row: row.last,
        "model": lambda row: (row.model.casefold(), row.quantisation),
        "decode tok/s": lambda row: _median(row.figures.decode),
        **_FIGURES,
    },
    _FALLING,
)
SETTINGS = Listing(
    (
        Column("device", least=8),
        Column("context", right=True),
        Column("KV", rank=2),
        Column("threads", rank=3, right=True),
        Column("GPU layers", rank=4, right=True),
        Column("runs", rank=7, right=True),
        Column("TTFT", rank=1, right=True),
        Column("prompt tok/s", rank=5, right=True),
        Column("decode tok/s", right=True),
        Column("GB/s", rank=8, right=True),
        Column("last used", rank=6, right=True),
    ),
    {
        "last used": lambda row: row.last,
        "device": lambda row: row.device.casefold(),
        "context": lambda row: row.context,
        "KV": lambda row: row.kv_type,
        "threads": lambda row: row.threads,
        "GPU layers": lambda row: row.gpu_layers,
        "decode tok/s": lambda row: _median(row.figures.decode),
        **_FIGURES,
    },
    _FALLING | {"context", "threads", "GPU layers"},
)
GENERATIONS = Listing(
    (
        Column("time", least=12),
        Column("in", rank=2, right=True),
        Column("cached", rank=4, right=True),
        Column("out", rank=1, right=True),
        Column("TTFT", right=True),
        Column("prompt tok/s", rank=5, right=True),
        Column("decode tok/s", right=True),
        Column("ended", rank=3),
        Column("memory", rank=6, right=True),
        Column("settings", rank=7),
    ),
    {"time": lambda row: row.created},
    frozenset({"time"}),
)


def model_key(model: ModelMetrics) -> str:
    return f"{model.model}\n{model.quantisation}"


def setup_key(setup: SetupMetrics) -> str:
    return "\n".join(
        map(
            str,
            (
                setup.device,
                setup.context,
                setup.kv_type,
                setup.threads,
                setup.gpu_layers,
                setup.active_weights,
            ),
        )
    )


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
    for at, model in enumerate(models):
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
                    *columns(at),
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


def _columns(figures: Sequence[Figures], look: Look) -> "Callable[[int], tuple[Cell, ...]]":
    """The cells of TTFT, prompt, decode and bandwidth of each row."""
    spreads = [[row.ttft, row.prompt, row.decode, row.bandwidth] for row in figures]
    parts = [
        [said.time_parts(row[0], look.sign, "only ") for row in spreads],
        [said.parts(row[1], look.sign, 1.0, "only ") for row in spreads],
        [said.parts(row[2], look.sign, 1.0, "only ") for row in spreads],
        [said.parts(row[3], look.sign, said.GIGA, "only ") for row in spreads],
    ]
    texts = [said.aligned(column) for column in parts]

    def cells(at: int) -> tuple[Cell, ...]:
        strong = (True, False, True, False)
        return tuple(
            Cell(text[at], PLAIN_TEXT if own and not said.few(spread) else QUIET)
            for text, spread, own in zip(texts, spreads[at], strong, strict=True)
        )

    return cells


def setup_rows(setups: Sequence[SetupMetrics], look: Look) -> list[Choice]:
    columns = _columns([setup.figures for setup in setups], look)
    rows = []
    for at, setup in enumerate(setups):
        key = setup_key(setup)
        ttft, prompt, decode, bandwidth = columns(at)
        rows.append(
            Choice(
                key,
                one_line(setup.device, 40) or "not known",
                **look.mark(key),
                also=one_line(f"{setup.kv_type} {setup.context} {setup.threads} threads", 60),
                cells=(
                    Cell(fmt.thousands(setup.context) if setup.context else ""),
                    Cell(one_line(setup.kv_type, 12)),
                    Cell(f"{setup.threads or ''}"),
                    Cell(layers(setup.gpu_layers, setup.device)),
                    Cell(f"{setup.figures.runs:,}"),
                    ttft,
                    prompt,
                    decode,
                    bandwidth,
                    Cell(fmt.ago(setup.last, look.now)),
                ),
            )
        )
    return rows


def layers(count: int, device: str) -> str:
    """-1 asks for all of them; on a CPU that is none, and says nothing."""
    if device == "CPU":
        return ""
    return "all" if count < 0 else str(count) if count else ""


def setup_words(setup: SetupMetrics) -> str:
    """``CPU · 8 192 tokens · f16 · 3 threads``."""
    return " · ".join(part for part in _parts(setup) if part)


def _parts(ran: SetupMetrics | Generation) -> tuple[str, ...]:
    gpu_layers = layers(ran.gpu_layers, ran.device)
    return (
        one_line(ran.device, 40),
        f"{fmt.thousands(ran.context)} tokens" if ran.context else "",
        one_line(ran.kv_type, 12),
        fmt.counted(ran.threads, "thread") if ran.threads else "",
        f"{gpu_layers} GPU layers" if gpu_layers else "",
    )


def differing(first: SetupMetrics, second: SetupMetrics) -> tuple[str, str]:
    """What one ran with, and the other: no more than tells them apart."""
    pairs = [pair for pair in zip(_parts(first), _parts(second), strict=True) if pair[0] != pair[1]]
    if not pairs:  # the file was replaced by one with other weights
        weights = (fmt.size(first.active_weights), fmt.size(second.active_weights))
        return f"{weights[0]} of weights", f"{weights[1]} of weights"
    first_words, second_words = zip(*pairs, strict=True)
    return " · ".join(word or "-" for word in first_words), " · ".join(word or "-" for word in second_words)


def generation_rows(generations: Sequence[Generation], look: Look) -> list[Choice]:
    return [_generation(one, look) for one in generations]


def _generation(one: Generation, look: Look) -> Choice:
    usage, timings = one.usage, one.timings
    return Choice(
        one.id,
        fmt.clock(one.created, look.now),
        mark=IDLE,
        cells=(
            Cell(fmt.thousands(usage.prompt_tokens) if usage else ""),
            Cell(fmt.thousands(usage.cached_tokens) if usage and usage.cached_tokens else ""),
            Cell(fmt.thousands(usage.completion_tokens) if usage else ""),
            Cell(fmt.seconds(timings.ttft_s) if timings and timings.ttft_s > 0 else "", PLAIN_TEXT),
            Cell(_speed(timings.prompt_tok_s) if timings else ""),
            Cell(_speed(timings.decode_tok_s) if timings else "", PLAIN_TEXT),
            Cell(ended(one), "$error" if one.state == "failed" else QUIET),
            Cell(fmt.size(one.memory + one.memory_host) if one.memory + one.memory_host else ""),
            Cell(" · ".join(part for part in _parts(one) if part)),
        ),
    )


def _speed(value: float) -> str:
    return "" if value <= 0 else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def ended(one: Generation) -> str:
    """How it ended; of an answer given again that it came from the cache."""
    if one.from_cache:
        return "from cache"
    return one_line(one.stop_reason or "", 20).replace("_", " ") if one.state == "complete" else one.state
