"""Published hyper-parameters of models, for `tests.support.gguf`."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Hyper:
    """Published hyper-parameters of a model. ``key_length`` 0: embedding / heads, and no key of its own.

    ``feed_forward`` is that of a dense block, ``expert_feed_forward`` that of one expert (0: the same).
    """

    architecture: str = "llama"
    layers: int = 2
    embedding: int = 64
    feed_forward: int = 128
    heads: int = 4
    kv_heads: int = 2
    key_length: int = 0
    vocabulary: int = 320
    context: int = 2048
    window: int = 0
    experts: int = 0
    experts_used: int = 0
    expert_feed_forward: int = 0
    tied: bool = True
    tokenizer: str = "gpt2"
    pre: str = "default"
    freq_base: float = 10000.0
    template: str = ""

    @property
    def head_length(self) -> int:
        return self.key_length or self.embedding // self.heads


TINY = Hyper()
PRESETS: dict[str, Hyper] = {
    "SmolLM2-135M": Hyper(
        layers=30,
        embedding=576,
        feed_forward=1536,
        heads=9,
        kv_heads=3,
        vocabulary=49152,
        context=8192,
        pre="smollm",
        freq_base=100000.0,
    ),
    "Llama-3.2-3B": Hyper(
        layers=28,
        embedding=3072,
        feed_forward=8192,
        heads=24,
        kv_heads=8,
        key_length=128,
        vocabulary=128256,
        context=131072,
        pre="llama-bpe",
        freq_base=500000.0,
    ),
    "Llama-3.1-8B": Hyper(
        layers=32,
        embedding=4096,
        feed_forward=14336,
        heads=32,
        kv_heads=8,
        vocabulary=128256,
        context=131072,
        tied=False,
        pre="llama-bpe",
        freq_base=500000.0,
    ),
    "Qwen2.5-7B": Hyper(
        architecture="qwen2",
        layers=28,
        embedding=3584,
        feed_forward=18944,
        heads=28,
        kv_heads=4,
        vocabulary=152064,
        context=32768,
        tied=False,
        pre="qwen2",
        freq_base=1000000.0,
    ),
    "Qwen3-4B": Hyper(
        architecture="qwen3",
        layers=36,
        embedding=2560,
        feed_forward=9728,
        heads=32,
        kv_heads=8,
        key_length=128,
        vocabulary=151936,
        context=40960,
        pre="qwen2",
        freq_base=1000000.0,
    ),
    "Gemma-3-270M": Hyper(
        architecture="gemma3",
        layers=18,
        embedding=640,
        feed_forward=2048,
        heads=4,
        kv_heads=1,
        key_length=256,
        vocabulary=262144,
        context=32768,
        window=512,
        tokenizer="llama",
        freq_base=1000000.0,
    ),
    "Gemma-3-4B": Hyper(
        architecture="gemma3",
        layers=34,
        embedding=2560,
        feed_forward=10240,
        heads=8,
        kv_heads=4,
        key_length=256,
        vocabulary=262208,
        context=131072,
        window=1024,
        tokenizer="llama",
        freq_base=1000000.0,
    ),
    "Gemma-2-2B": Hyper(
        architecture="gemma2",
        layers=26,
        embedding=2304,
        feed_forward=9216,
        heads=8,
        kv_heads=4,
        key_length=256,
        vocabulary=256000,
        context=8192,
        window=4096,
        tokenizer="llama",
    ),
    "Phi-3-mini": Hyper(
        architecture="phi3",
        layers=32,
        embedding=3072,
        feed_forward=8192,
        heads=32,
        kv_heads=32,
        vocabulary=32064,
        context=4096,
        window=2047,
        tied=False,
        tokenizer="llama",
    ),
    "Command-R7B": Hyper(
        architecture="cohere2",
        layers=32,
        embedding=4096,
        feed_forward=14336,
        heads=32,
        kv_heads=8,
        key_length=128,
        vocabulary=256000,
        context=132096,
        window=4096,
        freq_base=50000.0,
    ),
    "gpt-oss-20b": Hyper(
        architecture="gpt-oss",
        layers=24,
        embedding=2880,
        feed_forward=2880,
        heads=64,
        kv_heads=8,
        key_length=64,
        vocabulary=201088,
        context=131072,
        window=128,
        experts=32,
        experts_used=4,
        expert_feed_forward=2880,
        tied=False,
        freq_base=150000.0,
    ),
    "Mixtral-8x7B": Hyper(
        layers=32,
        embedding=4096,
        feed_forward=14336,
        heads=32,
        kv_heads=8,
        vocabulary=32000,
        context=32768,
        experts=8,
        experts_used=2,
        tied=False,
        tokenizer="llama",
        freq_base=1000000.0,
    ),
    "Qwen3-30B-A3B": Hyper(
        architecture="qwen3moe",
        layers=48,
        embedding=2048,
        feed_forward=6144,
        heads=32,
        kv_heads=4,
        key_length=128,
        vocabulary=151936,
        context=40960,
        experts=128,
        experts_used=8,
        expert_feed_forward=768,
        tied=False,
        pre="qwen2",
        freq_base=1000000.0,
    ),
}
