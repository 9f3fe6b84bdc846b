"""Verdicts and remedies, with their words."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kensho_tui.core.model_info import Footprint, Remedy
from kensho_tui.models.estimate import LoadShape, estimate
from kensho_tui.models.gguf.shape import ModelShape
from kensho_tui.models.verdict import judge, remedies
from tests.models.shapes import LLAMA_3B, MIB, shapes
from tests.models.test_estimate import loads

GIB = 1 << 30
NEED = Footprint(weights=4 * GIB, kv=GIB // 2)


def _remedied(load: LoadShape, remedy: Remedy) -> LoadShape:
    changes = {"context": remedy.context, "kv_type": remedy.kv_type, "gpu_layers": remedy.gpu_layers}
    return replace(load, **{name: value for name, value in changes.items() if value is not None})  # type: ignore[arg-type]


@given(shapes(), loads, st.floats(0, 1.2))
def test_every_remedy_fits_and_changes_something(shape: ModelShape, load: LoadShape, share: float) -> None:
    total = estimate(shape, load).total
    budget = int(total * share)
    found = remedies(shape, load, budget)
    assert not (found and total <= budget)
    for remedy in found:
        changed = _remedied(load, remedy)
        assert changed != load and changed.context <= load.context
        assert estimate(shape, changed).total <= budget
        assert remedy.what


def test_a_little_too_large_an_8_bit_kv_cache_comes_first() -> None:
    load = LoadShape(32_768)
    found = remedies(LLAMA_3B, load, estimate(LLAMA_3B, load).total - 64 * MIB)
    assert [remedy.what for remedy in found] == ["a q8_0 KV cache", "a context of 31,744 tokens"]


def test_much_too_large_both_together_keep_the_longer_context() -> None:
    load = LoadShape(131_072)
    budget = estimate(LLAMA_3B, replace(load, context=16_384)).total
    both, shorter = remedies(LLAMA_3B, load, budget)
    assert (shorter.context, shorter.kv_type) == (16_384, None)
    assert both.kv_type == "q8_0" and both.context is not None and both.context > 28_000
    assert both.what == f"a context of {both.context:,} tokens and a q8_0 KV cache"


def test_the_trained_context_can_be_made_smaller_too() -> None:
    budget = estimate(LLAMA_3B, LoadShape(16_384)).total
    assert remedies(LLAMA_3B, LoadShape(0), budget)[-1].context == 16_384


def test_on_a_gpu_layers_may_stay_behind() -> None:
    load = LoadShape(8192, gpu=True)
    budget = estimate(LLAMA_3B, replace(load, context=256)).total - 100 * MIB
    (found,) = remedies(LLAMA_3B, load, budget)
    assert found.gpu_layers is not None and 2 <= found.gpu_layers < 29
    assert found.what == f"{found.gpu_layers} of 29 layers on the GPU"


def test_what_cannot_be_made_to_fit_has_no_remedy() -> None:
    assert remedies(LLAMA_3B, LoadShape(8192), GIB) == ()


def test_a_compact_cache_is_not_offered_where_llama_cpp_refuses_it() -> None:
    odd = replace(LLAMA_3B, key_length=80, value_length=80)
    load = LoadShape(32_768)
    found = remedies(odd, load, estimate(odd, load).total - 1)
    assert all(remedy.kv_type is None for remedy in found)
    unfused = replace(load, flash=False)
    assert all(
        one.kv_type is None for one in remedies(LLAMA_3B, unfused, estimate(LLAMA_3B, unfused).total - 1)
    )


@pytest.mark.parametrize(
    ("free", "unload", "resident", "kind", "reason"),
    [
        (5 * GIB, (), True, "resident", "Loaded, it takes 4.5 GiB of RAM"),
        (5 * GIB, (), False, "fits", "It takes 4.5 GiB of RAM, 5.0 GiB are free"),
        (int(4.5 * GIB), None, False, "fits", "It takes 4.5 GiB of RAM, 4.5 GiB are free"),
        (GIB, ("A",), False, "after", "It takes 4.5 GiB of RAM: A would be unloaded for it"),
        (GIB, ("A", "B", "C"), False, "after",
         "It takes 4.5 GiB of RAM: A, B and C would be unloaded for it"),
        (GIB, None, False, "too large", "It takes 4.5 GiB of RAM, 1.0 GiB are free"),
        (GIB, (), False, "too large", "It takes 4.5 GiB of RAM, 1.0 GiB are free"),
        (-5, None, False, "too large", "It takes 4.5 GiB of RAM, 0 B are free"),
        (NEED.total - 1, None, False, "too large",
         "It takes a little more than 4.5 GiB of RAM, 4.5 GiB are free"),
    ],
)  # fmt: skip
def test_verdicts_in_words(
    free: int, unload: tuple[str, ...] | None, resident: bool, kind: str, reason: str
) -> None:
    found = judge(NEED, free, "RAM", unload, resident=resident)
    assert (found.kind, found.reason, found.need) == (kind, reason, NEED.total)
    assert found.unload == (unload or ())


def test_the_best_remedy_is_named() -> None:
    remedy = Remedy(what="a context of 4,096 tokens", context=4096)
    found = judge(NEED, GIB, "VRAM", None, remedies=(remedy,))
    assert found.reason == (
        "It takes 4.5 GiB of VRAM, 1.0 GiB are free; with a context of 4,096 tokens it fits"
    )
    assert found.remedies == (remedy,)


@pytest.mark.parametrize(("need", "free"), [(None, GIB), (NEED, None), (Footprint(), GIB)])
def test_what_is_not_known_is_said(need: Footprint | None, free: int | None) -> None:
    assert judge(need, free, "RAM").kind == "unknown"
