"""What a header says, and one clear line for each way in which it can be wrong."""

import os
import struct
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kensho_tui.core.errors import LoadError
from kensho_tui.models.gguf.cursor import WINDOW
from kensho_tui.models.gguf.read import read_shape, shape_of
from kensho_tui.models.gguf.reader import MAX_STRINGS, MAX_TEXT, Skipped, read_header
from kensho_tui.models.gguf.source import FileSource, MoreNeeded, PrefixSource
from tests.support.gguf import TINY, model_metadata, model_tensors, write_model
from tests.support.gguf_format import ARRAY, STRING, U8, U32, Tensor, Typed, header, padded, string

META = {"general.architecture": "llama", "llama.block_count": 1, "llama.embedding_length": 64}


def source(head: bytes, missing: int = 0) -> PrefixSource:
    """`head` as the beginning of a file with `missing` bytes more."""
    return PrefixSource(head, len(head) + missing, "model.gguf")


def refused(head: bytes, missing: int = 1 << 20) -> str:
    with pytest.raises(LoadError) as caught:
        shape_of(source(head, missing))
    line = caught.value.line()
    assert line.startswith("model.gguf") and "\n" not in line and caught.value.hint
    return line


names = st.text(min_size=1, max_size=30)
numbers = st.one_of(st.integers(0, 2**32 - 1), st.booleans(), st.floats(width=32, allow_nan=False))
values = st.one_of(
    numbers,
    st.text(max_size=200),
    st.lists(st.booleans(), min_size=1, max_size=40),
    st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=40),
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(names, values, max_size=12), st.lists(names, max_size=8, unique=True), st.data())
def test_what_is_written_is_read(metadata: dict[str, Any], tensors: list[str], data: st.DataObject) -> None:
    metadata.pop("general.alignment", None)
    kinds = {"F32": 1, "Q4_1": 32, "IQ2_XS": 256}
    infos = []
    for name in tensors:
        kind = data.draw(st.sampled_from(sorted(kinds)))
        dims = data.draw(st.lists(st.integers(1, 9), max_size=3))
        infos.append(Tensor(name, (kinds[kind] * data.draw(st.integers(1, 9)), *dims), kind))
    head = header(metadata, infos)
    read = read_header(source(head, sum(padded(info.size) for info in infos) + 32))
    expected = {key: tuple(value) if isinstance(value, list) else value for key, value in metadata.items()}
    assert read.metadata == expected
    assert [(info.name, info.dims, info.type.name, info.size) for info in read.tensors] == [
        (info.name, info.dims, info.type, info.size) for info in infos
    ]
    assert read.data_offset == padded(len(head))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 300), min_size=1, max_size=400), st.lists(st.integers(0, 60), max_size=400))
def test_strings_of_any_length_are_passed_over(long: list[int], short: list[int]) -> None:
    texts = ["x" * length for length in long + short + long[:3]]
    read = read_header(source(header({"some": Typed(STRING, texts), "after": 7}), 1))
    assert read.metadata == {"some": Skipped(len(texts), strings=True), "after": 7}


def test_a_header_longer_than_the_window_is_read() -> None:
    texts = ["y" * (WINDOW // 3), "z" * (WINDOW + 9), ""] * 3
    metadata = {
        "some": Typed(STRING, texts),
        "numbers": [1.5] * WINDOW,
        "text": "t" * (MAX_TEXT + 1),
        "after": 7,
    }
    read = read_header(source(header(metadata), 1))
    assert read.metadata["some"] == Skipped(9, strings=True)
    assert read.metadata["numbers"] == Skipped(WINDOW, strings=False)
    assert read.metadata["text"] == Skipped(MAX_TEXT + 1, strings=False)
    assert read.metadata["after"] == 7


def test_bytes_that_arrive_piece_by_piece_are_enough_in_the_end() -> None:
    head = header(model_metadata(TINY), model_tensors(TINY))
    whole = shape_of(source(head, 1 << 20))
    at, asked = 4, 0
    while True:
        try:
            shape = shape_of(PrefixSource(head[:at], len(head) + (1 << 20)))
            break
        except MoreNeeded as more:
            assert 2 * at <= more.upto <= len(head) + (1 << 20)
            at, asked = more.upto, asked + 1
    assert shape == whole
    assert asked > 5


def test_version_2_is_read_as_version_3() -> None:
    tensors = model_tensors(TINY)
    assert shape_of(source(header(model_metadata(TINY), tensors, version=2), 1 << 20)) == shape_of(
        source(header(model_metadata(TINY), tensors), 1 << 20)
    )


def test_text_that_is_not_utf8_does_not_cost_the_model() -> None:
    metadata = model_metadata(TINY) | {"general.name": Typed(STRING, b"caf\xe9 \x1b[31m")}
    assert shape_of(source(header(metadata, model_tensors(TINY)), 1 << 20)).name == "caf\ufffd"


def one_key(layout: str, *rest: int) -> bytes:
    """A header whose only key, a, has the value type and whatever else `rest` packs to."""
    return struct.pack("<4sIQQ", b"GGUF", 3, 0, 1) + string("a") + struct.pack(layout, *rest)


def changed(key: str, value: Any) -> bytes:
    return header(META | {key: value}, ONE)


TWICE = struct.pack("<4sIQQ", b"GGUF", 3, 0, 2) + (string("a") + struct.pack("<II", U32, 1)) * 2
ONE = [Tensor("token_embd.weight", (64, 8))]
WRONG: list[tuple[str, bytes, str]] = [
    ("big endian", struct.pack(">4sIQQ", b"GGUF", 3, 0, 0), "big-endian"),
    ("version 1", struct.pack("<4sIQQ", b"GGUF", 1, 0, 0), "version 1 is not supported"),
    ("version 9", struct.pack("<4sIQQ", b"GGUF", 9, 0, 0), "version 9 is not known"),
    ("no gguf", b"hello world, this is no model", "no GGUF file"),
    ("ggml", struct.pack("<I", 0x67676A74) + bytes(40), "older than GGUF"),
    ("lfs", b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "git lfs pull"),
    ("web page", b"<!DOCTYPE html><html>Not found</html>", "web page"),
    ("zeros", bytes(400), "nothing but zeros"),
    ("keys", struct.pack("<4sIQQ", b"GGUF", 3, 0, 1 << 60), "metadata keys it announces"),
    ("tensors", struct.pack("<4sIQQ", b"GGUF", 3, (1 << 64) - 1, 0), "tensors it announces"),
    ("key length", struct.pack("<4sIQQQ", b"GGUF", 3, 0, 1, 1 << 63) + bytes(40), "cannot be 9,223"),
    ("key bytes", header({b"\xff\xfe": 1}), "not UTF-8"),  # type: ignore[dict-item]
    ("twice", TWICE, "a is there twice"),
    ("type", one_key("<I", 99), "unknown type 99"),
    ("nested", one_key("<IIQ", 9, ARRAY, 1), "of arrays"),
    (
        "items",
        one_key("<IIQ", 9, U8, 1 << 61),
        "a cannot have 2,305,843,009,213,693,952 items",
    ),
    (
        "strings",
        one_key("<IIQ", 9, STRING, MAX_STRINGS + 1),
        "a cannot have 1,000,001 strings",
    ),
    (
        "string length",
        one_key("<IIQ2Q", 9, STRING, 2, (1 << 64) - 1, 1),
        "ends within its header",
    ),
    ("alignment", changed("general.alignment", 48), "power of two"),
    ("dims", header(META, [Tensor("t", (1, 1, 1, 1, 1))]), "5 dimensions"),
    ("overflow", header(META, [Tensor("t", (1 << 40, 1 << 40))]), "impossible sizes"),
    ("negative", header(META, [Tensor("t", ((1 << 64) - 4, 1))]), "impossible sizes"),
    ("zero and huge", header(META, [Tensor("t", (0, 1 << 63))]), "impossible sizes"),
    ("row", header(META, [Tensor("t", (100, 4), "Q4_K")]), "do not fill blocks of Q4_K"),
    ("tensor twice", header(META, ONE * 2), "token_embd.weight is there twice"),
    ("offset", header(META, ONE)[:-8] + struct.pack("<Q", 1 << 50), "lies at a wrong place"),
    ("tensor type", header(META, ONE)[:-12] + struct.pack("<IQ", 4, 0), "unknown type 4"),
    ("beyond", header(META, [Tensor("t", (1 << 30, 64))]), "are missing. The download was not finished"),
    ("no architecture", header({}, ONE), "does not name its architecture"),
    ("architecture", changed("general.architecture", "la\nma"), "name its architecture as it should"),
    ("architecture type", changed("general.architecture", 5), "general.architecture is not a text"),
    ("blocks", changed("llama.block_count", (1 << 32) - 1), "llama.block_count cannot be 4,294,967,295"),
    ("many blocks", changed("llama.block_count", 513), "513 blocks cannot be"),
    ("no blocks", changed("llama.block_count", 0), "0 blocks cannot be"),
    ("block type", changed("llama.block_count", "3"), "llama.block_count is not a whole number"),
    ("width", changed("llama.embedding_length", 0), "how wide"),
    ("negative number", changed("llama.attention.head_count", -3), "head_count cannot be -3"),
    (
        "heads by layer",
        header(META | {"llama.block_count": 3, "llama.attention.head_count": [4, 4]}, ONE),
        "2 entries for 3 blocks",
    ),
    ("float", changed("llama.rope.freq_base", float("nan")), "rope.freq_base is not a number"),
    ("tokens", changed("tokenizer.ggml.tokens", 4), "tokenizer.ggml.tokens is not an array"),
    ("template", changed("tokenizer.chat_template", True), "chat_template is not a text"),
    ("long template", changed("tokenizer.chat_template", "{" * (MAX_TEXT + 1)), "1,048,577 bytes long"),
    ("no tensors", header(META), "holds no tensors"),
    ("projector", changed("general.architecture", "clip"), "projector"),
    ("adapter", changed("general.type", "adapter"), "LoRA"),
    ("no language", header({"general.architecture": "flux"}, ONE), "no language model"),
    ("part 3", header(META | {"split.no": 2, "split.count": 4}, ONE), "part 3 of a split model"),
    ("parts type", changed("split.count", "four"), "split.count cannot be"),
    ("parts", changed("split.count", 60000), "60,000 parts cannot be"),
]  # fmt: skip


@pytest.mark.parametrize(("head", "said"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_what_is_wrong_is_said_in_one_line(head: bytes, said: str) -> None:
    assert said in refused(head)


def test_metadata_that_would_fill_the_memory_are_refused() -> None:
    texts = {f"llama.{number}": "x" * (MAX_TEXT - 9) for number in range(9)}
    assert "more than 8 MiB" in refused(header(META | texts, ONE))


def test_every_cut_through_a_header_is_said() -> None:
    head = header(model_metadata(TINY, quantisation="F16"), model_tensors(TINY, "F16"))
    for end in range(0, len(head), 7):
        refused(head[:end], missing=0)


def test_what_is_no_file_is_said_and_never_waited_for(tmp_path: Path) -> None:
    (tmp_path / "empty.gguf").touch()
    (tmp_path / "folder.gguf").mkdir()
    os.mkfifo(tmp_path / "fifo.gguf")
    (tmp_path / "loop.gguf").symlink_to(tmp_path / "loop.gguf")
    said = {}
    for name in ("empty", "folder", "fifo", "loop", "none", "nul\0"):
        with pytest.raises(LoadError) as caught:
            read_shape(tmp_path / f"{name}.gguf")
        assert caught.value.hint
        said[name] = caught.value.message
    assert said["empty"] == "empty.gguf: the file is empty"
    assert said["folder"] == "folder.gguf is a directory"
    assert said["fifo"] == "fifo.gguf is no regular file"
    assert "Too many levels" in said["loop"]
    assert "No such file" in said["none"]
    assert "cannot be read" in said["nul\0"]


def test_a_file_without_permission_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_model(tmp_path / "closed.gguf")

    def refuse(*_: object) -> int:  # the tests may run as root, who may read everything
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(LoadError, match=r"closed\.gguf cannot be read: Permission denied"):
        read_shape(path)


def test_a_file_that_shrinks_meanwhile_is_said(tmp_path: Path) -> None:
    path = write_model(tmp_path / "shrinks.gguf")
    with FileSource(path) as opened:
        os.truncate(path, 100)
        with pytest.raises(LoadError, match="became shorter"):
            read_header(opened)


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    before = psutil.Process().num_fds()
    (tmp_path / "bad.gguf").write_bytes(b"GGUF" + bytes(99))
    for _ in range(5):
        with pytest.raises(LoadError):
            read_shape(tmp_path / "bad.gguf")
        with pytest.raises(LoadError):
            read_shape(tmp_path)
        read_shape(write_model(tmp_path / "good.gguf"))
    assert psutil.Process().num_fds() == before
