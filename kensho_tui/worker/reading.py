"""Reads a model file ahead of llama.cpp, into the page cache.

With mmap llama.cpp reports progress only in the last few per cent of a load, and can be cancelled only
there. Reading the file first gives progress and cancelling from the first moment, and overlaps with the
import of the library.
"""

import os
import re
import stat
import threading
import time
from collections.abc import Callable
from io import FileIO
from pathlib import Path

from kensho_tui.core.errors import LoadError

STEP = 16 << 20
BUFFER = 1 << 20  # stays in the CPU's cache
_SPLIT = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$")
CANCELLED = "loading was cancelled"
FRESH_S = 30.0
"""So long what was read is believed to be in the page cache still: after it, reading again is safer."""

Report = Callable[[int, int], None]
Cancelled = Callable[[], bool]
_Identity = tuple[int, int, int, int]


def parts(path: Path) -> list[Path]:
    """All files of the model at `path`: a split GGUF is named by its first part."""
    found = _SPLIT.search(path.name)
    if not found:
        return [path]
    stem, count = path.name[: found.start()], int(found.group(2))
    return [path.with_name(f"{stem}-{number:05d}-of-{count:05d}.gguf") for number in range(1, count + 1)]


def total_size(paths: list[Path]) -> int:
    """Bytes of all `paths`. Raises `LoadError` for what is absent, unreadable or no regular file."""
    total = 0
    for path in paths:
        try:
            status = path.stat()
        except OSError as error:
            raise _unreadable(path, error) from None
        if not stat.S_ISREG(status.st_mode):
            raise LoadError(f"{path} is not a file", hint="Give the path of a GGUF file")
        if status.st_size == 0:
            raise LoadError(f"{path} is empty", hint="Download the model again")
        total += status.st_size
    return total


class ReadAhead:
    """Reads in a thread of its own; `wait` gives what came of it.

    Begun for a load it reports, and can be cancelled; begun as a prefetch it is silent until a load follows.
    """

    def __init__(
        self, path: str, report: Report | None = None, cancelled: Cancelled | None = None, step: int = STEP
    ) -> None:
        self.path = path
        self._report = report or _silent
        self._cancelled = cancelled or _never
        self._step = step
        self._stopped = False
        self._error: LoadError | None = None
        self._files: list[_Identity] = []
        self._done = self._total = 0
        self._ended: float | None = None
        self._parts = parts(Path(path))
        self._thread = threading.Thread(target=self._run, name="read", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Returns when all is read. Raises `LoadError` (also when cancelled)."""
        self._thread.join()
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Read no further; does not wait."""
        self._stopped = True

    def follow(self, report: Report, cancelled: Cancelled) -> bool:
        """Make a prefetch the reading of a load, which goes on from where it is.

        False when it is no good for that: it failed, was over too long ago, or the files are others now.
        """
        if self._error is not None or not self._is_fresh():
            return False
        self._report, self._cancelled = report, cancelled
        if self._total:
            report(self._done, self._total)
        return True

    def _is_fresh(self) -> bool:
        if self._ended is not None and time.monotonic() - self._ended > FRESH_S:
            return False
        try:
            return not self._files or self._files == [_identity(path) for path in self._parts]
        except OSError:
            return False

    def _run(self) -> None:
        try:
            self._total = total_size(self._parts)
            self._files = [_identity(path) for path in self._parts]
            self._report(0, self._total)
            buffer = memoryview(bytearray(min(BUFFER, self._step)))
            for path in self._parts:
                with path.open("rb", buffering=0) as file:
                    self._read(file, buffer)
        except LoadError as error:
            self._error = error
        except OSError as error:
            self._error = _unreadable(Path(self.path), error)
        self._ended = time.monotonic()

    def _read(self, file: FileIO, buffer: memoryview) -> None:
        at = 0
        while True:
            if at % self._step == 0:
                _announce(file, at, self._step)
            # Not past the end of the step, so that each one is announced.
            count = file.readinto(buffer[: self._step - at % self._step])
            if not count:
                return
            at += count
            self._done += count
            if at % self._step == 0 or self._done == self._total:
                self._report(self._done, self._total)
            if self._stopped or self._cancelled():
                raise LoadError(CANCELLED)


def _announce(file: FileIO, at: int, size: int) -> None:
    """Have the system read these bytes in few large pieces: twice as fast as what it guesses by itself."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(file.fileno(), at, size, os.POSIX_FADV_WILLNEED)


def _identity(path: Path) -> _Identity:
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _silent(_done: int, _total: int) -> None:
    pass


def _never() -> bool:
    return False


def _unreadable(path: Path, error: OSError) -> LoadError:
    return LoadError(
        f"{path} cannot be read: {error.strerror or error}", hint="Check the path and its permissions"
    )
