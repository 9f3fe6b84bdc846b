"""What a person may set for a model, checked before it is kept."""

from collections.abc import Sequence

from kensho_tui.core.errors import UsageError
from kensho_tui.core.model_contract import Defaults
from kensho_tui.core.text import one_line, valid

MAX_TAGS = 20
MAX_TAG = 40
MAX_TEXT = 256 * 1024

_RANGES: dict[str, tuple[float, float]] = {
    "context": (0, 10_000_000),
    "gpu_layers": (-1, 10_000),
    "threads": (0, 1024),
    "threads_batch": (1, 1024),
    "batch": (16, 16_384),
    "temperature": (0, 10),
    "top_k": (0, 1_000_000),
    "top_p": (0, 1),
    "min_p": (0, 1),
    "max_tokens": (1, 10_000_000),
}


def clean_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """Each once and safe on a terminal, in the order given. Raises `UsageError` when there are too many."""
    clean = {tag.casefold(): tag for text in tags if (tag := one_line(text, MAX_TAG))}
    if len(clean) > MAX_TAGS:
        raise UsageError(f"{len(clean)} tags are too many", hint=f"A model takes up to {MAX_TAGS}")
    return tuple(clean.values())


def check_defaults(defaults: Defaults) -> None:
    """Raise `UsageError` for a figure or a text that cannot be."""
    for name, (least, most) in _RANGES.items():
        value = getattr(defaults, name)
        if value is not None and not least <= value <= most:  # NaN is in no range
            raise UsageError(f"{name} cannot be {value}", hint=f"It lies between {least:g} and {most:g}")
    if defaults.flash is False and defaults.kv_type not in (None, "f16"):
        raise UsageError(
            f"a KV cache of type {defaults.kv_type} needs flash attention",
            hint="Leave flash attention on, or take f16",
        )
    for name in ("system", "template"):
        text = getattr(defaults, name) or ""
        if len(text) > MAX_TEXT or text != valid(text):
            raise UsageError(f"this {name} cannot be kept", hint=f"Up to {MAX_TEXT} characters are")
