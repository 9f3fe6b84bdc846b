"""A line of a terminal that is drawn over itself, as long as a command goes on."""

import os
from typing import TextIO

from kensho_tui.cli.output import width


def can_redraw(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM", "") not in ("", "dumb")


class DrawnLine:
    """Written only when it changed; an empty text clears it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._drawn = ""

    @property
    def columns(self) -> int:
        """Cells that a text may take."""
        # Room for the ^C that a terminal echoes, without going to the next line.
        return max((width(self._stream) or 80) - 3, 10)

    def draw(self, text: str) -> None:
        if text != self._drawn:
            self._drawn = text
            # The rest is erased after the text is there, so that nothing is blank in between.
            self._stream.write(f"\r{text}\x1b[K")
            self._stream.flush()
