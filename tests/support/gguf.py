"""Sparse GGUF models with published hyper-parameters.

`write_model` gives a file that llama.cpp accepts for a dry load (``no_alloc``): the header is complete, the
tensor data are a hole of the right size. So a model of 30 billion parameters takes a few MB on disk.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from kensho_tui.models.gguf.ggml_types import TENSOR_TYPES
from tests.support.gguf_format import F32, FILE_TYPE_IDS, I32, STRING, TYPE_IDS, U16, Tensor, Typed, write
from tests.support.gguf_presets import PRESETS, TINY, Hyper

__all__ = ["PRESETS", "TINY", "Hyper", "model_metadata", "model_tensors", "tokenizer_metadata", "write_model"]


@cache
def _tokens(count: int, kind: str) -> tuple[list[str], list[int]]:
    """`count` different tokens and their types: the bytes first, as llama.cpp needs them, then fillers."""
    if kind == "llama":
        special = ["<unk>", "<s>", "</s>"]
        # llama.cpp wants the last one in anything called Phi-3.
        tokens = [*special, *(f"<0x{byte:02X}>" for byte in range(256)), "<|endoftext|>"]
        types = [2, 3, 3] + [6] * 256 + [3]
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
    path: Path,
    of: str | Hyper = TINY,
    *,
    quantisation: str = "Q4_K_M",
    sparse: bool = True,
    parts: int = 1,
    more: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Path:
    """A model of the preset (or hyper-parameters) ``of`` with ``changes``, all of them fields of `Hyper`.

    ``more`` is further metadata. Of several ``parts`` the first one's path is returned, made from ``path``.
    """
    name = of if isinstance(of, str) else "synthetic"
    hyper = replace(PRESETS[of] if isinstance(of, str) else of, **changes)
    metadata = model_metadata(hyper, name=name, quantisation=quantisation) | dict(more or {})
    tensors = model_tensors(hyper, quantisation)
    if parts == 1:
        return write(path, metadata, tensors, sparse=sparse)
    paths = [path.with_name(f"{path.stem}-{part + 1:05d}-of-{parts:05d}.gguf") for part in range(parts)]
    for part, each in enumerate(paths):
        split = {
            "split.no": Typed(U16, part),
            "split.count": Typed(U16, parts),
            "split.tensors.count": Typed(I32, len(tensors)),
        }
        write(each, (metadata if part == 0 else {}) | split, tensors[part::parts], sparse=sparse)
    return paths[0]
