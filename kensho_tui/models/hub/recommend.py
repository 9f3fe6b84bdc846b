"""Which of a model's quantisations to take on this machine (pure).

A quantisation below four bits costs more quality than the next smaller model would, one above six bits brings
next to nothing, and small models suffer more than large ones: so the bits wanted go by the model's size, and
what fits goes before all of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from kensho_tui.models.hub.quantisations import FULL, LEGACY, base_of, bits_of

SMALL, TINY = 3_000_000_000, 1_000_000_000
DECENT_CONTEXT = 8192
"""Enough for a conversation; less where no quantisation gets more."""
FEWEST_BITS = 3.0

# Counted in bits per weight away from those wanted: what is missing hurts more than what is too much.
_BELOW, _ABOVE = 1.5, 0.5
_LEGACY, _SLOW, _DYNAMIC = 1.0, 0.3, 0.05
"""Quantised without a second scale; IQ types, which CPUs unpack slowly; of two alike the plain one."""


@dataclass(frozen=True)
class Choice:
    """A file as it is to be judged. ``context`` that it would get here in tokens (None: not known)."""

    file: str
    quantisation: str
    size: int
    bits: float
    fits: bool
    context: int | None = None


def wanted_bits(parameters: int) -> float:
    """Bits per weight for a model of so many parameters (0: not known)."""
    if 0 < parameters < TINY:
        return bits_of("Q8_0")
    return bits_of("Q6_K") if 0 < parameters < SMALL else bits_of("Q4_K_M")


def recommend(choices: Sequence[Choice], parameters: int) -> Choice | None:
    """The one to take; None when none fits."""
    fitting = [choice for choice in choices if choice.fits]
    known = [choice for choice in fitting if bits_of(choice.quantisation)] or fitting
    packed = [choice for choice in known if base_of(choice.quantisation) not in FULL] or known
    wanted = wanted_bits(parameters)
    decent = min(max((choice.context or 0 for choice in packed), default=0), DECENT_CONTEXT)
    return min(
        packed,
        key=lambda choice: (
            _bits(choice) < FEWEST_BITS,
            choice.context is not None and choice.context < decent,
            _distance(choice, wanted),
            choice.file,
        ),
        default=None,
    )


def _bits(choice: Choice) -> float:
    return bits_of(choice.quantisation) or choice.bits


def _distance(choice: Choice, wanted: float) -> float:
    bits, base = _bits(choice), base_of(choice.quantisation)
    away = (wanted - bits) * _BELOW if bits < wanted else (bits - wanted) * _ABOVE
    return (
        away
        + _LEGACY * (base in LEGACY)
        + _SLOW * base.startswith(("IQ", "TQ"))
        + _DYNAMIC * (base != choice.quantisation)
    )
