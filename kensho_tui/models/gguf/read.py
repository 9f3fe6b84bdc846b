"""From the headers of a model's files to its shape."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kensho_tui.core.errors import LoadError, NotAModelError
from kensho_tui.core.text import one_line
from kensho_tui.models.gguf.ggml_types import FILE_TYPES
from kensho_tui.models.gguf.metadata import Metadata
from kensho_tui.models.gguf.reader import Header, TensorInfo, read_header
from kensho_tui.models.gguf.shape import ModelShape
from kensho_tui.models.gguf.source import FileSource, Source
from kensho_tui.models.gguf.windows import sliding_layers

MAX_LAYERS = 512
"""llama.cpp takes no more."""
MAX_PARTS = 1000
GEMMA3N_OWN_CACHES = 20
"""Its later layers use the caches of earlier ones; no key says so."""

_PART = re.compile(r"(.*)-(\d{5})-of-(\d{5})(\.gguf)", re.IGNORECASE | re.DOTALL)
_BLOCK = re.compile(r"blk\.(\d{1,4})\.")
_EXPERTS = re.compile(r"blk\.\d+\.ffn_\w+_exps\.")  # those chosen among; shared ones end in _shexp
_INPUT = ("token_embd", "token_types", "position_embd", "per_layer_token_embd")
# Keys that only layers with a state of fixed size have: Mamba, RWKV, short convolutions, delta nets.
_STATES = ("ssm.", "wkv.", "shortconv.", "kda.", "attention.recurrent_layers", "full_attention_interval")
_NO_MODELS = {
    "mmproj": ("is a projector for images or sound", "It belongs to a model and is loaded with it"),
    "adapter": ("is a LoRA adapter", "It belongs to a model and is loaded with it"),
    "imatrix": ("is an importance matrix for quantising", "Choose the model itself"),
    "vocab": ("holds a vocabulary and no model", "Choose the model itself"),
}


def part_path(path: Path, number: int) -> Path:
    """Part ``number`` (from 1) of the split model that ``path`` belongs to. Raises ValueError: to none."""
    found = _PART.fullmatch(path.name)
    if found is None:
        raise ValueError(path.name)
    stem, _, count, suffix = found.groups()
    return path.with_name(f"{stem}-{number:05d}-of-{count}{suffix}")


def read_shape(path: Path) -> ModelShape:
    """The shape of the model in ``path``, the first of its files if it was split. Raises `LoadError`."""
    with FileSource(path) as source:
        first = read_header(source)
    count = _parts(first)
    return _shape(first, [_later(path, number, count) for number in range(2, count + 1)])


def shape_of(source: Source, *later: Source) -> ModelShape:
    """As `read_shape`, from bytes at hand. Raises `LoadError`, or `MoreNeeded` when they end too early."""
    first = read_header(source)
    count = _parts(first)
    if count != 1 + len(later):
        raise LoadError(f"{source.name}: {1 + len(later)} of the model's {count} parts are there")
    return _shape(first, [read_header(each) for each in later])


def _split(header: Header, key: str) -> int:
    value: Any = header.metadata.get(f"split.{key}", 0)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 1 << 31:
        raise LoadError(
            f"{header.name}: split.{key} cannot be", hint="The file is damaged: download it again"
        )
    return value


def _parts(first: Header) -> int:
    """How many files the model was split into; raises `LoadError` when ``first`` is not the first of them."""
    number, count = _split(first, "no"), _split(first, "count")
    if number:
        raise LoadError(
            f"{first.name} is part {number + 1} of a split model",
            hint="Choose its first part, whose name ends in -00001-of-…",
        )
    if count > MAX_PARTS:
        raise LoadError(
            f"{first.name}: {count:,} parts cannot be", hint="The file is damaged: download it again"
        )
    return max(count, 1)


def _later(path: Path, number: int, count: int) -> Header:
    try:
        part = part_path(path, number)
    except ValueError:
        raise LoadError(
            f"{one_line(path.name)} is the first of {count} parts, and is not named like one",
            hint=f"Name it …-00001-of-{count:05d}.gguf, as it was called when it was made",
        ) from None
    if not part.exists():
        raise LoadError(
            f"{one_line(part.name)} is missing: the model has {count} parts",
            hint="Download the missing part into the same folder",
        )
    with FileSource(part) as source:
        header = read_header(source)
    if _split(header, "no") != number - 1 or _split(header, "count") != count:
        raise LoadError(f"{header.name} is not part {number} of {count}", hint="Download that part again")
    return header


def _shape(first: Header, later: Sequence[Header]) -> ModelShape:
    meta = Metadata(first)
    tensors = _all_tensors(first, later)
    _refuse_others(meta, tensors)
    layers = meta.number("block_count")
    ahead = meta.number("nextn_predict_layers")
    if not 0 < layers <= MAX_LAYERS or ahead >= layers:
        raise meta.bad(f"a model of {layers:,} blocks cannot be")
    layers -= ahead
    embedding = meta.number("embedding_length")
    if not embedding:
        raise meta.bad("it does not say how wide its embeddings are")
    return ModelShape(
        architecture=meta.architecture,
        name=meta.text("general.name"),
        license=meta.text("general.license"),
        size_label=meta.text("general.size_label"),
        quantisation=_quantisation(meta, tensors),
        parameters=sum(tensor.elements for tensor in tensors),
        **_weights(tensors, layers),
        layers=layers,
        embedding=embedding,
        **_feed_forward(meta),
        **_attention(meta, layers, embedding),
        vocabulary=_vocabulary(meta, tensors),
        trained_context=meta.number("context_length"),
        original_context=meta.number("rope.scaling.original_context_length"),
        rope_base=meta.real("rope.freq_base"),
        rope_scaling=meta.line("rope.scaling.type"),
        recurrent=any(meta.has(prefix) for prefix in _STATES),
        latent=meta.has("attention.kv_lora_rank") or meta.has("attention.indexer."),
        causal=meta.flag("attention.causal", True),
        tokenizer=meta.text("tokenizer.ggml.model"),
        template=meta.template(),
        parts=1 + len(later),
    )


def _all_tensors(first: Header, later: Sequence[Header]) -> list[TensorInfo]:
    found = {tensor.name: tensor for tensor in first.tensors}
    for header in later:
        for tensor in header.tensors:
            if tensor.name in found:
                raise LoadError(
                    f"{header.name}: the tensor {one_line(tensor.name, 80)} is in two parts",
                    hint="The parts are not of one model: download them again",
                )
            found[tensor.name] = tensor
    promised = _split(first, "tensors.count")
    if later and promised not in (0, len(found)):
        raise LoadError(
            f"{first.name}: its parts hold {len(found):,} of {promised:,} tensors",
            hint="The parts are not of one model: download them again",
        )
    return list(found.values())


def _refuse_others(meta: Metadata, tensors: Sequence[TensorInfo]) -> None:
    kind = "mmproj" if meta.architecture == "clip" else meta.text("general.type")
    if kind in _NO_MODELS:
        what, hint = _NO_MODELS[kind]
        bad = meta.bad(f"it {what}, not a model of its own", hint)
        raise NotAModelError(bad.message, hint=bad.hint)
    if meta.get("block_count") is None:
        raise meta.bad(
            f"it is no language model that llama.cpp knows ({meta.architecture})",
            "Choose a model that writes text",
        )
    if not tensors:
        bad = meta.bad("it holds no tensors", "It is a vocabulary only: choose the model itself")
        raise NotAModelError(bad.message, hint=bad.hint)


def _quantisation(meta: Metadata, tensors: Sequence[TensorInfo]) -> str:
    """The recipe that the header names; else the type that most elements of the tensors have."""
    recipe = meta.general("general.file_type")
    if recipe in FILE_TYPES:
        return FILE_TYPES[recipe]
    counts: Counter[str] = Counter()
    for tensor in tensors:
        counts[tensor.type.name] += tensor.elements
    return counts.most_common(1)[0][0]


def _weights(tensors: Sequence[TensorInfo], layers: int) -> dict[str, Any]:
    blocks = [0] * MAX_LAYERS
    inputs = rest = experts = head = 0
    tied = all(tensor.name != "output.weight" for tensor in tensors)
    for tensor in tensors:
        block = _BLOCK.match(tensor.name)
        if block is not None and int(block[1]) < MAX_LAYERS:
            blocks[int(block[1])] += tensor.size
            if int(block[1]) < layers and _EXPERTS.match(tensor.name):
                experts += tensor.size
        elif tensor.name.startswith(_INPUT) and not tensor.name.startswith("token_embd_norm"):
            inputs += tensor.size
            head += tensor.size if tied and tensor.name == "token_embd.weight" else 0
        else:
            rest += tensor.size
    return {
        "weights": inputs + rest + sum(blocks),
        "input_weights": inputs,
        "output_weights": rest,
        "layer_weights": tuple(blocks[:layers]),
        "draft_weights": sum(blocks[layers:]),
        "lookup_weights": inputs - head,
        "expert_weights": experts,
        "tied": tied,
    }


def _feed_forward(meta: Metadata) -> dict[str, Any]:
    dense, experts = meta.number("feed_forward_length"), meta.number("expert_count")
    return {
        "feed_forward": meta.number("expert_feed_forward_length", dense) if experts else dense,
        "dense_feed_forward": dense,
        "experts": experts,
        "experts_used": meta.number("expert_used_count"),
    }


def _attention(meta: Metadata, layers: int, embedding: int) -> dict[str, Any]:
    heads = meta.per_layer("attention.head_count", layers, (0,) * layers)
    length = embedding // heads[0] if heads[0] else 0
    key = meta.number("attention.key_length", length)
    value = meta.number("attention.value_length", length)
    kv_heads = _caches(meta, meta.per_layer("attention.head_count_kv", layers, heads))
    window, sliding = _window(meta, kv_heads)
    return {
        "heads": heads,
        "kv_heads": kv_heads,
        "key_length": key,
        "value_length": value,
        "key_length_swa": meta.number("attention.key_length_swa", key),
        "value_length_swa": meta.number("attention.value_length_swa", value),
        "window": window,
        "sliding": sliding,
    }


def _window(meta: Metadata, kv_heads: tuple[int, ...]) -> tuple[int, tuple[bool, ...]]:
    given = meta.pattern("attention.sliding_window_pattern")
    window = meta.maybe("attention.sliding_window")
    if meta.architecture == "lfm2" and window:
        return window, tuple(bool(count) for count in kv_heads)
    return sliding_layers(meta.architecture, len(kv_heads), window, given)


def _caches(meta: Metadata, kv_heads: tuple[int, ...]) -> tuple[int, ...]:
    """`kv_heads` with 0 for the layers that use another one's cache or keep a state."""
    layers = len(kv_heads)
    own = layers - meta.number("attention.shared_kv_layers")
    if meta.architecture == "gemma3n":
        own = GEMMA3N_OWN_CACHES
    every = meta.number("full_attention_interval") or 1
    return tuple(
        count if layer < own and (layer + 1) % every == 0 else 0 for layer, count in enumerate(kv_heads)
    )


def _vocabulary(meta: Metadata, tensors: Sequence[TensorInfo]) -> int:
    counted = meta.count("tokenizer.ggml.tokens") or meta.number("vocab_size")
    if counted:
        return counted
    embedding = next((tensor for tensor in tensors if tensor.name == "token_embd.weight"), None)
    return embedding.dims[1] if embedding is not None and len(embedding.dims) > 1 else 0
