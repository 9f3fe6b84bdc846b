"""What a benchmark tries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from kensho_tui.core.bench_contract import BenchSettings
from kensho_tui.core.frames import Load
from kensho_tui.core.model_contract import Defaults
from kensho_tui.models.bench import grid
from kensho_tui.models.bench.defaults import with_settings
from kensho_tui.models.bench.grid import Machine
from kensho_tui.models.bench.words import Scale, text
from kensho_tui.models.estimate import BATCH_CPU, BATCH_GPU
from kensho_tui.models.plan import EngineOptions

TWO = Machine(cores=2, paying=(1, 2))
MANY = Machine(cores=32, paying=(31, 31), gpu=True, layers=40)
OPTIONS = EngineOptions(context=4096, threads=1, threads_most=2, threads_batch=2, paying=(1, 2))
BASE = Load(path="a.gguf", threads=1, threads_most=2, threads_batch=2)


def test_two_cores() -> None:
    before = grid.settings_of(BASE, TWO)
    assert before == BenchSettings(
        threads=0, threads_batch=2, batch=256, flash=True, kv_type="f16", gpu_layers=-1
    )
    assert [each.threads for each in grid.threads(before, TWO, quick=True)] == [0, 1, 2]
    assert [each.threads_batch for each in grid.threads_batch(before, TWO, quick=False)] == [2, 1]
    assert [each.batch for each in grid.batches(before, quick=True)] == [256, 512]
    found = [(each.flash, each.kv_type) for each in grid.variants(before, TWO, quick=False)]
    assert found == [(True, "f16"), (False, "f16"), (True, "q8_0"), (True, "q4_0")]


def test_many_cores_and_a_gpu() -> None:
    before = grid.settings_of(replace(BASE, threads=31, threads_most=31), MANY)
    assert before.batch == 512
    assert {each.threads for each in grid.threads(before, MANY, quick=False)} == {31, 8, 16, 24, 32}
    layers = {each.gpu_layers for each in grid.variants(before, MANY, quick=False)}
    assert layers == {-1, 20, 0}


@given(st.integers(1, 256), st.booleans(), st.booleans())
def test_every_number_of_cores_has_something_to_try(cores: int, gpu: bool, quick: bool) -> None:
    machine = Machine(cores, (max(cores - 1, 1), cores), gpu=gpu, layers=8)
    before = grid.settings_of(BASE, machine)
    axes = (
        grid.threads(before, machine, quick=quick),
        grid.threads_batch(before, machine, quick=quick),
        grid.batches(before, quick=quick),
        grid.variants(before, machine, quick=quick),
    )
    for tried in axes:
        assert tried[0] == before
        assert len(set(tried)) == len(tried) <= 8
        assert all(0 <= each.threads <= cores or each == before for each in tried)
        assert all(each.flash or each.kv_type == "f16" for each in tried)


@given(
    st.builds(
        BenchSettings,
        threads=st.integers(0, 4),
        threads_batch=st.integers(1, 4),
        batch=st.sampled_from([128, 256, 512]),
        flash=st.booleans(),
        kv_type=st.sampled_from(["f16", "q8_0"]),
        gpu_layers=st.just(-1),
    )
)
def test_what_is_applied_is_what_was_measured(settings: BenchSettings) -> None:
    """Defaults made of a recommendation lead to the load that it was measured with."""
    assert grid.settings_of(grid.request_for(settings, BASE, TWO), TWO) == settings
    defaults = with_settings(settings, Defaults(temperature=0.1, gpu_layers=7, threads=9), OPTIONS, gpu=False)
    assert (defaults.temperature, defaults.gpu_layers) == (0.1, 7)
    threads, most = OPTIONS.decoding(defaults.threads)
    load = replace(
        BASE,
        threads=threads,
        threads_most=most,
        threads_batch=defaults.threads_batch or OPTIONS.threads_batch,
        batch=defaults.batch or 0,
        flash=defaults.flash,
        kv_type=defaults.kv_type or OPTIONS.kv_type,
    )
    assert grid.settings_of(load, TWO) == settings


@pytest.mark.parametrize("layers", [-1, 20, 0])
def test_a_batch_is_the_one_that_the_worker_takes(layers: int) -> None:
    """Where none is asked for, it takes another one beside a GPU."""
    settings = replace(grid.settings_of(BASE, MANY), gpu_layers=layers)
    request = grid.request_for(settings, BASE, MANY)
    assert (request.batch or (BATCH_GPU if layers else BATCH_CPU)) == settings.batch
    assert grid.settings_of(request, MANY).batch == settings.batch
    assert (with_settings(settings, Defaults(), OPTIONS, gpu=True).batch or 0) == request.batch


def test_adaptive_threads_are_a_setting_where_the_program_has_a_fixed_number() -> None:
    fixed = EngineOptions(context=0, threads=3, threads_most=3, threads_batch=4, paying=(3, 4))
    machine = Machine(4, (3, 4))
    before = grid.settings_of(BASE, machine)
    adaptive = replace(before, threads=0, threads_batch=4)
    assert with_settings(adaptive, Defaults(), fixed, gpu=False).threads == 0
    assert with_settings(replace(adaptive, threads=3), Defaults(), fixed, gpu=False).threads is None


@pytest.mark.parametrize("words", [1, 12, 500])
def test_texts_are_plain_words_and_the_same_each_time(words: int) -> None:
    assert text(words) == text(words)
    assert len(text(words).split()) == words


@given(st.floats(0.5, 5), st.integers(0, 200), st.integers(64, 4096))
def test_prompts_have_about_the_tokens_asked_for(each: float, fixed: int, wanted: int) -> None:
    scale = Scale((40, round(40 * each) + fixed), (160, round(160 * each) + fixed))
    found = scale.words(wanted) * each + fixed
    assert found == pytest.approx(max(wanted, fixed), abs=each + 0.03 * wanted + 2)
