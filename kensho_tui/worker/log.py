"""llama.cpp's log: passed on to stderr, where the host keeps the last lines, and searched for reasons."""

import os
import re
from collections import deque
from typing import Any

from kensho_tui.core.text import one_line

_DEBUG, _INFO, _ERROR, _CONT = 1, 2, 4, 5
_FUNCTIONS = re.compile(r"^(?:\w+: |error loading model: )+")


class LlamaLog:
    """Installs itself as llama.cpp's log callback; keep a reference for as long as the library is used."""

    def __init__(self, lib: Any) -> None:
        self._errors: deque[str] = deque(maxlen=20)
        self._level = _INFO
        self._callback = lib.llama_log_callback(self._line)
        lib.llama_log_set(self._callback, None)

    def _line(self, level: int, text: bytes, _data: object) -> None:
        if level != _CONT:
            self._level = level
        if self._level == _DEBUG:
            return
        try:
            os.write(2, text)
        except OSError:
            pass  # nobody reads it any more
        if self._level == _ERROR and text.strip():
            self._errors.append(text.decode("utf-8", "replace").strip())

    def clear(self) -> None:
        self._errors.clear()

    def reason(self) -> str:
        """What llama.cpp said about its last failure, without the names of its functions; may be empty."""
        if not self._errors:
            return ""
        # The first line is nearest to the cause, the later ones say that their callee failed.
        return one_line(_FUNCTIONS.sub("", self._errors[0]))
