"""What commands print: JSON documents, and text that is safe on a terminal."""

import sys
from typing import TextIO

from kensho_tui.core.text import printable


def print_json(document: object) -> None:
    """One indented JSON document on stdout; structs, tuples and None as JSON has them."""
    import msgspec

    sys.stdout.write(msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n")


def safe(text: str, stream: TextIO) -> str:
    """`text` for `stream`: control characters are filtered where a terminal would obey them."""
    return printable(text) if stream.isatty() else text
