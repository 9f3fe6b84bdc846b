"""Which settings are recommended (pure): those that answer a standard turn soonest, with reasons to stay."""

from collections.abc import Sequence
from dataclasses import dataclass

from kensho_tui.core.bench_contract import (
    STANDARD_ANSWER,
    STANDARD_PROMPT,
    BenchSettings,
    Condition,
    Recommendation,
)

TIE = 1.02
"""Up to so much later is as soon: what is in use, and what is plainer, is not left for less."""
WORTH = 1.05
"""A quantised KV cache loses exactness: it is recommended only where it is sooner by more than this."""
FLOOR = 0.95
"""What is recommended is never slower than this share of the fastest that was measured."""

_LOSSES = {"f16": 0, "q8_0": 1, "q4_0": 2}
"""Of exactness, by the KV cache: the more, the less exact."""


@dataclass(frozen=True)
class Found:
    """Speeds of one choice of settings in tok/s, both above 0."""

    settings: BenchSettings
    prompt_tok_s: float
    decode_tok_s: float

    @property
    def turn_s(self) -> float:
        return STANDARD_PROMPT / self.prompt_tok_s + STANDARD_ANSWER / self.decode_tok_s


def choose(found: Sequence[Found], before: BenchSettings) -> Found | None:
    """The best of ``found`` by the rules above; None of none."""
    if not found:
        return None
    fastest = _fastest(found, before)
    limit = min(fastest.turn_s * TIE, min(one.turn_s for one in found) / FLOOR)
    most = max(_loss(fastest.settings), _loss(before))
    as_good = [one for one in found if one.turn_s <= limit and _loss(one.settings) <= most]
    return min(as_good, key=lambda one: (*_plainness(one.settings, before), one.turn_s))


def _fastest(found: Sequence[Found], before: BenchSettings) -> Found:
    """The soonest, where less exact caches than the one in use have to be worth it."""
    used = _loss(before)
    best, *others = sorted(found, key=lambda one: (max(_loss(one.settings), used), one.turn_s))
    for one in others:
        if one.turn_s * WORTH < best.turn_s:
            best = one
    return best


def _loss(settings: BenchSettings) -> int:
    return _LOSSES[settings.kv_type]


def _plainness(settings: BenchSettings, before: BenchSettings) -> tuple[bool, int, bool]:
    return settings != before, _loss(settings), not settings.flash


def recommendation(
    condition: Condition, found: Sequence[Found], before: BenchSettings
) -> Recommendation | None:
    """``gain`` is 1 where the settings in use could not be measured."""
    best = choose(found, before)
    if best is None:
        return None
    used = next((one for one in found if one.settings == before), best)
    return Recommendation(
        condition=condition,
        settings=best.settings,
        prompt_tok_s=best.prompt_tok_s,
        decode_tok_s=best.decode_tok_s,
        gain=used.turn_s / best.turn_s,
    )
