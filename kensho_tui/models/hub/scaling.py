"""Shapes for files whose header was not read: from another quantisation of the same model (pure)."""

from dataclasses import replace

from kensho_tui.models.gguf.shape import ModelShape

RULE_OF_THUMB = 1.2
"""Bytes of memory for each byte of weights, where nothing else is known (Kensho's formula)."""


def scaled(shape: ModelShape, file_size: int, size: int, quantisation: str) -> ModelShape:
    """The `shape` of a file of `file_size` bytes, as it will be about for one of `size` bytes.

    What is no weights is the same in both: the vocabulary and the names of the tensors.
    """
    weights = max(size - max(file_size - shape.weights, 0), 0)
    share = weights / shape.weights if shape.weights else 0.0
    return replace(
        shape,
        quantisation=quantisation,
        weights=weights,
        input_weights=int(shape.input_weights * share),
        output_weights=int(shape.output_weights * share),
        draft_weights=int(shape.draft_weights * share),
        layer_weights=tuple(int(layer * share) for layer in shape.layer_weights),
    )


def about(size: int) -> int:
    """Bytes of memory for a file of so many."""
    return int(size * RULE_OF_THUMB)
