"""What a loopback hub serves: bytes, files of this machine, and bytes made up as they are asked for."""

import hashlib
import os
import random
from collections.abc import Iterator
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Protocol

from tests.support.gguf import TINY, model_metadata, model_tensors
from tests.support.gguf_format import header

MIB = 1 << 20


class Content(Protocol):
    """``read`` gives the bytes from ``start`` on, ``size`` of them or as many as there are."""

    @property
    def size(self) -> int: ...

    @property
    def sha256(self) -> str: ...

    def read(self, start: int, size: int) -> bytes: ...


class Bytes:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    def read(self, start: int, size: int) -> bytes:
        return self.data[start : start + size]


class OnDisk:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = path.stat().st_size

    @cached_property
    def sha256(self) -> str:
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def read(self, start: int, size: int) -> bytes:
        with self.path.open("rb") as file:
            return os.pread(file.fileno(), size, start)


@lru_cache(maxsize=4)
def _block(seed: int) -> bytes:
    return random.Random(seed).randbytes(MIB)


@lru_cache(maxsize=1)
def _head() -> bytes:
    return header(model_metadata(TINY), model_tensors(TINY))


class Generated:
    """``size`` bytes that are nowhere: a small model's GGUF header, then noise. Every MiB of it is different.

    Another ``seed`` gives other bytes from the header on. ``model`` False: noise from the start.
    """

    def __init__(self, size: int, seed: int = 0, *, model: bool = True) -> None:
        self.size = size
        self.seed = seed
        self.model = model

    @cached_property
    def sha256(self) -> str:
        digest = hashlib.sha256()
        for start in range(0, self.size, MIB):
            digest.update(self.read(start, MIB))
        return digest.hexdigest()

    def read(self, start: int, size: int) -> bytes:
        return b"".join(self._pieces(start, min(start + size, self.size)))

    def _pieces(self, at: int, end: int) -> Iterator[bytes]:
        """Each MiB is the same noise after its own number, the first one after the header."""
        while at < end:
            number, offset = divmod(at, MIB)
            mark = _head() if number == 0 and self.model else number.to_bytes(8, "little")
            upto = min(end - number * MIB, MIB)
            if offset < len(mark):
                upto = min(upto, len(mark))
                yield mark[offset:upto]
            else:
                yield _block(self.seed)[offset:upto]
            at = number * MIB + upto


class Listed:
    """A file that is only told of: listings have it, nobody can fetch it. Any values, possible or not."""

    def __init__(self, size: int, sha256: str = "0" * 64) -> None:
        self.size = size
        self.sha256 = sha256

    def read(self, start: int, size: int) -> bytes:
        raise FileNotFoundError


def content_of(given: bytes | Path | Content) -> Content:
    if isinstance(given, bytes):
        return Bytes(given)
    return OnDisk(given) if isinstance(given, Path) else given
