"""What a GGUF header says of its model: all that an estimate, a verdict or a details pane needs."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ModelShape:
    """Sizes in bytes, counts of heads per layer, lengths in elements; 0 or empty where a header says nothing.

    ``layer_weights`` are the tensor bytes of each block, ``input_weights`` those of the token embedding,
    ``output_weights`` those of the output head and all the rest. ``weights`` is the sum over all parts, with
    ``draft_weights``: those of blocks that only predict ahead, which are not among the ``layers``.
    ``lookup_weights`` are tables of which a token reads one row, ``expert_weights`` those that experts share.
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
    draft_weights: int = 0
    lookup_weights: int = 0
    expert_weights: int = 0
    tied: bool = False
    """No output head: llama.cpp uses the token embedding again, and copies it to where it computes."""
    layer_weights: tuple[int, ...] = ()
    layers: int = 0
    embedding: int = 0
    feed_forward: int = 0
    """Of the widest block; of one expert in a mixture of experts."""
    dense_feed_forward: int = 0
    """Of the widest block that is no mixture; where there are experts, some models have such blocks too."""
    heads: tuple[int, ...] = ()
    kv_heads: tuple[int, ...] = ()
    """0 for a layer that keeps no KV cache of its own: it shares an earlier one's, or keeps a state."""
    key_length: int = 0
    value_length: int = 0
    key_length_swa: int = 0
    value_length_swa: int = 0
    vocabulary: int = 0
    trained_context: int = 0
    original_context: int = 0
    """What it was trained for before its positions were stretched; 0: they were not."""
    rope_base: float = 0.0
    rope_scaling: str = ""
    window: int = 0
    """Tokens of the sliding window; 0: none."""
    sliding: tuple[bool, ...] = ()
    """By layer: whether it attends to the window alone."""
    experts: int = 0
    experts_used: int = 0
    recurrent: bool = False
    """Has layers that keep a state instead of a KV cache: the closed form does not hold."""
    latent: bool = False
    """Multi-head latent attention, or attention that an indexer thins: the closed form does not hold."""
    causal: bool = True
    """False: makes embeddings, and no text."""
    tokenizer: str = ""
    template: str | None = None
    parts: int = 1

    @property
    def bits(self) -> float:
        """Bits per weight, really."""
        return self.weights * 8 / self.parameters if self.parameters else 0.0
