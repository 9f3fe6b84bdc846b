"""Copying through the terminal: what can be copied, and what honestly can be said about it."""

import os
from collections.abc import Mapping

from kensho_tui.ui.format import thousands

# Terminals drop longer OSC 52 sequences: 100,000 bytes of base64 are the common limit.
MAX_COPIED = 74_000


def fitting(text: str) -> tuple[str, bool]:
    """`text` cut to what terminals take (in bytes of UTF-8, at a character), and whether it was cut."""
    data = text.encode("utf-8", "replace")
    if len(data) <= MAX_COPIED:
        return text, False
    return data[:MAX_COPIED].decode("utf-8", "ignore"), True


def notice(text: str, cut: bool, chat_id: str, environ: Mapping[str, str] = os.environ) -> str:
    """What was done: a terminal never says whether it took it."""
    said = f"{thousands(len(text))} characters sent to the terminal's clipboard (OSC 52)"
    if cut:
        said += f" · the rest does not fit; all of it: kensho-tui show {chat_id}"
    if environ.get("TMUX"):
        said += " · tmux passes it on with: set -g set-clipboard on"
    elif environ.get("STY"):
        said += " · GNU screen does not pass it on"
    return said
