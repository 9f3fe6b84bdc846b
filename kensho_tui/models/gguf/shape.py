"""What a GGUF header says of its model: all that an estimate, a verdict or a details pane needs."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ModelShape:
    """Sizes in bytes, counts of heads per layer, lengths in elements; 0 or empty where a header says nothing.

    ``layer_weights`` are the tensor bytes of each block, ``input_weights`` those of the token embedding,
    ``output_weights`` those of the output head and all the rest. ``weights`` is the sum over all parts.
    """

    architecture: str
    name: str = ""
    license: str = ""
    size_label: str = ""
    quantisation: str = ""
    parameters: int = 0
    weights: int = 0
    input_weights: int = 0
    output_weights: int = 0
    layer_weights: tuple[int, ...] = ()
    layers: int = 0
    embedding: int = 0
    feed_forward: int = 0
    """Of the widest block; of one expert in a mixture of experts."""
    heads: tuple[int, ...] = ()
    kv_heads: tuple[int, ...] = ()
    key_length: int = 0
    value_length: int = 0
    key_length_swa: int = 0
    value_length_swa: int = 0
    vocabulary: int = 0
    trained_context: int = 0
    window: int = 0
    """Tokens of the sliding window; 0: none."""
    sliding: tuple[bool, ...] = ()
    """By layer: whether it attends to the window alone."""
    experts: int = 0
    experts_used: int = 0
    recurrent: bool = False
    """Has layers that keep a state instead of a KV cache: the closed form does not hold."""
    latent: bool = False
    """Multi-head latent attention: the closed form does not hold."""
    tokenizer: str = ""
    template: str | None = None
    parts: int = 1

    @property
    def bits(self) -> float:
        """Bits per weight, really."""
        return self.weights * 8 / self.parameters if self.parameters else 0.0
