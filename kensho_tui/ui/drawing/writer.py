"""Writes to the terminal in a thread; whoever hands it text never waits, whatever the terminal does."""

import os
import select
import threading
from collections import deque
from typing import IO

CLOSE_S = 2.0
_CHUNK_BYTES = 4096


class TerminalWriter:
    """A file-like with the methods of Textual's `WriterThread`, but without a limit to its queue."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._pending: deque[bytes] = deque()
        self._unwritten = 0
        self._changed = threading.Condition()
        self._open = True
        self._thread = threading.Thread(target=self._run, daemon=True, name="terminal-writer")

    @property
    def unwritten(self) -> int:
        """Bytes that the terminal has not taken yet."""
        return self._unwritten

    def start(self) -> None:
        self._thread.start()

    def write(self, text: str) -> int:
        """Take `text` for writing; returns its bytes. After `stop` it is dropped."""
        data = text.encode("utf-8", "replace")
        with self._changed:
            if self._open and data:
                self._pending.append(data)
                self._unwritten += len(data)
                self._changed.notify()
        return len(data)

    def flush(self) -> None:
        """Nothing to do: the thread writes as soon as it can."""

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._file.fileno()

    def stop(self) -> None:
        """Write what is left, for a limited time. A terminal that takes nothing keeps nobody."""
        with self._changed:
            self._open = False
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(CLOSE_S)
        with self._changed:
            self._pending.clear()
            self._unwritten = 0

    def _run(self) -> None:
        while (data := self._next()) is not None:
            for start in range(0, len(data), _CHUNK_BYTES):
                if not self._write(data[start : start + _CHUNK_BYTES]):
                    return

    def _next(self) -> bytes | None:
        with self._changed:
            while not self._pending and self._open:
                self._changed.wait()
            return self._pending.popleft() if self._pending else None

    def _write(self, data: bytes) -> bool:
        """Write all of `data`; false when the terminal is gone."""
        size = len(data)
        while data:
            try:
                data = data[os.write(self.fileno(), data) :]
            except BlockingIOError:
                select.select([], [self.fileno()], [])
            except (OSError, ValueError):
                return self._give_up()
        with self._changed:
            self._unwritten = max(0, self._unwritten - size)
        return True

    def _give_up(self) -> bool:
        with self._changed:
            self._open = False
            self._pending.clear()
            self._unwritten = 0
        return False
