"""What commands print: JSON documents, and text that is safe on a terminal."""

import shutil
import sys
from typing import TYPE_CHECKING, TextIO

from kensho_tui.core.text import one_line, printable

if TYPE_CHECKING:
    from kensho_tui.client.facade import Kensho


def print_json(document: object) -> None:
    """One indented JSON document on stdout; structs, tuples and None as JSON has them."""
    import msgspec

    sys.stdout.write(msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n")


def print_json_line(document: object) -> None:
    """One JSON document as one line on stdout, at once."""
    import msgspec

    sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
    sys.stdout.flush()


async def print_notices(kensho: "Kensho") -> None:
    """What the host has to say of itself, on stderr: a damaged database, a wrong setting."""
    for notice in (await kensho.status()).notices:
        print(f"kensho-tui: {one_line(notice, 1000)}", file=sys.stderr)


def safe(text: str, stream: TextIO) -> str:
    """`text` for `stream`: control characters are filtered where a terminal would obey them."""
    return printable(text) if stream.isatty() else text


def width(stream: TextIO) -> int | None:
    """Columns of the terminal that `stream` is; None for pipes and files, which have no edge."""
    return shutil.get_terminal_size().columns if stream.isatty() else None


def ascii_only(stream: TextIO) -> bool:
    """Whether `stream` may not have more characters than ASCII."""
    return not (stream.encoding or "").lower().replace("-", "").startswith("utf8")


def named(names: "tuple[str, ...] | list[str]") -> str:
    """``A``, ``A and B``, ``A, B and C``."""
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)
