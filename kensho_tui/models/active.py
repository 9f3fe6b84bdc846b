"""What a model reads for each token it writes (pure)."""

from kensho_tui.models.gguf.shape import ModelShape


def active_weights(shape: ModelShape) -> int:
    """Bytes of weights read for one token: all of them, but

    * of the experts that are chosen among only ``experts_used`` of ``experts``,
    * no tables of which a token takes one row (an embedding that is the output head too is read whole),
    * no blocks that only predict ahead.

    Decoding one token at a time multiplies each of these matrices with one vector, so every byte of them
    passes from memory to the processor once: bytes x tokens per second is the bandwidth reached, the model
    of memory-bound decoding in Pope et al., "Efficiently Scaling Transformer Inference" (2022), section 2.
    The KV cache, which is read as well, and grows with the chat, does not count.
    """
    active = shape.weights - shape.draft_weights - shape.lookup_weights
    if shape.experts and 0 < shape.experts_used < shape.experts:
        active -= shape.expert_weights * (shape.experts - shape.experts_used) // shape.experts
    return max(active, 0)
