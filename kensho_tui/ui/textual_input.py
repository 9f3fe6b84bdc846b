"""Guards of Textual's input: what a terminal sends may be any bytes, and a paste may hold anything.

Neither bug has a number of ours to name. Remove `PasteGuard` when `XTermParser.parse` takes everything
between the paste brackets as text, and the decoder when `LinuxDriver.run_input_thread` decodes with
errors="replace".
"""

import codecs
from collections.abc import Iterable
from functools import partial

from textual._xterm_parser import XTermParser
from textual.drivers import linux_driver
from textual.message import Message

from kensho_tui.core.text import Cleaner

_START, _END = "\x1b[200~", "\x1b[201~"


class PasteGuard:
    """Takes escape sequences out of pasted text, so that none of it is read as keys.

    Coloured output pasted as it is would otherwise end the paste at its first ESC, and its line ends would
    send. Works on text in pieces: a bracket may be cut anywhere.
    """

    def __init__(self) -> None:
        self._pasting = False
        self._held = ""
        self._recent = ""
        self._cleaner = Cleaner()

    def clean(self, text: str) -> str:
        """`text` for the parser; empty when all of it is held back until more comes."""
        text, self._held = self._held + text, ""
        done: list[str] = []
        while text:
            text = self._pasted(text, done) if self._pasting else self._typed(text, done)
        return "".join(done)

    def _typed(self, text: str, done: list[str]) -> str:
        """Pass keys on up to a paste's beginning; returns the rest."""
        seen = self._recent + text
        at = seen.find(_START)
        end = len(text) if at < 0 else at + len(_START) - len(self._recent)
        done.append(text[:end])
        self._recent = seen[-(len(_START) - 1) :] if at < 0 else ""
        self._pasting = at >= 0
        return text[end:]

    def _pasted(self, text: str, done: list[str]) -> str:
        """Pass pasted text on, cleaned; what may be the beginning of the end is held back."""
        at = text.find(_END)
        if at >= 0:
            done.append(self._cleaner.feed(text[:at]) + self._cleaner.flush() + _END)
            self._pasting = False
            return text[at + len(_END) :]
        held = next((size for size in range(len(_END) - 1, 0, -1) if text.endswith(_END[:size])), 0)
        done.append(self._cleaner.feed(text[: len(text) - held]))
        self._held = text[len(text) - held :]
        return ""


class _GuardedParser(XTermParser):
    """Textual's parser behind a `PasteGuard`."""

    def __init__(self, debug: bool = False) -> None:
        super().__init__(debug)
        self._paste_guard = PasteGuard()

    def feed(self, data: str) -> Iterable[Message]:
        cleaned = self._paste_guard.clean(data) if data else data
        # An empty string is the parser's end of file.
        return super().feed(cleaned) if cleaned or not data else ()


def guard_input() -> None:
    """Let the driver use the guarded parser, and show bytes that are no UTF-8 as U+FFFD."""
    setattr(linux_driver, "XTermParser", _GuardedParser)  # noqa: B010 - mypy: the driver's own import
    decoder = codecs.getincrementaldecoder("utf-8")
    setattr(linux_driver, "getincrementaldecoder", lambda name: partial(decoder, errors="replace"))  # noqa: B010
