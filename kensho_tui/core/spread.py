"""Median, quartiles and extremes of measurements (pure)."""

from collections.abc import Sequence

from kensho_tui.core.metrics_contract import Spread

MILLIONTH = 1e-6


def spread(ordered: Sequence[float], unit: float = 1.0) -> Spread | None:
    """Of values in ascending order, in ``unit``; None of none."""
    if not ordered:
        return None
    return Spread(
        count=len(ordered),
        median=quantile(ordered, 0.5) * unit,
        lower=quantile(ordered, 0.25) * unit,
        upper=quantile(ordered, 0.75) * unit,
        least=ordered[0] * unit,
        most=ordered[-1] * unit,
    )


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which ``share`` of ``ordered`` (ascending, not empty) lie, between two of them where it
    must: type 7 of Hyndman and Fan, "Sample Quantiles in Statistical Packages" (1996).
    """
    place = (len(ordered) - 1) * share
    below = int(place)
    rest = place - below
    if not rest:
        return ordered[below]
    return ordered[below] + (ordered[below + 1] - ordered[below]) * rest
