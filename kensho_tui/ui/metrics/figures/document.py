"""Figures as they are handed out: documents for JSON, the same flat for CSV. Pure.

Sizes are bytes, times seconds, speeds tokens per second, ``bandwidth`` bytes per second.
"""

from msgspec import Struct
from msgspec.structs import asdict

from kensho_tui.core.contract import Timings, Usage
from kensho_tui.core.metrics_contract import (
    DayMetrics,
    Figures,
    Generation,
    ModelMetrics,
    RanWith,
    SetupMetrics,
    Spread,
)
from kensho_tui.ui.metrics.figures.measures import MEASURES

Document = dict[str, object]
Item = Document | Generation
"""What is handed out of one row."""

RAN_WITH = tuple(name for name in RanWith.__struct_fields__ if name != "quantisation")
"""The fields by which runs of one model differ."""
_PARTS: dict[str, type[Struct]] = {"usage": Usage, "timings": Timings}
_SPREADS = frozenset({*(measure.name for measure in MEASURES), "a", "b"})
"""Fields that are spreads, or None where nothing was measured; the last two of what is compared."""
_SPREAD = ("median", "lower", "upper", "least", "most")


def model(found: ModelMetrics) -> Document:
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


def setup(found: SetupMetrics) -> Document:
    """What a model ran with, and its figures with that."""
    ran_with = {name: getattr(found, name) for name in RAN_WITH}
    return {**ran_with, "last": found.last, **_figures(found.figures)}


def _figures(figures: Figures) -> Document:
    return {"runs": figures.runs, **{measure.name: measure.of(figures) for measure in MEASURES}}


def _day(day: DayMetrics) -> Document:
    return {"day": day.day, "runs": day.runs, "ttft_s": day.ttft, "decode_tok_s": day.decode}


def flat(item: Item) -> Document:
    """One line of CSV: a spread is six fields, usage and timings are fields of their own, lists are left out.

    Items of one kind have the same fields, whatever was not measured.
    """
    record: Document = {}
    for name, value in (item if isinstance(item, dict) else asdict(item)).items():
        if name in _PARTS:
            fields = _PARTS[name].__struct_fields__
            record |= {field: getattr(value, field, None) for field in fields}
        elif isinstance(value, Spread) or (value is None and name in _SPREADS):
            record |= {f"{name}_{field}": getattr(value, field, None) for field in _SPREAD}
            record[f"{name}_count"] = value.count if value is not None else 0
        elif not isinstance(value, list):
            record[name] = value
    return record
