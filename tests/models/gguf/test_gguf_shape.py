"""From headers to shapes: real models, published ones, split ones, and the rules of architectures."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kensho_tui.core.errors import LoadError
from kensho_tui.models.gguf.facts import facts
from kensho_tui.models.gguf.read import part_path, read_shape, shape_of
from kensho_tui.models.gguf.shape import ModelShape
from kensho_tui.models.gguf.source import PrefixSource
from kensho_tui.models.gguf.windows import sliding_layers
from tests.support.gguf import PRESETS, TINY, Hyper, model_metadata, model_tensors, write_model
from tests.support.gguf_format import STRING, Tensor, Typed, header, padded, write

MORE: Mapping[str, object] = {}


def shape(hyper: Hyper = TINY, more: Mapping[str, object] = MORE, quantisation: str = "Q4_K_M") -> ModelShape:
    """Of a header alone, with ``more`` keys of the architecture."""
    own = {f"{hyper.architecture}.{key}": value for key, value in more.items()}
    tensors = model_tensors(hyper, quantisation)
    head = header(model_metadata(hyper, quantisation=quantisation) | own, tensors)
    return shape_of(PrefixSource(head, len(head) + 32 + sum(padded(tensor.size) for tensor in tensors)))


def test_smollm_is_read(smollm: Path) -> None:
    read = read_shape(smollm)
    assert (read.architecture, read.layers, read.embedding, read.feed_forward) == ("llama", 30, 576, 1536)
    assert (read.heads, read.kv_heads) == ((9,) * 30, (3,) * 30)
    assert (read.key_length, read.value_length, read.vocabulary, read.trained_context) == (
        64,
        64,
        49152,
        8192,
    )
    assert (read.parameters, read.weights, read.quantisation) == (134_515_008, 96_576_768, "Q4_1")
    assert read.template is not None and "<|im_start|>" in read.template
    assert (read.window, read.sliding, read.experts, read.parts) == (0, (), 0, 1)
    assert not (read.recurrent or read.latent) and read.causal and read.tied
    assert facts(read) == {
        "Name": "Smollm2 135M 8k Lc100K Mix1 Ep2",
        "Architecture": "llama, 30 blocks",
        "Parameters": "134.5 M (called 135M)",
        "Quantisation": "Q4_1, 5.74 bits per weight",
        "Weights": "92 MiB",
        "Context": "8,192 tokens",
        "Attention": "9 heads of 64, 3 for keys and values",
        "Widths": "576 embedding, 1,536 feed-forward",
        "Vocabulary": "49,152 tokens (gpt2)",
        "Template": "yes",
        "Licence": "apache-2.0",
    }


def test_gemma_is_read(gemma: Path) -> None:
    read = read_shape(gemma)
    assert (read.architecture, read.layers, read.vocabulary, read.window) == ("gemma3", 18, 262144, 512)
    assert [layer for layer, slides in enumerate(read.sliding) if not slides] == [5, 11, 17]
    assert (read.key_length, read.key_length_swa, read.heads[0], read.kv_heads[0]) == (256, 256, 4, 1)
    assert read.template is None
    said = facts(read)
    assert said["Window"] == "512 tokens in 15 of 18 blocks"
    assert said["Template"] == "none: it continues text"


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_read_as_they_were_written(name: str, tmp_path: Path) -> None:
    hyper = PRESETS[name]
    read = read_shape(write_model(tmp_path / "model.gguf", name))
    assert (read.architecture, read.layers, read.embedding) == (
        hyper.architecture,
        hyper.layers,
        hyper.embedding,
    )
    assert (read.heads[0], read.kv_heads[0], read.key_length) == (
        hyper.heads,
        hyper.kv_heads,
        hyper.head_length,
    )
    assert (read.vocabulary, read.trained_context) == (hyper.vocabulary, hyper.context)
    assert (read.experts, read.experts_used, read.tied) == (hyper.experts, hyper.experts_used, hyper.tied)
    assert read.feed_forward == (hyper.expert_feed_forward or hyper.feed_forward)
    assert read.dense_feed_forward == hyper.feed_forward
    assert read.weights == sum(tensor.size for tensor in model_tensors(hyper))
    assert read.weights == read.input_weights + read.output_weights + sum(read.layer_weights)
    assert len(set(read.layer_weights)) == 1
    assert read.quantisation == "Q4_K_M"
    assert facts(read)["Architecture"] == f"{hyper.architecture}, {hyper.layers} blocks"


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 512),
    st.integers(1, 40),
    st.integers(1, 8),
    st.sampled_from(["Q4_K_M", "Q8_0", "F16", "Q6_K"]),
    st.booleans(),
)
def test_weights_are_the_tensors_bytes(
    layers: int, width: int, kv: int, quantisation: str, tied: bool
) -> None:
    hyper = Hyper(
        layers=layers % 9 + 1, embedding=width * 32, heads=kv * 2, kv_heads=kv, key_length=32, tied=tied
    )
    tensors = model_tensors(hyper, quantisation)
    read = shape(hyper, quantisation=quantisation)
    assert read.weights == sum(tensor.size for tensor in tensors)
    assert read.parameters == sum(tensor.dims[0] * (tensor.dims[1:] or (1,))[0] for tensor in tensors)
    assert read.input_weights == tensors[0].size
    assert read.tied == tied
    assert read.quantisation == quantisation


def test_without_a_recipe_the_commonest_type_names_the_quantisation() -> None:
    assert shape(quantisation="Q5_K").quantisation == "Q5_1"  # what rows of 64 fall back to


def test_numbers_by_layer_are_kept_by_layer() -> None:
    more = {
        "attention.head_count": [4, 2],
        "attention.head_count_kv": [1, 0, 9],
        "feed_forward_length": [64, 128],
    }
    read = shape(more=more)
    assert (read.heads, read.kv_heads, read.dense_feed_forward) == ((4, 2), (1, 0), 128)
    assert facts(read)["Attention"] == "2–4 heads of 16, 1 for keys and values"


def test_layers_without_a_cache_of_their_own_have_no_heads_for_it() -> None:
    small = Hyper(layers=8)
    assert shape(small, {"attention.shared_kv_layers": 3}).kv_heads == (2,) * 5 + (0,) * 3
    hybrid = shape(small, {"full_attention_interval": 4})
    assert hybrid.kv_heads == (0, 0, 0, 2) * 2 and hybrid.recurrent
    assert shape(Hyper(architecture="gemma3n", layers=22)).kv_heads == (2,) * 20 + (0,) * 2


def test_blocks_that_predict_ahead_are_no_layers() -> None:
    read = shape(Hyper(layers=5), {"nextn_predict_layers": 1})
    assert (read.layers, len(read.heads), len(read.layer_weights)) == (4, 4, 4)
    assert read.draft_weights == read.layer_weights[0]


@pytest.mark.parametrize("key", ["ssm.conv_kernel", "wkv.head_size", "shortconv.l_cache", "kda.head_dim"])
def test_states_and_latent_attention_are_told(key: str) -> None:
    recurrent = shape(more={key: 4})
    assert recurrent.recurrent and not recurrent.latent
    latent = shape(more={"attention.kv_lora_rank": 512})
    assert latent.latent and not latent.recurrent
    assert "latent attention" in facts(latent)["Architecture"]


def test_a_stretched_context_is_told() -> None:
    scaling = {"rope.scaling.type": "yarn", "rope.scaling.original_context_length": 32768}
    read = shape(more={"context_length": 131072} | scaling)
    assert facts(read)["Context"] == "131,072 tokens, stretched from 32,768 by yarn"


def test_what_makes_embeddings_is_told() -> None:
    read = shape(more={"attention.causal": False})
    assert not read.causal
    assert facts(read)["Architecture"].endswith("embeddings only")
    assert "Template" not in facts(read)


def test_text_of_a_header_is_safe_on_a_terminal() -> None:
    metadata = model_metadata(TINY) | {
        "general.name": "a\x1b[31mb\nc",
        "general.license": Typed(STRING, "x" * 999),
    }
    head = header(metadata, model_tensors(TINY))
    read = shape_of(PrefixSource(head, len(head) + (1 << 20)))
    assert read.name == "ab c"
    assert len(read.license) == 200


SIX = (True, True, True, True, True, False)
WINDOWS = [
    ("gemma3", 12, 512, None, (512, SIX * 2)),
    ("gemma3", 12, 512, 3, (512, (True, True, False) * 4)),
    ("gemma3", 3, 512, (False, True), (512, (False, True, False))),
    ("gemma3", 3, 512, (True, False, True, True), (512, (True, False, True))),
    ("gemma3", 12, 0, None, (0, ())),
    ("gemma3", 12, None, None, (0, ())),
    ("gemma2", 4, None, None, (4096, (True, False) * 2)),
    ("gpt-oss", 4, 128, None, (128, (True, False) * 2)),
    ("gpt-oss", 3, 128, 0, (128, (True,) * 3)),
    ("gpt-oss", 3, 128, 1, (0, ())),
    ("cohere2", 4, 4096, None, (4096, (True, True, True, False))),
    ("cohere2moe", 4, 4096, None, (4096, (False, True, True, True))),
    ("llama4", 4, None, None, (8192, (True, True, True, False))),
    ("llama4", 4, 0, None, (0, ())),
    ("exaone4", 64, 4096, None, (4096, (True, True, True, False) * 16)),
    ("exaone4", 30, 4096, None, (0, ())),
    ("smallthinker", 4, 99, None, (4096, (False, True, True, True))),
    ("smallthinker", 4, None, None, (0, ())),
    ("gemma4", 2, 512, (True, False), (512, (True, False))),
    ("gemma4", 2, 512, None, (0, ())),
    ("phi3", 4, 2047, None, (0, ())),
    ("llama", 4, 4096, None, (0, ())),
    ("unheard-of", 4, 4096, None, (0, ())),
]


@pytest.mark.parametrize(("architecture", "layers", "window", "given", "expected"), WINDOWS)
def test_which_layers_slide_is_the_architectures_rule(
    architecture: str,
    layers: int,
    window: int | None,
    given: int | tuple[bool, ...] | None,
    expected: tuple[int, tuple[bool, ...]],
) -> None:
    assert sliding_layers(architecture, layers, window, given) == expected


def test_a_split_model_is_read_from_its_first_part(tmp_path: Path) -> None:
    one = read_shape(write_model(tmp_path / "one.gguf", TINY))
    first = write_model(tmp_path / "many.gguf", TINY, parts=3)
    assert first.name == "many-00001-of-00003.gguf"
    many = read_shape(first)
    assert many.parts == 3
    assert (many.weights, many.parameters, many.layer_weights) == (
        one.weights,
        one.parameters,
        one.layer_weights,
    )
    assert facts(many)["Weights"].endswith("in 3 files")


def test_what_is_wrong_with_parts_is_said(tmp_path: Path) -> None:
    first = write_model(tmp_path / "m.gguf", TINY, parts=3)
    second, third = part_path(first, 2), part_path(first, 3)
    with pytest.raises(LoadError, match=r"m-00002-of-00003\.gguf is part 2 of a split model"):
        read_shape(second)
    lonely = tmp_path / "lonely.gguf"
    shutil.copy(first, lonely)
    with pytest.raises(LoadError, match="is the first of 3 parts, and is not named like one"):
        read_shape(lonely)
    kept = second.read_bytes()
    shutil.copy(third, second)
    with pytest.raises(LoadError, match=r"m-00002-of-00003\.gguf is not part 2 of 3"):
        read_shape(first)
    second.write_bytes(kept[: len(kept) - 64])
    with pytest.raises(LoadError, match=r"m-00002-of-00003\.gguf: .* bytes are missing"):
        read_shape(first)
    second.unlink()
    with pytest.raises(LoadError, match=r"m-00002-of-00003\.gguf is missing") as caught:
        read_shape(first)
    assert "Download the missing part" in caught.value.hint


def test_parts_of_different_models_are_refused(tmp_path: Path) -> None:
    first = write_model(tmp_path / "a.gguf", TINY, parts=2)
    other = write_model(tmp_path / "b.gguf", TINY, parts=2, layers=3)
    shutil.copy(part_path(other, 2), part_path(first, 2))
    with pytest.raises(LoadError, match="its parts hold 24 of 20 tensors"):
        read_shape(first)
    write(part_path(first, 2), {"split.no": 1, "split.count": 2}, model_tensors(TINY)[2::2])
    with pytest.raises(LoadError, match=r"a-00002-of-00002\.gguf: the tensor \S+ is in two parts"):
        read_shape(first)
    head = header(model_metadata(TINY) | {"split.count": 2}, [Tensor("token_embd.weight", (64, 8))])
    with pytest.raises(LoadError, match="1 of the model's 2 parts are there"):
        shape_of(PrefixSource(head, len(head) + 9999))
