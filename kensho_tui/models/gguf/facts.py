"""What a details pane says of a model, as lines of a name and a text."""

from collections.abc import Sequence

from kensho_tui.core.sizes import human_size
from kensho_tui.models.gguf.shape import ModelShape

_COUNTS = ((1e12, " T"), (1e9, " B"), (1e6, " M"), (1e3, " k"))


def _short(number: float) -> str:
    """Three digits and a unit: 134.5 M, 8.03 B."""
    for unit, name in _COUNTS:
        if number >= unit * 0.9995:
            value = number / unit
            return f"{value:.{2 if value < 10 else 1 if value < 1000 else 0}f}{name}"
    return f"{number:.0f}"


def _range(values: Sequence[int]) -> str:
    """One number, or the least and the most of those above 0."""
    own = [value for value in values if value] or [0]
    return f"{min(own)}" if min(own) == max(own) else f"{min(own)}–{max(own)}"


def facts(shape: ModelShape) -> dict[str, str]:
    """In the order they are shown in; what a header does not say is left out."""
    lines = {
        "Name": shape.name,
        "Architecture": _architecture(shape),
        "Parameters": _parameters(shape),
        "Quantisation": f"{shape.quantisation}, {shape.bits:.2f} bits per weight",
        "Weights": _weights(shape),
        "Context": _context(shape),
        "Attention": _attention(shape),
        "Window": _window(shape),
        "Experts": f"{shape.experts}, {shape.experts_used} used for each token" if shape.experts else "",
        "Widths": f"{shape.embedding:,} embedding, {shape.feed_forward:,} feed-forward"
        if shape.feed_forward
        else f"{shape.embedding:,} embedding",
        "Vocabulary": f"{shape.vocabulary:,} tokens" + (f" ({shape.tokenizer})" if shape.tokenizer else ""),
        "Template": "yes" if shape.template else "none: it continues text" if shape.causal else "",
        "Licence": shape.license,
    }
    return {name: text for name, text in lines.items() if text}


def _architecture(shape: ModelShape) -> str:
    kinds = [
        name
        for name, is_so in (
            ("recurrent or hybrid", shape.recurrent),
            ("latent attention", shape.latent),
            ("embeddings only", not shape.causal),
        )
        if is_so
    ]
    return ", ".join([shape.architecture, f"{shape.layers} blocks", *kinds])


def _parameters(shape: ModelShape) -> str:
    counted = _short(shape.parameters)
    return f"{counted} (called {shape.size_label})" if shape.size_label else counted


def _weights(shape: ModelShape) -> str:
    size = human_size(shape.weights)
    return f"{size} in {shape.parts} files" if shape.parts > 1 else size


def _context(shape: ModelShape) -> str:
    if not shape.trained_context:
        return ""
    text = f"{shape.trained_context:,} tokens"
    if 0 < shape.original_context < shape.trained_context:
        text += f", stretched from {shape.original_context:,}"
        if shape.rope_scaling and shape.rope_scaling != "none":
            text += f" by {shape.rope_scaling}"
    return text


def _attention(shape: ModelShape) -> str:
    if not any(shape.heads):
        return ""
    text = f"{_range(shape.heads)} heads of {shape.key_length}"
    return f"{text}, {_range(shape.kv_heads)} for keys and values" if any(shape.kv_heads) else text


def _window(shape: ModelShape) -> str:
    if not shape.window:
        return ""
    return f"{shape.window:,} tokens in {sum(shape.sliding)} of {shape.layers} blocks"
