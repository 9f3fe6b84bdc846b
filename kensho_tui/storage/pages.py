"""The pages of a database file that SQLite refuses to read: each by itself, as the file and its log hold it.

The format is that of https://www.sqlite.org/fileformat2.html; numbers are big-endian.
"""

import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kensho_tui.storage.files import beside

MAGIC = b"SQLite format 3\0"
HEADER = 100  # bytes of page 1 before its tree
USUAL_SIZE = 4096
RESERVED = (0, 12)
"""Bytes at the end of each page that builds of SQLite leave to themselves: Apple's does."""

_LOG_MAGIC = (0x377F0682, 0x377F0683)  # the last bit: checksums are big-endian
_LOG_HEADER = 32
_FRAME_HEADER = 24


class Pages:
    """Pages by number, from 1 to ``count``. ``usable`` bytes of each are SQLite's own.

    ``highest`` is the greatest number that a page may refer to. ``told`` gets the share of all pages that was
    read, a hundred times at most until all were read once.
    A file without a readable header is taken for one with pages of the usual size.
    """

    def __init__(self, file: int, log: int, told: Callable[[float], None]) -> None:
        self._file = file
        self._log = log
        self._told = told
        self._reads = 0
        self.size, self._frames, committed = _read_log(log)
        self.size = self.size or _page_size(os.pread(file, HEADER, 0)) or USUAL_SIZE
        whole = os.fstat(file).st_size // self.size
        # Pages that a log adds are in it.
        self.count = min(max(whole, committed), whole + len(self._frames))
        first = self.read(1) or b""
        self.header = first[:HEADER] if first.startswith(MAGIC) else b""
        # A file that was cut short has pages that refer to those behind its end.
        self.highest = max(self.count, int.from_bytes(self.header[28:32], "big"))
        self.usable = self.size - (self.header[20] if self.header and self.header[20] in RESERVED else 0)

    def read(self, number: int) -> bytes | None:
        """None for a page that is not there, or that the disk does not give."""
        self._reads += 1
        if self._reads <= self.count and self._reads % (self.count // 100 + 1) == 0:
            self._told(self._reads / self.count)
        frame = self._frames.get(number)
        try:
            if frame is None:
                page = os.pread(self._file, self.size, (number - 1) * self.size)
            else:
                page = os.pread(self._log, self.size, frame)
        except OSError:
            return None
        return page if len(page) == self.size else None

    @property
    def free_count(self) -> int:
        """How many pages are free, as the first page says; -1 where it is gone."""
        return int.from_bytes(self.header[36:40], "big") if self.header else -1

    def free(self) -> Iterator[int]:
        """Pages that hold nothing any more, as far as the list of them can be followed."""
        trunk = int.from_bytes(self.header[32:36], "big")
        seen = set()
        while 1 < trunk <= self.count and trunk not in seen:
            seen.add(trunk)
            page = self.read(trunk)
            if page is None:
                return
            following, length = struct.unpack_from(">II", page)
            if following > self.highest or length > self.usable // 4 - 2:
                return
            leaves = struct.unpack_from(f">{length}I", page, 8)
            if not all(1 < leaf <= self.highest for leaf in leaves):
                return
            yield trunk
            yield from (leaf for leaf in leaves if leaf <= self.count)
            trunk = following


@contextmanager
def open_pages(path: Path, told: Callable[[float], None] = lambda share: None) -> Iterator[Pages]:
    """The pages of the database at `path` and of its log; either may be absent. ``told`` as for `Pages`."""
    files: list[int] = []
    try:
        for part in (path, beside(path, "-wal")):
            name = part if part.exists() else Path(os.devnull)
            files.append(os.open(name, os.O_RDONLY | os.O_CLOEXEC))
        yield Pages(files[0], files[1], told)
    finally:
        for file in files:
            os.close(file)


def _page_size(header: bytes) -> int:
    """0 where `header` is none."""
    if not header.startswith(MAGIC) or len(header) < HEADER:
        return 0
    size = int.from_bytes(header[16:18], "big")
    size = 65536 if size == 1 else size
    return size if 512 <= size <= 65536 and size & (size - 1) == 0 else 0


def _read_log(log: int) -> tuple[int, dict[int, int], int]:
    """Page size, places of the newest committed pages, and pages of the database after the last commit.

    As SQLite reads it: up to the first frame whose salt or checksum does not hold.
    """
    header = os.pread(log, _LOG_HEADER, 0)
    if len(header) < _LOG_HEADER:
        return 0, {}, 0
    magic, _, size = struct.unpack_from(">III", header)
    if magic not in _LOG_MAGIC or not 512 <= size <= 65536 or size & (size - 1):
        return 0, {}, 0
    order = "><"[magic == _LOG_MAGIC[0]]
    total = _checksum(header[:24], order, (0, 0))
    if total != struct.unpack_from(">II", header, 24):
        return 0, {}, 0
    salts = header[16:24]
    committed: dict[int, int] = {}
    pending: dict[int, int] = {}
    pages, at = 0, _LOG_HEADER
    while len(frame := os.pread(log, _FRAME_HEADER + size, at)) == _FRAME_HEADER + size:
        total = _checksum(frame[:8] + frame[_FRAME_HEADER:], order, total)
        if frame[8:16] != salts or total != struct.unpack_from(">II", frame, 16):
            break
        number, commit = struct.unpack_from(">II", frame)
        pending[number] = at + _FRAME_HEADER
        if commit:
            committed |= pending
            pending, pages = {}, commit
        at += len(frame)
    return size, committed, pages


def _checksum(data: bytes, order: str, total: tuple[int, int]) -> tuple[int, int]:
    first, second = total
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second
