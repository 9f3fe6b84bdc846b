"""The closed form: published figures, what must hold for every shape, and what real loads measured."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kensho_tui.core.frames import Buffers
from kensho_tui.core.model_contract import KvType
from kensho_tui.models.estimate import (
    BATCH_CPU,
    BATCH_GPU,
    CELLS,
    DRIVER_CONTEXT,
    LoadShape,
    estimate,
    first_gpu_layer,
    holds,
    kensho_formula,
    largest_context,
    measured,
    split_weights,
)
from kensho_tui.models.gguf.shape import ModelShape
from kensho_tui.worker import model as worker_model
from tests.models.shapes import GEMMA_4B, LLAMA_3B, MIB, shapes

contexts = st.integers(1, 1 << 18)
kv_types: st.SearchStrategy[KvType] = st.sampled_from(("f16", "q8_0", "q4_0"))
loads = st.builds(
    LoadShape,
    context=contexts,
    kv_type=kv_types,
    batch=st.sampled_from((0, 1, 128, 256, 512, 2048)),
    gpu_layers=st.integers(-1, 110),
    flash=st.booleans(),
    gpu=st.booleans(),
)


@pytest.mark.parametrize(
    ("shape", "context", "kv_type", "mib"),
    [
        (LLAMA_3B, 4096, "f16", 448),
        (LLAMA_3B, 32_768, "f16", 3584),
        (LLAMA_3B, 32_768, "q8_0", 1904),
        (LLAMA_3B, 32_768, "q4_0", 1008),
        (GEMMA_4B, 32_768, "f16", 814),
    ],
)
def test_the_kv_cache_is_what_llama_cpp_makes_it(
    shape: ModelShape, context: int, kv_type: KvType, mib: int
) -> None:
    found = estimate(shape, LoadShape(context, kv_type=kv_type, batch=512))
    assert found.kv == mib * MIB


def test_a_batch_is_the_workers_own_where_none_is_asked_for() -> None:
    assert (BATCH_CPU, BATCH_GPU) == (worker_model.BATCH_CPU, worker_model.BATCH_GPU)
    assert estimate(LLAMA_3B, LoadShape(4096)) == estimate(LLAMA_3B, LoadShape(4096, batch=BATCH_CPU))
    gpu = LoadShape(4096, gpu=True)
    assert estimate(LLAMA_3B, gpu) == estimate(LLAMA_3B, replace(gpu, batch=BATCH_GPU))


def test_more_context_than_trained_is_not_paid_for() -> None:
    trained = estimate(LLAMA_3B, LoadShape(131_072))
    assert estimate(LLAMA_3B, LoadShape(1 << 30)) == trained
    assert estimate(LLAMA_3B, LoadShape(0)) == trained


def test_scores_of_all_cells_are_what_fused_attention_spares() -> None:
    fused = estimate(LLAMA_3B, LoadShape(32_768, batch=512)).compute
    assert estimate(LLAMA_3B, LoadShape(32_768, batch=512, flash=False)).compute - fused > 1500 * MIB


# --- what holds for every shape ---------------------------------------------------------------------


@given(shapes(), loads, contexts)
def test_a_larger_context_never_takes_less(shape: ModelShape, load: LoadShape, other: int) -> None:
    less, more = sorted((load.context, other))
    small, large = estimate(shape, replace(load, context=less)), estimate(shape, replace(load, context=more))
    assert small.total <= large.total and small.host <= large.host


@given(shapes(), loads, st.integers(1, 4096), st.integers(1, 4096))
def test_a_larger_batch_never_takes_less(shape: ModelShape, load: LoadShape, one: int, two: int) -> None:
    less, more = sorted((one, two))
    small, large = estimate(shape, replace(load, batch=less)), estimate(shape, replace(load, batch=more))
    assert small.total <= large.total and small.host <= large.host


@given(shapes(), loads)
def test_more_bits_of_the_kv_cache_take_more(shape: ModelShape, load: LoadShape) -> None:
    load = replace(load, gpu_layers=-1)
    sizes = [estimate(shape, replace(load, kv_type=kind)).kv for kind in ("q4_0", "q8_0", "f16")]
    assert 0 < sizes[0] < sizes[1] < sizes[2]


@given(shapes(), loads, st.integers(0, 110), st.integers(0, 110))
def test_layers_move_between_device_and_host_and_none_is_lost(
    shape: ModelShape, load: LoadShape, one: int, two: int
) -> None:
    fewer, more = (replace(load, gpu=True, gpu_layers=count) for count in sorted((one, two)))
    assert first_gpu_layer(shape, fewer) >= first_gpu_layer(shape, more)
    for each in (fewer, more):
        device, host = split_weights(shape, each)
        twice = shape.input_weights if shape.tied and each.on_gpu else 0
        assert device + host == shape.weights + twice


@given(shapes(), loads)
def test_without_a_gpu_all_is_on_one_device(shape: ModelShape, load: LoadShape) -> None:
    found = estimate(shape, replace(load, gpu=False))
    assert (found.weights, found.host) == (shape.weights, 0)
    assert found == estimate(shape, replace(load, gpu=True, gpu_layers=0))


@given(shapes(), loads, contexts)
def test_the_largest_context_is_the_estimate_turned_round(
    shape: ModelShape, load: LoadShape, context: int
) -> None:
    budget = estimate(shape, replace(load, context=context)).total
    most = min(1 << 18, shape.trained_context)
    found = largest_context(shape, load, budget, most)
    assert found % CELLS == 0 and found <= most
    if found:
        assert estimate(shape, replace(load, context=found)).total <= budget
    if found + CELLS <= most:
        assert estimate(shape, replace(load, context=found + CELLS)).total > budget


def test_no_context_fits_where_the_weights_do_not() -> None:
    assert largest_context(LLAMA_3B, LoadShape(0), LLAMA_3B.weights, 131_072) == 0


# --- where it does not hold -------------------------------------------------------------------------


def test_a_recurrent_layer_has_a_state_that_does_not_grow() -> None:
    mixed = replace(LLAMA_3B, recurrent=True, kv_heads=(0, 0, 0, 8) * 7)
    assert not holds(mixed) and holds(LLAMA_3B) and not holds(replace(LLAMA_3B, latent=True))
    short, long = (estimate(mixed, LoadShape(context)).kv for context in (2048, 65_536))
    assert long - short == (estimate(LLAMA_3B, LoadShape(65_536)).kv * (65_536 - 2048) // 65_536) // 4


def test_latent_attention_keeps_one_key_for_all_heads() -> None:
    latent = replace(LLAMA_3B, latent=True, layers=27, kv_heads=(1,) * 27, key_length=576, value_length=512)
    assert estimate(latent, LoadShape(2048)).kv == 27 * 2048 * 576 * 2


# --- measured, and the rule of thumb ----------------------------------------------------------------


def test_measured_in_ram_is_the_files_pages_and_the_processs_own_memory() -> None:
    buffers = Buffers(weights=1000, mapped=900, kv=300, compute=50, rss=600)
    found = measured(buffers, on_gpu=False)
    assert found.source == "measured"
    assert (found.weights, found.copies, found.overhead, found.host) == (1000, 100, 150, 0)
    assert found.total == buffers.mapped + buffers.rss


def test_measured_on_a_gpu_has_the_drivers_context_and_what_stays_in_ram() -> None:
    buffers = Buffers(weights=1000, kv=300, compute=50, host=400, mapped=350, rss=80)
    found = measured(buffers, on_gpu=True)
    assert (found.total - DRIVER_CONTEXT, found.overhead) == (1350, DRIVER_CONTEXT)
    assert found.host == 400 + 80 - 50
    assert measured(buffers, on_gpu=True, driver=7).overhead == 7


@pytest.mark.parametrize("on_gpu", [False, True])
def test_a_worker_that_says_nothing_has_measured_nothing(on_gpu: bool) -> None:
    assert measured(Buffers(), on_gpu).total == 0


@pytest.mark.parametrize(("name", "bits"), [("Q4_K_M", 4), ("Q8_0", 8), ("F16", 16), ("IQ2_XXS", 2)])
def test_kenshos_formula_believes_the_name(name: str, bits: int) -> None:
    shape = replace(LLAMA_3B, quantisation=name)
    assert kensho_formula(shape) == int(shape.parameters * bits / 8 * 1.2)


def test_kenshos_formula_without_a_name_takes_the_real_bits() -> None:
    assert kensho_formula(replace(LLAMA_3B, quantisation="")) == int(LLAMA_3B.weights * 1.2)
