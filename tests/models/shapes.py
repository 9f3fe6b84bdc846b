"""Shapes of published models without files, for tests of sums over them."""

from hypothesis import strategies as st

from kensho_tui.models.gguf.shape import ModelShape

MIB = 1 << 20
LLAMA_3B = ModelShape(
    architecture="llama",
    quantisation="Q4_K_M",
    parameters=3_212_749_888,
    weights=1918 * MIB,
    input_weights=308 * MIB,
    output_weights=12_544,
    tied=True,
    layer_weights=(57 * MIB,) * 28,
    layers=28,
    embedding=3072,
    feed_forward=8192,
    heads=(24,) * 28,
    kv_heads=(8,) * 28,
    key_length=128,
    value_length=128,
    vocabulary=128_256,
    trained_context=131_072,
)
GEMMA_4B = ModelShape(
    architecture="gemma3",
    quantisation="Q4_K_M",
    parameters=3_880_099_328,
    weights=2368 * MIB,
    input_weights=525 * MIB,
    output_weights=10_240,
    tied=True,
    layer_weights=(54 * MIB,) * 34,
    layers=34,
    embedding=2560,
    feed_forward=10_240,
    heads=(8,) * 34,
    kv_heads=(4,) * 34,
    key_length=256,
    value_length=256,
    vocabulary=262_208,
    trained_context=131_072,
    window=1024,
    sliding=tuple((layer + 1) % 6 != 0 for layer in range(34)),
)


@st.composite
def shapes(draw: st.DrawFn) -> ModelShape:
    """Any model that llama.cpp could load: dense, windowed or a mixture, its head tied or not."""
    layers = draw(st.integers(1, 100))
    embedding = draw(st.integers(1, 64)) * 128
    kv_heads = draw(st.integers(1, 16))
    experts = draw(st.sampled_from((0, 0, 8, 128)))
    blocks = tuple(draw(st.lists(st.integers(1, 1 << 30), min_size=layers, max_size=layers)))
    head, rest = draw(st.integers(1, 1 << 30)), draw(st.integers(0, 1 << 30))
    draft = draw(st.sampled_from((0, 0, 1 << 20)))
    windowed = draw(st.booleans())
    return ModelShape(
        architecture="llama",
        weights=sum(blocks) + head + rest + draft,
        input_weights=head,
        output_weights=rest,
        draft_weights=draft,
        tied=draw(st.booleans()),
        layer_weights=blocks,
        layers=layers,
        embedding=embedding,
        feed_forward=draw(st.integers(1, 256)) * 128,
        heads=(kv_heads * draw(st.integers(1, 8)),) * layers,
        kv_heads=(kv_heads,) * layers,
        key_length=(key := draw(st.sampled_from((64, 80, 96, 128, 192, 256)))),
        value_length=key,
        vocabulary=draw(st.integers(256, 300_000)),
        trained_context=draw(st.integers(1, 1 << 18)),
        window=draw(st.sampled_from((128, 512, 4096))) if windowed else 0,
        sliding=tuple(draw(st.lists(st.booleans(), min_size=layers, max_size=layers))) if windowed else (),
        experts=experts,
        experts_used=min(experts, draw(st.integers(1, 8))),
    )
