"""A saved KV cache as a file: token ids, the text they stand for, and llama.cpp's own state of the sequence.

llama.cpp trusts what it is given: half a state aborts the process, flipped bytes load without a word. So the
file is checked whole before any of it gets there. Little-endian, in this order:

    fixed      magic, version, then the sizes of all that follows
    key        for which model, build and shape of cache the state is good (UTF-8)
    ids, ends  4 bytes each; ``ends[n]`` is where in the text the bytes of id n end
    text
    digest     SHA-256 of everything above
    payload    llama.cpp's state
    digest     SHA-256 of the digest above and the SHA-256 of each `SEGMENT` of the payload

Segments let several cores read and hash at once. SHA-256, because processors have instructions for it: 1.8
GB/s where BLAKE2b does 0.9.
"""

import errno
import hashlib
import mmap
import os
import stat
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Self

from kensho_tui.core.errors import DiskFullError, StorageError
from kensho_tui.worker.kept import KeptState

MAGIC = b"KENSHOKV"
VERSION = 1
SEGMENT = 4 << 20
WRITE_STEP = 16 << 20
READERS = 4
# Far above what any model and chat need: a file that says more is damaged, or no file of ours.
MAX_KEY, MAX_TOKENS, MAX_TEXT, MAX_PAYLOAD = 1 << 10, 1 << 24, 1 << 30, 1 << 36

_FIXED = struct.Struct("<8sIIIIQQ")
_DIGEST = hashlib.sha256().digest_size
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

Aborted = Callable[[], bool]


class StateRefused(Exception):
    """The file cannot be used; the text says why, in one line."""


class StateAborted(Exception):
    """The person aborted meanwhile."""


class Sizes(NamedTuple):
    """The fixed part. Bytes, but for the counts ``ids`` and ``ends``."""

    key: int
    ids: int
    ends: int
    text: int
    payload: int

    @property
    def head(self) -> int:
        """Everything before the first digest."""
        return _FIXED.size + self.key + 4 * (self.ids + self.ends) + self.text

    @property
    def file(self) -> int:
        return self.head + _DIGEST + self.payload + _DIGEST

    def check(self, actual: int) -> None:
        """Raises `StateRefused` unless a file of `actual` bytes can be what these sizes say."""
        largest = Sizes(MAX_KEY, MAX_TOKENS, self.ids, MAX_TEXT, MAX_PAYLOAD)
        absurd = any(size > most for size, most in zip(self, largest, strict=True)) or not self.payload
        if absurd or self.file != actual:
            raise StateRefused("the saved cache is damaged: its length is not what it says")


# --- writing ----------------------------------------------------------------------------------------


def write_state(path: Path, key: str, kept: KeptState, payload: memoryview, aborted: Aborted) -> int:
    """Replace `path` whole by a file with this content (0600); its size in bytes.

    Raises `DiskFullError`, `StorageError`, `StateAborted`; nothing new is left behind then.
    """
    head = _head(key.encode(), kept, len(payload))
    first = hashlib.sha256(head).digest()
    last = _whole(first, _segments(len(payload), lambda start, end: _hash(payload[start:end], aborted)))
    part = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        try:
            _write_whole(part, [head, first, payload, last], aborted)
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in _FULL:
            raise DiskFullError(
                f"the chat's cache was not saved: {reason}",
                hint="Free some space; the chat itself is safe, it only starts slower the next time",
            ) from None
        raise StorageError(f"the chat's cache was not saved: {reason}") from None
    return len(head) + len(payload) + 2 * _DIGEST


def _head(key: bytes, kept: KeptState, payload: int) -> bytes:
    sizes = Sizes(len(key), len(kept.ids), len(kept.ends), len(kept.text), payload)
    numbers = struct.pack(f"<{sizes.ids + sizes.ends}I", *kept.ids, *kept.ends)
    return _FIXED.pack(MAGIC, VERSION, *sizes) + key + numbers + kept.text


def _write_whole(path: Path, contents: list[bytes | memoryview], aborted: Aborted) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
        for content in contents:
            rest = memoryview(content)
            while rest:
                if aborted():
                    raise StateAborted
                rest = rest[os.write(descriptor, rest[:WRITE_STEP]) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Make a rename last. File systems that cannot do that for folders are left alone."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


# --- reading ----------------------------------------------------------------------------------------


class StateFile:
    """An open file whose ``kept`` part is checked already; `payload` reads and checks the rest.

    Raises `StateRefused` for anything that is not a whole file of ours with this `key`.
    """

    def __init__(self, path: Path, key: str) -> None:
        try:
            # Not blocking: a pipe in the file's place shall not be waited for.
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            raise _unreadable(error) from None
        try:
            self._sizes, self._first, self.kept = self._read_head(key.encode())
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        os.close(self._fd)

    def _read_head(self, key: bytes) -> tuple[Sizes, bytes, KeptState]:
        found = os.fstat(self._fd)
        if not stat.S_ISREG(found.st_mode):
            raise StateRefused("the saved cache is not a file")
        if found.st_size < _FIXED.size:
            raise StateRefused("the saved cache is cut off")
        magic, version, *numbers = _FIXED.unpack(self._read(0, _FIXED.size))
        if magic != MAGIC:
            raise StateRefused("the saved cache is not a file of ours")
        if version != VERSION:
            raise StateRefused(f"the saved cache has format {version}, and {VERSION} is known here")
        sizes = Sizes(*numbers)
        sizes.check(found.st_size)
        head = self._read(0, sizes.head)
        digest = hashlib.sha256(head).digest()
        if self._read(sizes.head, _DIGEST) != digest:
            raise StateRefused("the saved cache is damaged: its digest does not agree")
        if head[_FIXED.size : _FIXED.size + sizes.key] != key:
            raise StateRefused("the saved cache is of another model, build or context")
        return sizes, digest, _kept(head, sizes)

    def payload(self, aborted: Aborted) -> mmap.mmap:
        """llama.cpp's state in memory of its own, its digest checked. Raises `StateAborted` too."""
        sizes = self._sizes
        try:
            buffer = mmap.mmap(-1, sizes.payload)
        except (OSError, OverflowError):
            raise StateRefused("the saved cache does not fit into memory") from None
        offset = sizes.head + _DIGEST

        def read(start: int, end: int) -> bytes:
            with memoryview(buffer)[start:end] as view:
                self._read_into(view, offset + start)
                return _hash(view, aborted)

        digest = _whole(self._first, _segments(sizes.payload, read))
        if self._read(offset + sizes.payload, _DIGEST) != digest:
            raise StateRefused("the saved cache is damaged: its digest does not agree")
        return buffer

    def _read(self, offset: int, size: int) -> bytes:
        data = bytearray(size)
        self._read_into(memoryview(data), offset)
        return bytes(data)

    def _read_into(self, view: memoryview, offset: int) -> None:
        done = 0
        while done < len(view):
            try:
                count = os.preadv(self._fd, [view[done:]], offset + done)
            except OSError as error:
                raise _unreadable(error) from None
            if count == 0:
                raise StateRefused("the saved cache is cut off")
            done += count


def _unreadable(error: OSError) -> StateRefused:
    return StateRefused(f"the saved cache cannot be read: {error.strerror or error}")


def _kept(head: bytes, sizes: Sizes) -> KeptState:
    at = _FIXED.size + sizes.key
    numbers = struct.unpack_from(f"<{sizes.ids + sizes.ends}I", head, at)
    ids, ends, text = numbers[: sizes.ids], numbers[sizes.ids :], head[sizes.head - sizes.text :]
    if list(ends) != sorted(ends) or (ends[-1] if ends else 0) != len(text):
        raise StateRefused("the saved cache is damaged: its text does not agree with its tokens")
    return KeptState(ids, ends, text)


# --- digests ----------------------------------------------------------------------------------------


def _hash(view: memoryview, aborted: Aborted) -> bytes:
    if aborted():
        raise StateAborted
    return hashlib.sha256(view).digest()


def _whole(first: bytes, segments: list[bytes]) -> bytes:
    return hashlib.sha256(first + b"".join(segments)).digest()


def _segments(size: int, work: Callable[[int, int], bytes]) -> list[bytes]:
    """What `work` gives for each segment of `size` bytes, in order; done by several threads."""
    starts = range(0, size, SEGMENT)
    found: dict[int, bytes] = {}
    failed: list[BaseException] = []
    waiting = iter(starts)

    def run() -> None:
        try:
            for start in waiting:
                if failed:
                    return
                found[start] = work(start, min(start + SEGMENT, size))
        except BaseException as error:
            failed.append(error)

    helpers = [
        threading.Thread(target=run) for _ in range(min(READERS, os.cpu_count() or 1, len(starts)) - 1)
    ]
    for helper in helpers:
        helper.start()
    run()
    for helper in helpers:
        helper.join()
    if failed:
        raise failed[0]
    return [found[start] for start in starts]
