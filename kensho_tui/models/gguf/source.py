"""Where a header is read from: a file, or the first bytes of one that is far away."""

import os
import stat
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from kensho_tui.core.errors import LoadError
from kensho_tui.core.text import one_line


class MoreNeeded(Exception):
    """The header goes on beyond the bytes at hand: ask again with the file's first ``upto`` bytes.

    Those are twice as many as there were, or more, so that asking again and again ends soon.
    """

    def __init__(self, least: int, source: "Source") -> None:
        upto = min(max(least, 2 * source.held), source.size)
        super().__init__(f"the first {upto:,} bytes are needed")
        self.upto = upto


class Source(Protocol):
    """Bytes by position. ``name`` is for messages, ``size`` the whole file's, ``held`` what can be read."""

    @property
    def name(self) -> str: ...

    @property
    def size(self) -> int: ...

    @property
    def held(self) -> int: ...

    def read(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes, fewer only where what is held ends. Raises `LoadError`."""
        ...


class PrefixSource:
    """The first bytes of a file of ``size`` bytes that is somewhere else."""

    def __init__(self, data: bytes, size: int, name: str = "the file") -> None:
        self.name = one_line(name)
        self.size = size
        self.held = min(len(data), size)
        self._data = data

    def read(self, offset: int, length: int) -> bytes:
        return self._data[offset : min(offset + length, self.held)]


class FileSource:
    """A file that is open for reading; to be used as a context manager. Raises `LoadError`."""

    def __init__(self, path: Path) -> None:
        self.name = one_line(path.name)
        try:
            # Without O_NONBLOCK a FIFO would wait for its writer.
            self._handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        except (OSError, ValueError) as error:
            raise self._unreadable(error) from None
        try:
            status = os.fstat(self._handle)
        except OSError as error:
            self.close()
            raise self._unreadable(error) from None
        if not stat.S_ISREG(status.st_mode):
            self.close()
            kind = "a directory" if stat.S_ISDIR(status.st_mode) else "no regular file"
            raise LoadError(f"{self.name} is {kind}", hint="A model is a file in the GGUF format")
        self.size = self.held = status.st_size

    def read(self, offset: int, length: int) -> bytes:
        try:
            return os.pread(self._handle, length, offset)
        except OSError as error:
            raise self._unreadable(error) from None

    def _unreadable(self, error: Exception) -> LoadError:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        hint = "It may have been moved or deleted" if isinstance(error, FileNotFoundError) else ""
        return LoadError(
            f"{self.name} cannot be read: {reason}", hint=hint or "Look at the file and its permissions"
        )

    def close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
