"""llama.cpp's log: passed on to stderr, where the host keeps the last lines, and searched for reasons.

It is also the only place where llama.cpp says how much memory it takes, and why a load failed.
"""

import os
import re
from collections import deque
from typing import Any

from kensho_tui.core.text import one_line

_DEBUG, _INFO, _ERROR, _CONT = 1, 2, 4, 5
MAX_BUFFER_LINES = 1000
_FUNCTIONS = re.compile(r"^(?:\w+: |error loading model: )+")
# Of ggml and its backends, of llama.cpp around them, and of the C library beneath.
_NO_MEMORY = re.compile(
    r"(?:failed|unable) to (?:allocate|reserve)|(?:insufficient|not enough|cannot allocate|out of) memory"
    r"|memory allocation of size \S+ failed|malloc failed|OutOf(?:Device|Host)Memory",
    re.IGNORECASE,
)


class LlamaLog:
    """Installs itself as llama.cpp's log callback; keep a reference for as long as the library is used.

    ``quiet`` writes nothing to stderr and keeps the lines about buffers of all levels: for dry runs, which
    tell by debug lines where each layer's cache will lie.
    """

    def __init__(self, lib: Any, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._buffers: deque[str] = deque(maxlen=MAX_BUFFER_LINES)
        self._errors: deque[str] = deque(maxlen=20)
        self._level = _INFO
        self._callback = lib.llama_log_callback(self._line)
        lib.llama_log_set(self._callback, None)

    def _line(self, level: int, text: bytes, _data: object) -> None:
        if level != _CONT:
            self._level = level
        if self._level == _DEBUG and not self._quiet:
            return
        if b"MiB" in text or b": dev = " in text:
            self._buffers.append(text.decode("utf-8", "replace").strip())
        if not self._quiet:
            try:
                os.write(2, text)
            except OSError:
                pass  # nobody reads it any more
        if self._level == _ERROR and text.strip():
            self._errors.append(text.decode("utf-8", "replace").strip())

    def clear(self) -> None:
        self._errors.clear()
        self._buffers.clear()

    def buffer_lines(self) -> tuple[str, ...]:
        """The lines since `clear` that may tell of buffers, for `worker.buffers`."""
        return tuple(self._buffers)

    def lacks_memory(self) -> bool:
        """Whether what failed since `clear` failed for want of memory."""
        return any(_NO_MEMORY.search(line) for line in self._errors)

    def reason(self) -> str:
        """What llama.cpp said about its last failure, without the names of its functions; may be empty."""
        if not self._errors:
            return ""
        # The first line is nearest to the cause, the later ones say that their callee failed.
        return one_line(_FUNCTIONS.sub("", self._errors[0]))
