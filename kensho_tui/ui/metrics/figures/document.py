"""Figures as they are handed out: documents for JSON, flat records for CSV. Pure.

Sizes are bytes, times seconds, speeds tokens per second, ``bandwidth`` bytes per second.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kensho_tui.core.metrics_contract import (
        DayMetrics,
        Figures,
        Generation,
        ModelMetrics,
        SetupMetrics,
        Spread,
    )

Document = dict[str, object]
Record = dict[str, str | int | float | bool | None]

MEASURED = ("ttft_s", "load_s", "prompt_tok_s", "decode_tok_s", "bandwidth")
"""What figures are of, in their order."""
_USAGE = ("prompt_tokens", "cached_tokens", "completion_tokens")
_TIMINGS = ("queue_s", "load_s", "prefill_s", "ttft_s", "prompt_tok_s", "decode_tok_s", "total_s")
_RAN_WITH = ("device", "gpu_layers", "context", "kv_type", "threads", "active_weights")


def model(found: "ModelMetrics") -> Document:
    """A model with its settings and days."""
    return {
        "model": found.model,
        "quantisation": found.quantisation,
        "last": found.last,
        "from_cache": found.from_cache,
        **_figures(found.figures),
        "settings": [setup(one) for one in found.settings],
        "days": [_day(day) for day in found.days],
    }


def setup(found: "SetupMetrics") -> Document:
    return {**_ran_with(found), "last": found.last, **_figures(found.figures)}


def _ran_with(found: "SetupMetrics | Generation") -> Record:
    return {name: getattr(found, name) for name in _RAN_WITH}


def _spreads(figures: "Figures") -> "dict[str, Spread | None]":
    spreads = (figures.ttft, figures.load, figures.prompt, figures.decode, figures.bandwidth)
    return dict(zip(MEASURED, spreads, strict=True))


def _figures(figures: "Figures") -> Document:
    return {"runs": figures.runs, **_spreads(figures)}


def _day(day: "DayMetrics") -> Document:
    return {"day": day.day, "runs": day.runs, "ttft_s": day.ttft, "decode_tok_s": day.decode}


# --- flat -------------------------------------------------------------------------------------------


def model_record(found: "ModelMetrics") -> Record:
    return {
        "model": found.model,
        "quantisation": found.quantisation,
        "last": found.last,
        "from_cache": found.from_cache,
        **figures_record(found.figures),
    }


def setup_record(found: "SetupMetrics") -> Record:
    return {**_ran_with(found), "last": found.last, **figures_record(found.figures)}


def figures_record(figures: "Figures") -> Record:
    record: Record = {"runs": figures.runs}
    for name, spread in _spreads(figures).items():
        record |= spread_record(name, spread)
    return record


def spread_record(name: str, spread: "Spread | None") -> Record:
    """Six fields; empty where nothing was measured, but for the count."""
    fields = ("median", "lower", "upper", "least", "most")
    values: Record = {f"{name}_{field}": getattr(spread, field, None) for field in fields}
    return {f"{name}_count": spread.count if spread is not None else 0, **values}


def generation_record(one: "Generation") -> Record:
    return {
        "id": one.id,
        "chat": one.chat,
        "message": one.message,
        "model": one.model,
        "quantisation": one.quantisation,
        "state": one.state,
        "stop_reason": one.stop_reason,
        "from_cache": one.from_cache,
        "created": one.created,
        "ended": one.ended,
        **{name: getattr(one.usage, name, None) for name in _USAGE},
        **{name: getattr(one.timings, name, None) for name in _TIMINGS},
        **_ran_with(one),
        "memory": one.memory,
        "memory_host": one.memory_host,
        "bandwidth": one.bandwidth,
    }
