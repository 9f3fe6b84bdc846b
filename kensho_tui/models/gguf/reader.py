"""A GGUF header, version 2 or 3 in little-endian order: its metadata and what it says of its tensors.

Tensors are never read, long arrays are passed over. Every count and length is checked against what the file
can still hold before anything is made for it, and all that is kept is counted, so that a hostile header costs
no more time and memory than the largest honest one.
"""

import struct
from dataclasses import dataclass
from typing import NamedTuple

from kensho_tui.core.text import one_line
from kensho_tui.models.gguf.cursor import Cursor
from kensho_tui.models.gguf.ggml_types import TENSOR_TYPES, TensorType
from kensho_tui.models.gguf.source import Source

MAX_KEYS = 4096
MAX_TENSORS = 16384
MAX_STRINGS = 1_000_000
"""In all arrays together; the largest vocabulary known has 262,000 tokens and 515,000 merges."""
MAX_KEPT = 8 * 1024 * 1024
"""Bytes of keys, names and values that are kept."""
MAX_KEY = 1024
MAX_TEXT = 1024 * 1024
"""Bytes of a value that is kept as text; longer ones are passed over."""
MAX_ITEMS = 1024
"""Numbers of an array that is kept: there is one for each block."""
MAX_DIMS = 4
MAX_SIZE = 1 << 62
DEFAULT_ALIGNMENT = 32

CONVERT = "Get a newer file of this model, or convert it again with llama.cpp"
_NOT_GGUF = "A model must be a file in the GGUF format"
_BOOL, _STRING, _ARRAY = 7, 8, 9
_SCALARS: dict[int, struct.Struct] = {
    0: struct.Struct("<B"),
    1: struct.Struct("<b"),
    2: struct.Struct("<H"),
    3: struct.Struct("<h"),
    4: struct.Struct("<I"),
    5: struct.Struct("<i"),
    6: struct.Struct("<f"),
    _BOOL: struct.Struct("<?"),
    10: struct.Struct("<Q"),
    11: struct.Struct("<q"),
    12: struct.Struct("<d"),
}
# What other files begin with that end up where a model should be.
_OTHERS = (
    (
        b"version https://git-lfs",
        "is a Git LFS pointer and not the model itself",
        "Fetch it with: git lfs pull",
    ),
    (b"<", "is a web page and not a model", "Download the model's file itself"),
    (b"PK\x03\x04", "is a ZIP archive or a PyTorch model", _NOT_GGUF),
    (b"\x80\x02", "is a PyTorch model", _NOT_GGUF),
    (b"ggjt"[::-1], "is in a format older than GGUF", CONVERT),
    (b"ggmf"[::-1], "is in a format older than GGUF", CONVERT),
    (b"ggml"[::-1], "is in a format older than GGUF", CONVERT),
    (
        bytes(16),
        "begins with nothing but zeros",
        "Its download may not have been finished: download it again",
    ),
)


class Skipped(NamedTuple):
    """An array or a text that was passed over: how many items or bytes it has."""

    length: int
    strings: bool


Scalar = bool | int | float
Value = Scalar | str | tuple[Scalar, ...] | Skipped


class TensorInfo(NamedTuple):
    """``dims`` from the fastest-running on; ``size`` in bytes, exact."""

    name: str
    dims: tuple[int, ...]
    type: TensorType
    elements: int
    size: int


@dataclass(frozen=True)
class Header:
    """What a file says before its tensor data, which begin at ``data_offset``."""

    name: str
    version: int
    metadata: dict[str, Value]
    tensors: tuple[TensorInfo, ...]
    data_offset: int


def read_header(source: Source) -> Header:
    """Raises `LoadError`, or `MoreNeeded` where ``source`` holds only the beginning of the header."""
    return _Reader(source).read()


class _Reader:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._cursor = Cursor(source)
        self._strings = 0
        self._kept = 0

    def read(self) -> Header:
        version = self._magic()
        cursor = self._cursor
        tensors, keys = cursor.u64(), cursor.u64()
        # A key takes 13 bytes at least, a tensor 24.
        if keys > MAX_KEYS or keys * 13 > cursor.left:
            raise cursor.bad(f"it cannot hold the {keys:,} metadata keys it announces")
        if tensors > MAX_TENSORS or tensors * 24 > cursor.left:
            raise cursor.bad(f"it cannot hold the {tensors:,} tensors it announces")
        metadata = self._metadata(keys)
        alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
        if isinstance(alignment, bool) or not isinstance(alignment, int) or alignment.bit_count() != 1:
            raise cursor.bad("its alignment is not a power of two")
        infos, data_size = self._tensors(tensors, alignment)
        data_offset = -(-cursor.position // alignment) * alignment
        missing = data_offset + data_size - self._source.size
        if infos and missing > 0:
            raise cursor.bad(
                f"{missing:,} of {data_offset + data_size:,} bytes are missing",
                "The download was not finished: download it again",
            )
        return Header(self._source.name, version, metadata, infos, data_offset)

    def _magic(self) -> int:
        cursor, name = self._cursor, self._source.name
        if self._source.size == 0:
            raise cursor.bad("the file is empty")
        start = self._source.read(0, 64)
        if not start.startswith(b"GGUF"):
            for magic, what, hint in _OTHERS:
                if start.startswith(magic):
                    raise cursor.bad(f"it {what}", hint)
            raise cursor.bad("it is no GGUF file", _NOT_GGUF)
        cursor.skip(4)
        version = cursor.u32()
        if version and version & 0xFFFF == 0:
            raise cursor.bad("it was made for big-endian machines", CONVERT)
        if version == 1:
            raise cursor.bad("GGUF version 1 is not supported any more", CONVERT)
        if version not in (2, 3):
            raise cursor.bad(f"GGUF version {version} is not known", f"{name} may need a newer kensho-tui")
        return version

    def _keep(self, size: int) -> None:
        self._kept += size
        if self._kept > MAX_KEPT:
            raise self._cursor.bad(f"its metadata hold more than {MAX_KEPT >> 20} MiB beside the vocabulary")

    def _name(self, what: str) -> str:
        length = self._cursor.u64()
        if not 0 < length <= MAX_KEY:
            raise self._cursor.bad(f"the name of a {what} cannot be {length:,} bytes long")
        self._keep(length)
        try:
            return self._cursor.take(length).decode()
        except UnicodeDecodeError:
            raise self._cursor.bad(f"the name of a {what} is not UTF-8") from None

    def _metadata(self, count: int) -> dict[str, Value]:
        metadata: dict[str, Value] = {}
        for _ in range(count):
            key = self._name("metadata key")
            if key in metadata:
                raise self._cursor.bad(f"the metadata key {one_line(key, 80)} is there twice")
            metadata[key] = self._value(key, self._cursor.u32())
        return metadata

    def _value(self, key: str, code: int) -> Value:
        scalar = _SCALARS.get(code)
        if scalar is not None:
            value: Scalar = scalar.unpack(self._cursor.take(scalar.size))[0]
            return value
        if code == _STRING:
            return self._text()
        if code == _ARRAY:
            return self._array(key)
        raise self._cursor.bad(f"{one_line(key, 80)} has a value of the unknown type {code}")

    def _text(self) -> str | Skipped:
        """Bytes that are not UTF-8 become U+FFFD: no reason to refuse a model that llama.cpp takes."""
        length = self._cursor.u64()
        if length > MAX_TEXT:
            self._cursor.skip(length)
            return Skipped(length, strings=False)
        self._keep(length)
        return self._cursor.take(length).decode("utf-8", "replace")

    def _array(self, key: str) -> tuple[Scalar, ...] | Skipped:
        cursor = self._cursor
        code, count = cursor.u32(), cursor.u64()
        if code == _STRING:
            self._strings += count
            if count * 8 > cursor.left or self._strings > MAX_STRINGS:
                raise cursor.bad(f"{one_line(key, 80)} cannot have {count:,} strings")
            cursor.skip_strings(count)
            return Skipped(count, strings=True)
        scalar = _SCALARS.get(code)
        if scalar is None:
            what = "arrays" if code == _ARRAY else f"values of the unknown type {code}"
            raise cursor.bad(f"{one_line(key, 80)} is an array of {what}")
        size = scalar.size * count
        if size > cursor.left:
            raise cursor.bad(f"{one_line(key, 80)} cannot have {count:,} items")
        if count > MAX_ITEMS:
            cursor.skip(size)
            return Skipped(count, strings=False)
        self._keep(40 * count)  # what Python takes for a number in a tuple
        return tuple(item for (item,) in scalar.iter_unpack(cursor.take(size)))

    def _tensors(self, count: int, alignment: int) -> tuple[tuple[TensorInfo, ...], int]:
        """The tensors and the bytes from the first one's beginning to the last one's end."""
        infos: dict[str, TensorInfo] = {}
        end = 0
        for _ in range(count):
            info, offset = self._tensor()
            if info.name in infos:
                raise self._cursor.bad(f"the tensor {one_line(info.name, 80)} is there twice")
            # llama.cpp demands it too: tensors lie one after the other, in the order they are named in.
            if offset != -(-end // alignment) * alignment:
                raise self._cursor.bad(f"the tensor {one_line(info.name, 80)} lies at a wrong place")
            infos[info.name] = info
            end = offset + info.size
        return tuple(infos.values()), end

    def _tensor(self) -> tuple[TensorInfo, int]:
        cursor = self._cursor
        name = self._name("tensor")
        count = cursor.u32()
        if count > MAX_DIMS:
            raise cursor.bad(f"the tensor {one_line(name, 80)} has {count:,} dimensions")
        *dims, kind, offset = struct.unpack(f"<{count}QIQ", cursor.take(8 * count + 12))
        elements = 1
        for dim in dims:
            elements *= dim
        if max(elements, *dims, 0) > MAX_SIZE:
            raise cursor.bad(f"the tensor {one_line(name, 80)} has impossible sizes: {dims}")
        tensor_type = TENSOR_TYPES.get(kind)
        if tensor_type is None:
            raise cursor.bad(
                f"the tensor {one_line(name, 80)} is of the unknown type {kind}",
                "The file is damaged, or needs a newer kensho-tui",
            )
        if (dims[0] if dims else 1) % tensor_type.block:
            raise cursor.bad(
                f"rows of the tensor {one_line(name, 80)} do not fill blocks of {tensor_type.name}"
            )
        self._keep(400)  # what Python takes for an info
        return TensorInfo(name, tuple(dims), tensor_type, elements, tensor_type.row_bytes(elements)), offset
