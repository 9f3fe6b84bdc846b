"""Weights read for each token: what counts, and what does not."""

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kensho_tui.models.active import active_weights
from kensho_tui.models.gguf.read import read_shape
from kensho_tui.models.gguf.shape import ModelShape
from tests.models.shapes import LLAMA_3B
from tests.support.gguf import write_model
from tests.support.gguf_presets import PRESETS

MIXTURE = ModelShape(
    architecture="qwen3moe", weights=1000, lookup_weights=100, expert_weights=800, experts=8, experts_used=2
)


def test_of_experts_only_those_used_count() -> None:
    assert active_weights(MIXTURE) == 1000 - 100 - 600


@pytest.mark.parametrize("used", [0, 8, 9])
def test_where_all_experts_are_used_or_it_is_not_said_all_count(used: int) -> None:
    assert active_weights(dataclasses.replace(MIXTURE, experts_used=used)) == 900


def test_blocks_that_predict_ahead_do_not_count() -> None:
    assert active_weights(dataclasses.replace(MIXTURE, draft_weights=50)) == 250


def test_a_dense_model_with_a_tied_head_reads_every_byte() -> None:
    assert active_weights(LLAMA_3B) == LLAMA_3B.weights


@given(
    weights=st.integers(0, 10**13),
    expert=st.integers(0, 10**13),
    experts=st.integers(1, 512),
    used=st.integers(0, 512),
    lookup=st.integers(0, 10**12),
)
def test_never_below_zero_nor_above_the_file(
    weights: int, expert: int, experts: int, used: int, lookup: int
) -> None:
    shape = ModelShape(
        architecture="x",
        weights=weights,
        expert_weights=expert,
        experts=experts,
        experts_used=used,
        lookup_weights=lookup,
    )
    assert 0 <= active_weights(shape) <= weights


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_sums_from_a_file_agree_with_its_tensors(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name}.gguf"
    write_model(path, PRESETS[name])
    shape = read_shape(path)
    assert shape.lookup_weights == 0 if shape.tied else shape.lookup_weights == shape.input_weights
    assert bool(shape.expert_weights) == bool(shape.experts)
    assert shape.expert_weights <= sum(shape.layer_weights)


@pytest.mark.slow
def test_the_starter_reads_its_tied_embedding_whole(smollm: Path) -> None:
    shape = read_shape(smollm)
    assert shape.tied and active_weights(shape) == shape.weights
