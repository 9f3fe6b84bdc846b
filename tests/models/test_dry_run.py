"""The dry run: its child, scripted to misbehave, and the real one beside the closed form."""

import asyncio
import os
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from kensho_tui.core.errors import LoadError
from kensho_tui.core.model_info import Footprint
from kensho_tui.models import dry_run as module
from kensho_tui.models.dry_run import dry_run, dry_runs
from kensho_tui.models.estimate import DRIVER_CONTEXT, LoadShape, estimate, split_weights
from kensho_tui.models.gguf.read import read_shape
from tests.support.gguf import write_model
from tests.support.home import wait_until

LOAD = LoadShape(2048, batch=256)


def _scripted(program: str) -> tuple[str, ...]:
    return (sys.executable, "-c", f"import json, os, sys, time; request = json.load(sys.stdin)\n{program}")


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_model(tmp_path / "tiny.gguf")


def _terms(**changes: Any) -> str:
    terms = {"gpu": False, "weights": 1, "kv": 2, "compute": 3, "output": 4, "host": 5} | changes
    return f"print(json.dumps({{'terms': [{terms}] * len(request['loads'])}}))"


async def test_the_answer_becomes_a_footprint(tiny: Path) -> None:
    (found,) = await dry_runs(tiny, [LOAD], command=_scripted(_terms()))
    expected = Footprint(weights=1, kv=2, compute=7, overhead=found.overhead, source="dry run")
    assert found == expected and found.overhead > 0


async def test_on_a_gpu_the_weights_are_split_as_llama_cpp_splits_them(tiny: Path) -> None:
    load = LoadShape(2048, gpu=True, gpu_layers=2)
    (found,) = await dry_runs(tiny, [load], command=_scripted(_terms(gpu=True)))
    device, beside = split_weights(read_shape(tiny), load)
    assert (found.weights, found.overhead) == (device, DRIVER_CONTEXT)
    assert found.host > beside + 5


async def test_a_build_without_a_gpu_says_so_whatever_was_hoped(tiny: Path) -> None:
    (found,) = await dry_runs(tiny, [LoadShape(2048, gpu=True)], command=_scripted(_terms()))
    assert (found.weights, found.host) == (1, 0)


async def test_what_a_driver_prints_first_is_skipped(tiny: Path) -> None:
    await dry_runs(tiny, [LOAD], command=_scripted("print('found 1 device'); " + _terms()))


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("print('nonsense')", "ended with status 0"),
        ("print('{}')", "ended with status 0"),
        ("print('[]')", "ended with status 0"),
        ("print(json.dumps({'terms': []}))", "ended with status 0"),
        ("sys.exit(3)", "ended with status 3"),
        ("os.kill(os.getpid(), 11)", "segmentation fault"),
        ("print(json.dumps(dict(code='load', message='bad\\x1b[31m tensors', hint='mend')))", "bad tensors"),
    ],
)
async def test_a_child_that_fails_is_a_clear_error(tiny: Path, program: str, said: str) -> None:
    with pytest.raises(LoadError, match=said):
        await dry_runs(tiny, [LOAD], command=_scripted(program))


async def test_endless_output_is_cut(tiny: Path) -> None:
    with pytest.raises(LoadError):
        await dry_runs(tiny, [LOAD], command=_scripted("while True: print('x' * 60000)"))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


FOLDER = "os.path.dirname(request['loads'][0]['path'])"
STUCK = f"open({FOLDER} + '/pid', 'w').write(str(os.getpid())); time.sleep(60)"


async def test_a_child_that_hangs_is_ended(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUT_S", 1.0)
    with pytest.raises(LoadError, match="within 1 s"):
        await dry_runs(tiny, [LOAD], command=_scripted(STUCK))
    assert not _alive(int((tiny.parent / "pid").read_text()))


async def test_cancelling_ends_the_child(tiny: Path) -> None:
    task = asyncio.create_task(dry_runs(tiny, [LOAD], command=_scripted(STUCK)))
    pid = tiny.parent / "pid"
    await asyncio.to_thread(wait_until, lambda: pid.exists() and pid.read_text() != "")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not _alive(int(pid.read_text()))


async def test_an_answer_is_kept_while_the_file_is_the_same(tiny: Path) -> None:
    counting = f"open({FOLDER} + '/runs', 'a').write('.'); " + _terms()
    runs = tiny.parent / "runs"

    async def ask(load: LoadShape, device: str = "CPU") -> None:
        await dry_run(tiny, load, device, command=_scripted(counting))

    for _ in range(2):
        await ask(LOAD)
    assert runs.read_text() == "."
    await ask(LoadShape(1024))
    await ask(LOAD, "CUDA0")
    assert runs.read_text() == "..."
    os.utime(tiny, (1, 1))
    await ask(LOAD)
    assert runs.read_text() == "...."


async def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    for name, content in (("text.gguf", b"no model"), ("empty.gguf", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(LoadError):
            await dry_run(tmp_path / name, LOAD)
    with pytest.raises(LoadError, match="No such file"):
        await dry_run(tmp_path / "absent.gguf", LOAD)


async def test_what_only_llama_cpp_refuses_is_refused_in_its_words(tmp_path: Path) -> None:
    path = write_model(tmp_path / "odd.gguf", embedding=96, heads=4, kv_heads=2)
    with pytest.raises(LoadError, match="block size 32"):
        await dry_run(path, LoadShape(2048, kv_type="q8_0"))


# --- llama.cpp's allocator beside the closed form ---------------------------------------------------

PRESETS = (
    "SmolLM2-135M", "Llama-3.2-3B", "Llama-3.1-8B", "Qwen2.5-7B", "Qwen3-4B",
    "Gemma-3-270M", "Gemma-3-4B", "Gemma-2-2B", "Phi-3-mini", "Command-R7B", "Mixtral-8x7B",
    "Qwen3-30B-A3B", "gpt-oss-20b",
)  # fmt: skip
# A context that is no multiple of anything, the usual one, and a long one.
LOADS = tuple(
    LoadShape(context, kv_type=kv_type, batch=batch)
    for context, kv_type, batch in product((1000, 8192, 32_768), ("f16", "q8_0", "q4_0"), (128, 256, 512))
)


def _errors(found: Footprint, exact: Footprint) -> tuple[float, float]:
    """Of the KV cache and of the sum, as shares; both without the process's own overhead."""
    total = exact.total - exact.overhead
    return abs(found.kv - exact.kv) / exact.kv, abs(found.total - found.overhead - total) / total


async def _compare(path: Path, loads: Sequence[LoadShape]) -> None:
    shape = read_shape(path)
    for load, exact in zip(loads, await dry_runs(path, loads), strict=True):
        kv, total = _errors(estimate(shape, load), exact)
        assert kv <= 0.002, (path.stem, load)  # llama.cpp prints MiB with two digits
        assert total <= 0.01, (path.stem, load)


async def test_the_real_model_takes_what_was_estimated(smollm: Path) -> None:
    await _compare(smollm, [LoadShape(4096), LoadShape(8192, kv_type="q8_0", batch=512)])


@pytest.mark.slow
@pytest.mark.parametrize("name", PRESETS)
async def test_the_closed_form_is_within_a_hundredth_of_llama_cpp(name: str, tmp_path: Path) -> None:
    await _compare(write_model(tmp_path / f"{name}.gguf", name), LOADS)


@pytest.mark.slow
async def test_the_closed_form_is_right_for_a_real_window(gemma: Path) -> None:
    await _compare(gemma, LOADS)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"embedding": 5120, "heads": 32, "kv_heads": 8, "key_length": 128, "feed_forward": 14_336},
        {"embedding": 1024, "heads": 16, "kv_heads": 8, "key_length": 128, "feed_forward": 3072},
        {"embedding": 2048, "heads": 32, "kv_heads": 8, "key_length": 128, "feed_forward": 3072},
        {"embedding": 2560, "heads": 32, "kv_heads": 32, "feed_forward": 6912},
        {"embedding": 2048, "heads": 16, "kv_heads": 16, "feed_forward": 6144, "experts": 64,
         "experts_used": 8, "expert_feed_forward": 1024, "architecture": "qwen3moe", "key_length": 128},
    ],
)  # fmt: skip
async def test_it_is_right_for_shapes_that_it_was_not_read_off(changes: Any, tmp_path: Path) -> None:
    path = write_model(
        tmp_path / "other.gguf", layers=24, vocabulary=32_000, tokenizer="llama", context=40_000, **changes
    )
    whole_blocks = read_shape(path).key_length % 32 == 0
    await _compare(path, [load for load in LOADS if whole_blocks or load.kv_type == "f16"])
