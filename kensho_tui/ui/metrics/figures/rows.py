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


def name_of(model: str, installed: Collection[str] | None) -> str:
    """``gone``: its file is no more among the models of this machine (None: they are not known)."""
    gone = installed is not None and model not in installed
    return one_line(model, NAME_LIMIT) + (" (gone)" if gone else "")


def model_rows(
    models: Sequence[ModelMetrics],
    trends: Mapping[str, Sequence[DayMetrics]],
    dates: Sequence[str],
    installed: Collection[str] | None,
    look: Look,
) -> list[Choice]:
    """In the order given; ``trends`` by `model_key` over these ``dates``."""
    columns = _columns([model.figures for model in models], look)
    rows = []
    for at, model in enumerate(models):
        key = model_key(model)
        rows.append(
            Choice(
                key,
                name_of(model.model, installed),
                **look.mark(key),
                also=one_line(model.quantisation, 24),
                cells=(
                    Cell(one_line(model.quantisation, 12)),
                    Cell(f"{model.figures.runs:,}"),
                    *columns(at),
                    Cell(_trend(trends.get(key, ()), dates, look)),
                    Cell(fmt.ago(model.last, look.now)),
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
    return _words(setup.device, setup.context, setup.kv_type, setup.threads)


def _words(device: str, context: int, kv_type: str, threads: int) -> str:
    found = (
        one_line(device, 40),
        f"{fmt.thousands(context)} tokens" if context else "",
        one_line(kv_type, 12),
        f"{threads} threads" if threads else "",
    )
    return " · ".join(part for part in found if part)


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
            Cell(_words(one.device, one.context, one.kv_type, one.threads)),
        ),
    )


def _speed(value: float) -> str:
    return "" if value <= 0 else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def ended(one: Generation) -> str:
    """How it ended; of an answer given again that it came from the cache."""
    if one.from_cache:
        return "from cache"
    return one_line(one.stop_reason or "", 20).replace("_", " ") if one.state == "complete" else one.state
