"""The bytes fetched of one file, and their hash in step with them."""

import fcntl
import hashlib
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from kensho_tui.core.errors import KenshoError

READ = 4 << 20
LET_GO_S = 2.0
"""A host that ends has let go of its parts by then."""


def size_of(path: Path) -> int:
    """Bytes of the part that are on disk; 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


class PartFile:
    """Used by one thread at a time. Raises OSError, and `KenshoError` where another host has it.

    What an earlier try or host left is taken as it is; `catch_up` reads it once for the hash. ``inherited``:
    some of it was not fetched by this object, so that a wrong hash may be the disk's fault.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.inherited = False
        self._hash = hashlib.sha256()
        self._hashed = 0
        self._handle = -1

    def open(self) -> None:
        if self._handle < 0:
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            self._handle = os.open(self.path, flags, 0o600)
            self._claim()
        size = os.fstat(self._handle).st_size
        if size < self._hashed:  # somebody else cut it
            self._restart_hash()
        self.inherited = self.inherited or size > self._hashed
        self.size = size

    def _claim(self) -> None:
        """Two hosts may share a models folder; a part is written by one of them."""
        until = time.monotonic() + LET_GO_S
        while not self._locked():
            if time.monotonic() >= until:
                break
            time.sleep(0.05)
        else:
            with suppress(OSError):
                if os.path.samestat(os.stat(self.path), os.fstat(self._handle)):  # noqa: PTH116
                    return  # and not what the other one has just installed
        self.close()
        raise KenshoError(
            "another host of kensho-tui fetches it",
            hint="Two share this models folder: let the other one end it, or stop that one, then resume",
        )

    def _locked(self) -> bool:
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks
            return True
        return True

    def catch_up(self, stopped: Callable[[], bool]) -> None:
        """Hash what is there and not hashed yet."""
        while self._hashed < self.size and not stopped():
            block = os.pread(self._handle, min(READ, self.size - self._hashed), self._hashed)
            if not block:
                raise OSError(f"{self.path.name} shrank while it was read")
            self._hash.update(block)
            self._hashed += len(block)

    def append(self, block: bytes) -> None:
        """Write `block` behind what is there. At a full disk what fits stays."""
        rest = memoryview(block)
        while rest:
            written = os.pwrite(self._handle, rest, self.size)
            self._hash.update(rest[:written])
            self.size += written
            self._hashed = self.size
            rest = rest[written:]

    def clear(self) -> None:
        """Begin anew."""
        os.ftruncate(self._handle, 0)
        self.size = 0
        self.inherited = False
        self._restart_hash()

    def _restart_hash(self) -> None:
        self._hash = hashlib.sha256()
        self._hashed = 0

    def sha256(self) -> str:
        """Of all its bytes, in hexadecimal; after `catch_up`."""
        return self._hash.hexdigest()

    def settle(self) -> None:
        """Closed so far; then it is on disk for good."""
        if not self.path.exists():
            raise KenshoError("it was removed while it was fetched", hint="Resume fetches it again")
        with self:
            os.fsync(self._handle)

    def discard(self) -> None:
        """Closed so far; then it is gone."""
        with self:
            self.clear()
        remove(self.path)

    def close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
