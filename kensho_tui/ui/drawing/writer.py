"""Writes to the terminal in a thread; whoever hands it text never waits, whatever the terminal does."""

import os
import select
import sys
import threading
from collections import deque
from queue import SimpleQueue
from typing import IO

CLOSE_S = 1.5
# How long the interpreter lets a busy thread run while another one waits, by itself 5 ms: what is drawn would
# lie here for so long whenever the loop goes on with something else, and keys in the thread that reads them.
SWITCH_S = 0.0005
_CHUNK_BYTES = 4096


class TerminalWriter:
    """A file-like with the methods of Textual's `WriterThread`, but without a limit to its queue.

    Its queue may be written to from a signal handler, in the middle of another write. `gone` is true once
    there is no terminal any more.
    """

    def __init__(self, file: IO[str]) -> None:
        self._descriptor = file.fileno()
        self._queue: SimpleQueue[bytes | None] = SimpleQueue()
        # Sizes of what has not been written. Appending is atomic, also for a signal handler in between.
        self._sizes: deque[int] = deque()
        self.gone = False
        self._open = True
        self._abandoned = False
        self._thread = threading.Thread(target=self._run, daemon=True, name="terminal-writer")

    @property
    def unwritten(self) -> int:
        """Bytes that the terminal has not taken yet."""
        return sum(tuple(self._sizes))

    def start(self) -> None:
        sys.setswitchinterval(SWITCH_S)
        self._thread.start()

    def write(self, text: str) -> None:
        """Take `text` for writing. After `stop` it is dropped."""
        data = text.encode("utf-8", "replace")
        if self._open and data:
            self._sizes.append(len(data))
            self._queue.put(data)

    def flush(self) -> None:
        """Nothing to do: the thread writes as soon as it can."""

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def stop(self) -> None:
        """Write what is left, for a limited time. A terminal that takes nothing keeps nobody."""
        self._open = False
        self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join(CLOSE_S)
        self._abandoned = True

    def _run(self) -> None:
        while (data := self._queue.get()) is not None:
            for start in range(0, len(data), _CHUNK_BYTES):
                if self._abandoned:
                    return
                self._write(data[start : start + _CHUNK_BYTES])
            self._sizes.popleft()

    def _write(self, data: bytes) -> None:
        try:
            while data:
                try:
                    data = data[os.write(self._descriptor, data) :]
                except BlockingIOError:
                    select.select([], [self._descriptor], [])
        except OSError:
            # Its hang-up is told otherwise.
            self.gone, self._open = True, False
