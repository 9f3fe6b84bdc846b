"""What commands print: JSON documents, and text that is safe on a terminal."""

import sys
from typing import TYPE_CHECKING, TextIO

from kensho_tui.core.text import one_line, printable

if TYPE_CHECKING:
    from kensho_tui.client.facade import Kensho


def print_json(document: object) -> None:
    """One indented JSON document on stdout; structs, tuples and None as JSON has them."""
    import msgspec

    sys.stdout.write(msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n")


async def print_notices(kensho: "Kensho") -> None:
    """What the host has to say of itself, on stderr: a damaged database, a wrong setting."""
    for notice in (await kensho.status()).notices:
        print(f"kensho-tui: {one_line(notice, 1000)}", file=sys.stderr)


def safe(text: str, stream: TextIO) -> str:
    """`text` for `stream`: control characters are filtered where a terminal would obey them."""
    return printable(text) if stream.isatty() else text
