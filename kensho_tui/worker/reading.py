"""Reads a model file ahead of llama.cpp, into the page cache.

With mmap llama.cpp reports progress only in the last few per cent of a load, and can be cancelled only
there. Reading the file first gives progress and cancelling from the first moment, and overlaps with the
import of the library.
"""

import re
import stat
import threading
from collections.abc import Callable
from pathlib import Path

from kensho_tui.core.errors import LoadError

STEP = 16 << 20
BUFFER = 1 << 20  # stays in the CPU's cache
_SPLIT = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$")
CANCELLED = "loading was cancelled"


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
    """Reads in a thread of its own; `wait` gives what came of it."""

    def __init__(
        self, path: str, report: Callable[[int, int], None], cancelled: Callable[[], bool], step: int = STEP
    ) -> None:
        self._report = report
        self._cancelled = cancelled
        self._step = step
        self._error: LoadError | None = None
        self._thread = threading.Thread(target=self._run, args=(parts(Path(path)),), name="read", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Returns when all is read. Raises `LoadError` (also when cancelled)."""
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self, paths: list[Path]) -> None:
        try:
            total, done = total_size(paths), 0
            self._report(0, total)
            buffer = memoryview(bytearray(min(BUFFER, self._step)))
            for path in paths:
                done = self._read(path, buffer, done, total)
        except LoadError as error:
            self._error = error

    def _read(self, path: Path, buffer: memoryview, done: int, total: int) -> int:
        try:
            with path.open("rb", buffering=0) as file:
                while count := file.readinto(buffer):
                    done += count
                    if done % self._step < count or done == total:
                        self._report(done, total)
                    if self._cancelled():
                        raise LoadError(CANCELLED)
        except OSError as error:
            raise _unreadable(path, error) from None
        return done


def _unreadable(path: Path, error: OSError) -> LoadError:
    return LoadError(
        f"{path} cannot be read: {error.strerror or error}", hint="Check the path and its permissions"
    )
