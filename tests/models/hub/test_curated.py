"""The list that comes with the program: its facts hang together, and its shapes are those of real headers."""

import datetime
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest
from msgspec.structs import replace

from kensho_tui.core.contract import Verdict
from kensho_tui.core.hub_contract import HubRepo
from kensho_tui.models.estimate import LoadShape, estimate, largest_context
from kensho_tui.models.gguf.read import read_shape
from kensho_tui.models.gguf.shape import ModelShape
from kensho_tui.models.hub.curated import (
    CuratedFile,
    Entry,
    Judge,
    Numbers,
    curated,
    read_per_token,
    repos,
    shape_of,
)
from kensho_tui.models.hub.names import is_commit, is_file_path, is_repo
from kensho_tui.models.hub.quantisations import quantisation_of
from kensho_tui.models.verdict import judge as judge_need
from tests.support.gguf import Hyper, model_tensors, write_model

GB = 1_000_000_000
ENTRIES = curated().entries
LOADS = (
    LoadShape(4096),
    LoadShape(16_384, kv_type="q8_0"),
    LoadShape(8192, gpu=True),
    LoadShape(8192, gpu=True, gpu_layers=5),
)
SAME = (
    "layers",
    "embedding",
    "feed_forward",
    "heads",
    "kv_heads",
    "key_length",
    "value_length",
    "key_length_swa",
    "value_length_swa",
    "vocabulary",
    "trained_context",
    "window",
    "sliding",
    "tied",
    "experts",
    "experts_used",
    "recurrent",
    "latent",
)


def titled(title: str) -> Entry:
    return next(entry for entry in ENTRIES if entry.title == title)


# --- the facts --------------------------------------------------------------------------------------


def test_the_list_has_something_for_every_purpose_and_size() -> None:
    assert 12 <= len(ENTRIES) <= 16
    assert {entry.role for entry in ENTRIES} == {"dialogue", "multilingual", "reasoning", "code", "tiny"}
    assert len({entry.repo for entry in ENTRIES}) == len({entry.title for entry in ENTRIES}) == len(ENTRIES)
    smallest, largest = min(entry.parameters for entry in ENTRIES), max(entry.parameters for entry in ENTRIES)
    assert smallest < 0.2e9 and largest > 7e9
    assert any(entry.shape.experts for entry in ENTRIES)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.title)
def test_an_entry_can_be_asked_for_and_says_where_it_is_from(entry: Entry) -> None:
    assert is_repo(entry.repo) and entry.files and entry.licence and entry.about
    assert not entry.revision or is_commit(entry.revision)
    for file in entry.files:
        assert is_file_path(file.file) and quantisation_of(file.file) == file.quantisation
    assert set(entry.facts) == {"repository", "licence", "files", "shape"}
    for fact in entry.facts.values():
        assert len(fact.source) > 20 and datetime.date.fromisoformat(fact.date) >= datetime.date(2026, 11, 1)


def test_the_engine_knows_every_architecture() -> None:
    found = importlib.util.find_spec("llama_cpp")
    assert found is not None and found.origin is not None
    library = next(iter(sorted(Path(found.origin).with_name("lib").glob("libllama.*")))).read_bytes()
    for entry in ENTRIES:
        assert f"{entry.shape.architecture}\0".encode() in library, entry.title


# --- the shapes -------------------------------------------------------------------------------------


def hyper(numbers: Numbers) -> Hyper:
    return Hyper(
        architecture=numbers.architecture,
        layers=numbers.layers,
        embedding=numbers.embedding,
        feed_forward=numbers.feed_forward,
        heads=numbers.heads,
        kv_heads=numbers.kv_heads,
        key_length=numbers.key_length,
        vocabulary=numbers.vocabulary,
        context=numbers.context,
        window=numbers.window,
        experts=numbers.experts,
        experts_used=numbers.experts_used,
        tied=numbers.tied,
    )


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.title)
def test_the_weights_are_the_file_without_its_header(entry: Entry) -> None:
    for file in entry.files:
        shape = shape_of(entry, file)
        parts = shape.input_weights + shape.output_weights + sum(shape.layer_weights)
        assert shape.weights == parts == file.size - entry.header
        assert len(shape.layer_weights) == shape.layers and min(shape.layer_weights) > 0
        assert 0 < read_per_token(entry, file) <= shape.weights
        assert 4 <= shape.bits < 9.5


@pytest.mark.parametrize(
    "entry",
    [one for one in ENTRIES if one.shape.architecture not in ("qwen35", "gemma4", "gpt-oss")],
    ids=lambda entry: entry.title,
)
def test_the_numbers_make_files_of_just_this_size(entry: Entry) -> None:
    numbers = entry.shape
    known = numbers.architecture if numbers.architecture.startswith(("qwen", "gemma")) else "llama"
    of = hyper(replace(numbers, architecture=known))
    for file in entry.files:
        if file.quantisation in ("Q8_0", "Q6_K"):  # one type throughout
            size = sum(tensor.size for tensor in model_tensors(of, file.quantisation))
            assert abs(size + entry.header - file.size) < 1024
    counted = sum(elements(tensor.dims) for tensor in model_tensors(of))
    assert 0 <= entry.parameters - counted <= 64  # Llama 3.2 has a factor for each frequency besides


def elements(dims: Sequence[int]) -> int:
    product = 1
    for dim in dims:
        product *= dim
    return product


def close(one: ModelShape, other: ModelShape) -> None:
    for load in LOADS:
        ours, theirs = estimate(one, load), estimate(other, load)
        assert ours.total == pytest.approx(theirs.total, rel=0.03)
        assert ours.host == pytest.approx(theirs.host, rel=0.03)


def extra(numbers: Numbers) -> dict[str, object]:
    """What a real header of this kind has besides, and `tests.support.gguf` does not write."""
    arch = numbers.architecture
    found: dict[str, object] = {}
    if numbers.attention_every:
        found |= {f"{arch}.full_attention_interval": numbers.attention_every, f"{arch}.ssm.state_size": 128}
    if numbers.shared_kv_layers:
        found[f"{arch}.attention.shared_kv_layers"] = numbers.shared_kv_layers
    if numbers.key_length_swa:
        found[f"{arch}.attention.key_length_swa"] = numbers.key_length_swa
        found[f"{arch}.attention.value_length_swa"] = numbers.key_length_swa
        found[f"{arch}.attention.sliding_window_pattern"] = [
            (layer + 1) % numbers.full_every != 0 for layer in range(numbers.layers)
        ]
    return found


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.title)
def test_a_shape_is_that_of_a_header_of_the_same_model(entry: Entry, tmp_path: Path) -> None:
    numbers = replace(entry.shape, vocabulary=2048, per_layer_embedding=0)
    for quantisation in ("Q4_K_M", "Q8_0"):
        path = write_model(
            tmp_path / f"{quantisation}.gguf", hyper(numbers), quantisation=quantisation, more=extra(numbers)
        )
        real, size = read_shape(path), path.stat().st_size
        file = CuratedFile(file=path.name, quantisation=quantisation, size=size)
        ours = shape_of(replace(entry, shape=numbers, header=size - real.weights), file)
        assert {name: getattr(ours, name) for name in SAME} == {name: getattr(real, name) for name in SAME}
        close(ours, real)


def as_here(entry: Entry, path: Path, quantisation: str) -> ModelShape:
    """The entry's shape of another quantisation that is on this machine."""
    return shape_of(entry, CuratedFile(file=path.name, quantisation=quantisation, size=path.stat().st_size))


def test_smollm_is_as_its_real_header_says(smollm: Path) -> None:
    real = read_shape(smollm)
    ours = as_here(titled("SmolLM2 135M"), smollm, "Q4_1")
    assert {name: getattr(ours, name) for name in SAME} == {name: getattr(real, name) for name in SAME}
    assert ours.parameters == real.parameters
    close(ours, real)


@pytest.mark.slow
def test_gemma_is_as_its_real_header_says(gemma: Path) -> None:
    real = read_shape(gemma)
    ours = as_here(titled("Gemma 3 270M"), gemma, "Q4_K_M")
    assert {name: getattr(ours, name) for name in SAME} == {name: getattr(real, name) for name in SAME}
    assert ours.parameters == real.parameters
    close(ours, real)


def test_of_a_mixture_only_the_experts_used_are_read_for_a_token() -> None:
    entry = titled("gpt-oss 20B")
    assert read_per_token(entry, entry.files[0]) < entry.files[0].size / 3


# --- the list as it is shown ------------------------------------------------------------------------


def with_room(free: float, memory: Literal["RAM", "VRAM"] = "RAM") -> Judge:
    """A machine with this much free memory, in GB."""
    budget, gpu = int(free * GB), memory == "VRAM"

    async def judge(shape: ModelShape) -> tuple[Verdict, int | None]:
        context = largest_context(shape, LoadShape(0, gpu=gpu), budget, 8192) or 2048
        load = LoadShape(min(context, shape.trained_context), gpu=gpu)
        need = estimate(shape, load)
        fits = () if need.total <= budget else None
        return judge_need(need, budget, memory, fits), load.context

    return judge


async def listed(judge: Judge, installed: dict[str, tuple[str, ...]] | None = None) -> tuple[HubRepo, ...]:
    return await repos(judge, installed or {})


@pytest.mark.parametrize(
    ("free", "memory", "first"),
    [
        (0.4, "RAM", "Gemma 3 270M"),
        (1.0, "RAM", "Llama 3.2 1B"),
        (2.9, "RAM", "Llama 3.2 3B"),
        (6.0, "RAM", "Qwen3 4B Instruct"),
        (60.0, "RAM", "Qwen3 4B Instruct"),  # a larger one would fit, and be slow
        (4.5, "VRAM", "Qwen3 4B Instruct"),
        (7.5, "VRAM", "Ministral 3 8B"),
    ],
)
async def test_the_first_is_the_best_to_talk_to_that_runs_well_here(
    free: float, memory: Literal["RAM", "VRAM"], first: str
) -> None:
    shown = await listed(with_room(free, memory))
    assert shown[0].title == first
    fits = [repo.verdict is not None and repo.verdict.kind == "fits" for repo in shown]
    assert fits == sorted(fits, reverse=True)
    assert len(shown) == len(ENTRIES)


async def test_where_nothing_fits_the_smallest_comes_first() -> None:
    shown = await listed(with_room(0.1))
    needs = [repo.verdict.need for repo in shown if repo.verdict is not None]
    assert needs == sorted(needs) and len(needs) == len(ENTRIES)
    assert {repo.verdict.kind for repo in shown if repo.verdict is not None} == {"too large"}


async def test_where_room_is_unknown_all_are_shown() -> None:
    async def unknown(shape: ModelShape) -> tuple[Verdict, int | None]:
        return Verdict(kind="unknown", reason="How much memory there is is not known"), None

    shown = await listed(unknown)
    assert len(shown) == len(ENTRIES) and shown[0].role == "dialogue"
    assert all(repo.size and repo.quantisation for repo in shown)


async def test_a_row_tells_what_is_recommended_here() -> None:
    repo = titled("Llama 3.2 1B").repo
    roomy = {one.repo: one for one in await listed(with_room(8), {repo: ("Llama-3.2-1B-Instruct-Q8_0",)})}
    tight = {one.repo: one for one in await listed(with_room(1.0))}
    assert roomy[repo].installed == ("Llama-3.2-1B-Instruct-Q8_0",) and not tight[repo].installed
    assert (roomy[repo].quantisation, tight[repo].quantisation) == ("Q8_0", "Q4_K_M")
    assert roomy[repo].size == 1_321_083_008 and not roomy[repo].about
    assert roomy[repo].context == 131_072 and roomy[repo].licence == "llama3.2" and roomy[repo].summary
