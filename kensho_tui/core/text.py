"""Text hygiene: made valid once at each edge, and never an escape sequence on a terminal."""

import re

# ESC-introduced sequences (CSI, OSC/DCS/PM/APC/SOS strings up to their terminator, two-byte escapes) are
# dropped whole, so that "\x1b[31mred" shows as "red" and not as "[31mred".
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"
    r"|\x1b[\]PX^_][^\x07\x1b\x9c]{0,4096}(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-~]?"
    r"|\x9b[0-?]*[ -/]*[@-~]"
)
# C0 but tab and newline, DEL, C1, and the bidi controls that can reorder a whole line. Joiners stay: emoji
# and several scripts need them.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_UNFINISHED = re.compile(
    r"(?:\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b\x9c]{0,4096}|[ -/]*)|\x9b[0-?]*[ -/]*|\r)\Z"
)
_SURROGATES = re.compile("[\ud800-\udfff]")


def valid(text: str) -> str:
    """`text` without lone surrogates (each becomes U+FFFD): what msgpack and SQLite can hold."""
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)


def printable(text: str) -> str:
    """`text` as it may be written to a terminal: no control character but tab and newline."""
    if text.isprintable():
        return text
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROLS.sub("", _ESCAPES.sub("", valid(text)))


def one_line(text: str, limit: int = 200) -> str:
    """`text` printable, white space folded, cut at `limit` characters with an ellipsis."""
    folded = " ".join(printable(text[: limit * 4]).split())
    return folded if len(folded) <= limit else folded[: limit - 1].rstrip() + "…"


class Cleaner:
    """`printable` for text that comes in pieces: a sequence cut by a piece's end is still dropped whole."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, text: str) -> str:
        text = self._held + text
        self._held = ""
        start = max(text.rfind("\x1b"), text.rfind("\x9b"), len(text) - 1 if text.endswith("\r") else -1)
        if start >= 0 and _UNFINISHED.match(text, start):
            text, self._held = text[:start], text[start:]
        return printable(text)

    def flush(self) -> str:
        held, self._held = self._held, ""
        return printable(held)
