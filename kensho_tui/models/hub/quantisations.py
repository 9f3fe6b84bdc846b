"""Quantisations: found in file names, with the bits per weight they come to (pure)."""

import re
from pathlib import PurePosixPath

# Bits per weight of a whole model: llama.cpp's table for Llama 3.1 8B (tools/quantize/README.md); those it
# does not list are the type's own bits and the usual share of larger tensors.
BITS: dict[str, float] = {
    "Q1_0": 1.3,
    "IQ1_S": 2.0,
    "TQ1_0": 2.0,
    "IQ1_M": 2.15,
    "TQ2_0": 2.3,
    "Q2_0": 2.4,
    "IQ2_XXS": 2.38,
    "IQ2_XS": 2.59,
    "IQ2_S": 2.74,
    "IQ2_M": 2.93,
    "Q2_K_S": 2.97,
    "Q2_K": 3.16,
    "Q2_K_L": 3.3,
    "Q2_K_XL": 3.3,
    "IQ3_XXS": 3.25,
    "IQ3_XS": 3.5,
    "Q3_K_S": 3.64,
    "IQ3_S": 3.66,
    "IQ3_M": 3.76,
    "Q3_K_M": 4.0,
    "Q3_K": 4.0,
    "Q3_K_L": 4.3,
    "Q3_K_XL": 4.4,
    "MXFP4": 4.35,
    "IQ4_XS": 4.46,
    "NVFP4": 4.6,
    "Q4_0": 4.66,
    "Q4_K_S": 4.67,
    "IQ4_NL": 4.68,
    "Q4_K_M": 4.89,
    "Q4_K": 4.89,
    "Q4_K_L": 5.0,
    "Q4_K_XL": 5.0,
    "Q4_1": 5.12,
    "Q5_0": 5.58,
    "Q5_K_S": 5.57,
    "Q5_K_M": 5.7,
    "Q5_K": 5.7,
    "Q5_K_L": 5.8,
    "Q5_K_XL": 5.8,
    "Q5_1": 6.04,
    "Q6_K": 6.56,
    "Q6_K_L": 6.7,
    "Q6_K_XL": 6.9,
    "Q8_0": 8.5,
    "Q8_K_XL": 9.5,
    "F16": 16.0,
    "BF16": 16.0,
    "F32": 32.0,
}

# Files whose weights were laid out for one kind of processor; llama.cpp lays out Q4_0 itself now.
WITHDRAWN = frozenset({"Q4_0_4_4", "Q4_0_4_8", "Q4_0_8_8", "Q4_2", "Q4_3"})
FULL = frozenset({"F16", "BF16", "F32"})
LEGACY = frozenset({"Q4_0", "Q4_1", "Q5_0", "Q5_1"})

_DYNAMIC = "UD-"
_SPELLED = {"FP16": "F16", "FP32": "F32", "Q4": "Q4_K_M", "Q8": "Q8_0", "MXFP4_MOE": "MXFP4"}
# The longer ones first: Q4_K_M begins with Q4_K, and that with Q4.
_NAME = re.compile(
    r"(?<![A-Za-z0-9])(?P<dynamic>UD-)?(?P<type>"
    r"IQ[1-6]_(?:XXS|XS|NL|KSS|KS|KT|K|S|M)|TQ[12]_0|MXFP4_MOE|MXFP4|NVFP4"
    r"|Q4_0_(?:4_4|4_8|8_8)|Q[1-8]_K_(?:XXL|XL|XS|S|M|L)|Q[1-8]_K|Q[1-8]_[0-3]"
    r"|BF16|FP?16|FP?32|Q[2-8])(?![A-Za-z0-9])",
    re.IGNORECASE,
)


def quantisation_of(path: str) -> str:
    """What a file's name tells, or else its folder's: ``Q4_K_M``, ``UD-IQ2_XXS``; or empty."""
    whole = PurePosixPath(path)
    found = _last(whole.name) or _last(whole.parent.name)
    return spelled(found["type"], dynamic=found["dynamic"] is not None) if found is not None else ""


def _last(name: str) -> re.Match[str] | None:
    """The last one in `name`: what a model is called comes before it."""
    return next(reversed(list(_NAME.finditer(name))), None)


def spelled(name: str, *, dynamic: bool = False) -> str:
    """As it is written here."""
    upper = name.upper()
    return f"{_DYNAMIC if dynamic else ''}{_SPELLED.get(upper, upper)}"


def base_of(quantisation: str) -> str:
    """Without the mark of a mix that was chosen layer by layer."""
    return quantisation.removeprefix(_DYNAMIC)


def bits_of(quantisation: str) -> float:
    """Bits per weight that it usually comes to; 0: not known."""
    return BITS.get(base_of(quantisation), 0.0)


def stem_without(path: str) -> str:
    """A file's name without its quantisation: the same for all files of one model."""
    name = PurePosixPath(path).name
    found = _last(name)
    return (name if found is None else name[: found.start()] + name[found.end() :]).casefold()


def matches(wanted: str, quantisation: str) -> bool:
    """Whether a person who asks for `wanted` means `quantisation`."""
    upper = wanted.upper()
    asked = _DYNAMIC + spelled(upper.removeprefix(_DYNAMIC)) if upper.startswith(_DYNAMIC) else spelled(upper)
    return asked == quantisation.upper()
