"""Sparse GGUF models with published hyper-parameters.

`write_model` gives a file that llama.cpp accepts for a dry load (``no_alloc``): the header is complete, the
tensor data are a hole of the right size. So a model of 30 billion parameters takes a few MB on disk.
"""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from kensho_tui.models.gguf.ggml_types import TENSOR_TYPES
from tests.support.gguf_format import F32, FILE_TYPE_IDS, I32, STRING, TYPE_IDS, Tensor, Typed, write


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


@cache
def _tokens(count: int, kind: str) -> tuple[list[str], list[int]]:
    """`count` different tokens and their types: the bytes first, as llama.cpp needs them, then fillers."""
    if kind == "llama":
        special = ["<unk>", "<s>", "</s>"]
        tokens = special + [f"<0x{byte:02X}>" for byte in range(256)]
        types = [2, 3, 3] + [6] * 256
    else:
        # GPT-2's printable stand-ins for bytes: those that are printable stay, the rest moves up by 256.
        plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
        moved = range(256, 256 + 256 - len(plain))
        tokens = [chr(code) for code in (*plain, *moved)] + ["<|bos|>", "<|eos|>"]
        types = [1] * 256 + [3, 3]
    tokens += [f"filler{number}" for number in range(count - len(tokens))]
    types += [1] * (count - len(types))
    return tokens[:count], types[:count]


def tokenizer_metadata(hyper: Hyper) -> dict[str, Any]:
    tokens, types = _tokens(hyper.vocabulary, hyper.tokenizer)
    found: dict[str, Any] = {
        "tokenizer.ggml.model": hyper.tokenizer,
        "tokenizer.ggml.pre": hyper.pre,
        "tokenizer.ggml.tokens": Typed(STRING, tokens),
        "tokenizer.ggml.token_type": Typed(I32, types),
    }
    if hyper.tokenizer == "llama":
        found["tokenizer.ggml.scores"] = Typed(F32, [0.0] * len(tokens))
        found |= {"tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2}
    else:
        found["tokenizer.ggml.merges"] = Typed(STRING, ["a b", "c d"])
        found |= {"tokenizer.ggml.bos_token_id": 256, "tokenizer.ggml.eos_token_id": 257}
    if hyper.template:
        found["tokenizer.chat_template"] = hyper.template
    return found


def model_metadata(hyper: Hyper, *, name: str = "", quantisation: str = "Q4_K_M") -> dict[str, Any]:
    arch = hyper.architecture
    found: dict[str, Any] = {"general.architecture": arch, "general.name": name or "synthetic"}
    if quantisation in FILE_TYPE_IDS:
        found["general.file_type"] = FILE_TYPE_IDS[quantisation]
    own: dict[str, Any] = {
        "block_count": hyper.layers,
        "context_length": hyper.context,
        "embedding_length": hyper.embedding,
        "feed_forward_length": hyper.feed_forward,
        "attention.head_count": hyper.heads,
        "attention.head_count_kv": hyper.kv_heads,
        "attention.layer_norm_rms_epsilon": 1e-6,
        "attention.layer_norm_epsilon": 1e-6,
        "rope.freq_base": hyper.freq_base,
        "vocab_size": hyper.vocabulary,
    }
    if hyper.key_length:
        own |= {"attention.key_length": hyper.key_length, "attention.value_length": hyper.key_length}
    if hyper.window:
        own["attention.sliding_window"] = hyper.window
    if hyper.experts:
        own |= {"expert_count": hyper.experts, "expert_used_count": hyper.experts_used}
    if hyper.expert_feed_forward:
        own["expert_feed_forward_length"] = hyper.expert_feed_forward
    if arch in ("llama", "phi3", "cohere2"):
        own["rope.dimension_count"] = hyper.head_length
    if arch == "cohere2":
        own["logit_scale"] = 0.25
    return found | {f"{arch}.{key}": given for key, given in own.items()} | tokenizer_metadata(hyper)


Shapes = dict[str, tuple[int, ...]]
_NORMED_HEADS = ("qwen3", "qwen3moe", "gemma3")
_POST_NORMS = ("gemma2", "gemma3")
_BIASED = ("qwen2", "gpt-oss")


def _attention(hyper: Hyper) -> Shapes:
    embedding, length, arch = hyper.embedding, hyper.head_length, hyper.architecture
    queries, keys = hyper.heads * length, hyper.kv_heads * length
    found: Shapes = {"attn_norm.weight": (embedding,), "attn_output.weight": (queries, embedding)}
    if arch == "phi3":
        return found | {"attn_qkv.weight": (embedding, queries + 2 * keys)}
    for name, width in (("q", queries), ("k", keys), ("v", keys)):
        found[f"attn_{name}.weight"] = (embedding, width)
        if arch in _BIASED:
            found[f"attn_{name}.bias"] = (width,)
    if arch in _NORMED_HEADS:
        found |= {"attn_q_norm.weight": (length,), "attn_k_norm.weight": (length,)}
    if arch in _POST_NORMS:
        found |= {"post_attention_norm.weight": (embedding,), "post_ffw_norm.weight": (embedding,)}
    if arch == "gpt-oss":
        found |= {"attn_output.bias": (embedding,), "attn_sinks.weight": (hyper.heads,)}
    return found


def _feed_forward(hyper: Hyper) -> Shapes:
    embedding, arch = hyper.embedding, hyper.architecture
    norm = {"gpt-oss": "post_attention_norm.weight", "cohere2": ""}.get(arch, "ffn_norm.weight")
    found: Shapes = {norm: (embedding,)} if norm else {}
    if not hyper.experts:
        wide = hyper.feed_forward
        found |= {"ffn_up.weight": (embedding, wide), "ffn_down.weight": (wide, embedding)}
        if arch == "phi3":
            return found | {"ffn_up.weight": (embedding, 2 * wide)}
        return found | {"ffn_gate.weight": (embedding, wide)}
    wide, count = hyper.expert_feed_forward or hyper.feed_forward, hyper.experts
    found["ffn_gate_inp.weight"] = (embedding, count)
    for name, rows, columns in (
        ("gate", embedding, wide),
        ("up", embedding, wide),
        ("down", wide, embedding),
    ):
        found[f"ffn_{name}_exps.weight"] = (rows, columns, count)
        if arch == "gpt-oss":
            found[f"ffn_{name}_exps.bias"] = (columns, count)
    return found | ({"ffn_gate_inp.bias": (count,)} if arch == "gpt-oss" else {})


# What llama.cpp's quantiser takes where a row does not fill blocks of 256.
_FALLBACKS = {"Q2_K": "IQ4_NL", "Q3_K": "IQ4_NL", "Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0"}


def _type(name: str, dims: tuple[int, ...], quantisation: str, tied: bool) -> str:
    if len(dims) == 1 or "ffn_gate_inp" in name or name.endswith("bias"):
        return "F32"
    mixed = quantisation.endswith(("_S", "_M", "_L")) and "K" in quantisation
    base = quantisation[:-2] if mixed else quantisation
    if mixed and (name == "output.weight" or (tied and name == "token_embd.weight")):
        base = "Q6_K"
    block = TENSOR_TYPES[TYPE_IDS[base]].block
    return base if dims[0] % block == 0 else _FALLBACKS.get(base, "F16")


def model_tensors(hyper: Hyper, quantisation: str = "Q4_K_M") -> list[Tensor]:
    dims: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (hyper.embedding, hyper.vocabulary),
        "output_norm.weight": (hyper.embedding,),
    }
    if not hyper.tied:
        dims["output.weight"] = (hyper.embedding, hyper.vocabulary)
    block = _attention(hyper) | _feed_forward(hyper)
    for layer in range(hyper.layers):
        dims |= {f"blk.{layer}.{name}": shape for name, shape in block.items()}
    return [Tensor(name, shape, _type(name, shape, quantisation, hyper.tied)) for name, shape in dims.items()]


def write_model(
    path: Path, of: str | Hyper = TINY, *, quantisation: str = "Q4_K_M", sparse: bool = True, **changes: Any
) -> Path:
    """A model of the preset (or hyper-parameters) ``of`` with ``changes``, all of them fields of `Hyper`."""
    name = of if isinstance(of, str) else "synthetic"
    hyper = replace(PRESETS[of] if isinstance(of, str) else of, **changes)
    metadata = model_metadata(hyper, name=name, quantisation=quantisation)
    return write(path, metadata, model_tensors(hyper, quantisation), sparse=sparse)
