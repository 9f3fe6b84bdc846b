"""Five hundred damaged headers, and any others: an error or a shape, soon and in little memory."""

import random
import struct
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from kensho_tui.core.errors import LoadError
from kensho_tui.models.gguf.read import read_shape, shape_of
from kensho_tui.models.gguf.source import FileSource, MoreNeeded, PrefixSource
from tests.support.gguf import TINY, model_metadata, model_tensors, write_model
from tests.support.gguf_format import header

MOST_S = 0.1
MOST_BYTES = 50 * 1024 * 1024
ABSURD = (0xFF, 1 << 15, 1 << 31, (1 << 32) - 1, 1 << 40, (1 << 62) + 1, 1 << 63, (1 << 64) - 1)


def header_of(path: Path) -> bytes:
    """The file up to its tensor data."""
    with FileSource(path) as source:
        size = 65536
        while True:
            try:
                shape_of(PrefixSource(source.read(0, size), source.size))
                return source.read(0, size)
            except MoreNeeded as more:
                size = more.upto


def damaged(head: bytes, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """In turn cut off, with flipped bits, and with absurd numbers; half of the harm in the first 2 kB."""
    draw = random.Random(seed)

    def place(end: int) -> int:
        return draw.randrange(min(end, 2048) if draw.random() < 0.5 else end)

    for number in range(count):
        kind = ("cut", "flip", "count")[number % 3]
        made = bytearray(head)
        if kind == "cut":
            del made[place(len(head)) :]
        elif kind == "flip":
            for _ in range(draw.choice((1, 1, 2, 8, 64))):
                made[place(len(head))] ^= 1 << draw.randrange(8)
        else:
            struct.pack_into("<Q", made, place(len(head) - 8), draw.choice(ABSURD))
        yield kind, bytes(made)


def attempt(path: Path) -> str:
    """What is said of the file; empty if it has a shape."""
    try:
        shape = read_shape(path)
    except LoadError as error:
        line = error.line()
        assert line.startswith(path.name) and "\n" not in line and error.hint
        return line
    assert 0 < shape.layers <= 512 and len(shape.heads) == len(shape.kv_heads) == shape.layers
    assert shape.weights == (
        shape.input_weights + shape.output_weights + shape.draft_weights + sum(shape.layer_weights)
    )
    return ""


def test_500_damaged_headers_cost_little_and_are_said(tmp_path: Path, smollm: Path, gemma: Path) -> None:
    whole = write_model(tmp_path / "whole.gguf", TINY)
    bases = ((header_of(whole), whole, 430), (header_of(smollm), smollm, 40), (header_of(gemma), gemma, 30))
    path = tmp_path / "damaged.gguf"
    slowest, most, tried, cut = 0.0, 0, 0, set()
    for seed, (head, original, count) in enumerate(bases):
        for kind, made in damaged(head, count, seed):
            with path.open("wb") as file:
                file.write(made)
                if kind != "cut":
                    file.truncate(original.stat().st_size)
            begun = time.process_time()
            said = attempt(path)
            slowest = max(slowest, time.process_time() - begun)
            if original is whole or tried % 7 == 0:  # tracing the others, larger ones, takes long
                tracemalloc.start()
                again = attempt(path)
                most = max(most, tracemalloc.get_traced_memory()[1])
                tracemalloc.stop()
                assert again == said
            if kind == "cut":
                cut.add(bool(said))
            tried += 1
    assert tried == 500
    assert cut == {True}
    assert slowest <= MOST_S, slowest
    assert most <= MOST_BYTES, most


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 1 << 40))
def test_any_bytes_after_the_magic_are_judged(rest: bytes, missing: int) -> None:
    made = b"GGUF\x03\x00\x00\x00" + rest
    try:
        shape_of(PrefixSource(made, len(made) + missing))
    except (LoadError, MoreNeeded) as said:
        assert not isinstance(said, MoreNeeded) or len(made) < said.upto <= len(made) + missing
    else:
        raise AssertionError("these bytes name no architecture")


HEAD = header(model_metadata(TINY), model_tensors(TINY))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(HEAD) - 1), st.integers(0, 255)), min_size=1, max_size=12))
def test_any_changed_bytes_are_judged(changes: list[tuple[int, int]]) -> None:
    made = bytearray(HEAD)
    for place, byte in changes:
        made[place] = byte
    try:
        shape = shape_of(PrefixSource(bytes(made), len(made) + (1 << 20)))
    except (LoadError, MoreNeeded):
        return
    assert 0 < shape.layers <= 512 and shape.weights <= 1 << 20
