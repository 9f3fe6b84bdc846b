"""GGUF files made by hand: any header, right or wrong. Models are in `tests.support.gguf`."""

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from kensho_tui.models.gguf.ggml_types import FILE_TYPES, TENSOR_TYPES

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
_FORMATS = {
    U8: "B",
    I8: "b",
    U16: "H",
    I16: "h",
    U32: "I",
    I32: "i",
    F32: "f",
    BOOL: "?",
    U64: "Q",
    I64: "q",
    F64: "d",
}
TYPE_IDS = {kind.name: number for number, kind in TENSOR_TYPES.items()}
FILE_TYPE_IDS = {name: number for number, name in FILE_TYPES.items()}
ALIGNMENT = 32


class Typed(NamedTuple):
    """A value with its GGUF type; for an array ``code`` is that of its elements."""

    code: int
    value: Any


class Tensor(NamedTuple):
    name: str
    dims: tuple[int, ...]
    type: str = "F32"

    @property
    def size(self) -> int:
        kind = TENSOR_TYPES[TYPE_IDS[self.type]]
        elements = 1
        for dim in self.dims:
            elements *= dim
        return kind.row_bytes(elements)


def padded(size: int, alignment: int = ALIGNMENT) -> int:
    return -(-size // alignment) * alignment


def string(text: str | bytes) -> bytes:
    raw = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(raw)) + raw


def _code(value: Any) -> int:
    if isinstance(value, bool):
        return BOOL
    if isinstance(value, int):
        return U32 if 0 <= value < 1 << 32 else I64
    return F32 if isinstance(value, float) else STRING


def value(given: Any) -> bytes:
    """A metadata value with its type: a bool, int, float, str, a list of one of them, or `Typed`."""
    if isinstance(given, Typed) and not isinstance(given.value, list):
        return struct.pack("<I", given.code) + scalar(given.code, given.value)
    if isinstance(given, Typed | list):
        items = given.value if isinstance(given, Typed) else given
        code = given.code if isinstance(given, Typed) else _code(items[0])
        if code == STRING:
            body = b"".join(map(string, items))
        else:
            body = struct.pack(f"<{len(items)}{_FORMATS[code]}", *items)
        return struct.pack("<IIQ", ARRAY, code, len(items)) + body
    code = _code(given)
    return struct.pack("<I", code) + scalar(code, given)


def scalar(code: int, given: Any) -> bytes:
    return string(given) if code == STRING else struct.pack(f"<{_FORMATS[code]}", given)


def header(
    metadata: Mapping[str, Any],
    tensors: Sequence[Tensor] = (),
    *,
    version: int = 3,
    alignment: int = ALIGNMENT,
) -> bytes:
    """The file up to its tensor data, which begin at the next multiple of ``alignment``."""
    parts = [struct.pack("<4sIQQ", b"GGUF", version, len(tensors), len(metadata))]
    parts += [string(key) + value(given) for key, given in metadata.items()]
    offset = 0
    for tensor in tensors:
        parts.append(string(tensor.name))
        parts.append(struct.pack(f"<I{len(tensor.dims)}Q", len(tensor.dims), *tensor.dims))
        parts.append(struct.pack("<IQ", TYPE_IDS[tensor.type], offset))
        offset += padded(tensor.size, alignment)
    return b"".join(parts)


def write(
    path: Path, metadata: Mapping[str, Any], tensors: Sequence[Tensor] = (), *, sparse: bool = True
) -> Path:
    """A file with this header; ``sparse``: as long as its tensors need it to be, else cut off before them."""
    head = header(metadata, tensors)
    with path.open("wb") as file:
        file.write(head)
        if sparse:
            file.truncate(padded(len(head)) + sum(padded(tensor.size) for tensor in tensors))
    return path
