"""The reader against llama.cpp itself: real models, published shapes, and which layers slide."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kensho_tui.models.gguf.ggml_types import FILE_TYPES, TENSOR_TYPES
from kensho_tui.models.gguf.read import read_shape
from tests.support.gguf import PRESETS, Hyper, write_model
from tests.support.home import REPOSITORY

pytestmark = pytest.mark.slow


def llama(*paths: Path) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.llama_dry", *map(str, paths)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def agrees(path: Path, said: dict[str, Any]) -> None:
    shape = read_shape(path)
    ours = {
        "weights": shape.weights,
        "parameters": shape.parameters,
        "layers": shape.layers,
        "embedding": shape.embedding,
        "heads": shape.heads[0],
        "kv_heads": shape.kv_heads[0],
        "trained_context": shape.trained_context,
        "vocabulary": shape.vocabulary,
        "window": shape.window,
        "sliding": list(shape.sliding) or [False] * shape.layers,
        "recurrent": shape.recurrent,
    }
    assert ours == said, path.name


def test_real_models_are_read_as_llama_cpp_reads_them(smollm: Path, gemma: Path) -> None:
    for path, said in zip((smollm, gemma), llama(smollm, gemma), strict=True):
        agrees(path, said)


def test_published_shapes_are_read_as_llama_cpp_reads_them(tmp_path: Path) -> None:
    paths = [write_model(tmp_path / f"{name}.gguf", name) for name in PRESETS]
    for path, said in zip(paths, llama(*paths), strict=True):
        agrees(path, said)


def test_a_pattern_in_the_header_goes_before_the_architectures(tmp_path: Path) -> None:
    small = Hyper(architecture="gemma3", layers=7, window=64, key_length=32, tokenizer="llama")
    paths = [
        write_model(tmp_path / "period.gguf", small, more={"gemma3.attention.sliding_window_pattern": 3}),
        write_model(
            tmp_path / "array.gguf",
            small,
            more={"gemma3.attention.sliding_window_pattern": [True, True, False, False, True, False, True]},
        ),
        write_model(tmp_path / "none.gguf", small, more={"gemma3.attention.sliding_window": 0}),
    ]
    for path, said in zip(paths, llama(*paths), strict=True):
        agrees(path, said)


def test_the_tables_of_types_are_ggmls() -> None:
    """Read from ggml's own tables, in a process of its own."""
    code = """
import ctypes, json
from kensho_tui.worker.llama import import_bindings
lib = import_bindings()
raw = lib._lib
raw.ggml_type_name.restype = ctypes.c_char_p
raw.ggml_blck_size.restype = ctypes.c_int64
raw.ggml_type_size.restype = ctypes.c_size_t
types = {n: [raw.ggml_type_name(n).decode(), raw.ggml_blck_size(n), raw.ggml_type_size(n)] for n in range(43)}
files = {n: getattr(lib, n) for n in dir(lib) if n.startswith("LLAMA_FTYPE_")}
print(json.dumps([types, files]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    types, files = json.loads(done.stdout)
    theirs = {
        int(number): (name.upper(), block, size) for number, (name, block, size) in types.items() if size
    }
    assert {number: tuple(kind) for number, kind in TENSOR_TYPES.items()} == theirs
    recipes = {
        name.removeprefix("LLAMA_FTYPE_").removeprefix("MOSTLY_"): number for name, number in files.items()
    }
    recipes["F32"] = recipes.pop("ALL_F32")
    assert {name: number for number, name in FILE_TYPES.items()}.items() >= {
        name: number for name, number in recipes.items() if number < 1024
    }.items()
