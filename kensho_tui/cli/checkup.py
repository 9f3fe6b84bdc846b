"""Starts the doctor child and shows what it found. All checks are the child's."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterable, Iterator
from typing import TextIO

import msgspec

from kensho_tui.cli.output import ascii_only
from kensho_tui.core.errors import KenshoError, UsageError
from kensho_tui.core.text import printable

CHILD = (sys.executable, "-P", "-m", "kensho_tui.host.doctor")
END_S = 5.0
_KEPT_LINES = 20
_CLEAR_LINE = "\r\x1b[K"


class Check(msgspec.Struct, frozen=True):
    """One check of the child's document."""

    name: str
    ok: bool
    detail: str
    fix: str = ""


class Document(msgspec.Struct, frozen=True):
    ok: bool
    checks: tuple[Check, ...]


def run(options: argparse.Namespace) -> int:
    """Exit code 0 when every check is fine, else 1. Ctrl+C ends the child too."""
    if options.report == "":
        raise UsageError("--report needs the name of a file")
    said, complaints = _examine(["--report", options.report] if options.report else [])
    try:
        document = msgspec.json.decode(said, type=Document)
    except msgspec.DecodeError:
        reason = complaints[-1] if complaints else "the doctor process said nothing"
        raise KenshoError(f"the checks could not be run: {reason}", hint="Reinstall kensho-tui") from None
    if options.json:
        sys.stdout.write(said.decode())
    else:
        _print(document, sys.stdout)
    return 0 if document.ok else 1


def _examine(arguments: list[str]) -> tuple[bytes, list[str]]:
    """The child's document, and what it said besides its progress."""
    # A file, not a pipe: only one of the two outputs can be read at a time.
    with tempfile.TemporaryFile() as stdout:
        with subprocess.Popen(
            [*CHILD, *arguments], stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE
        ) as child:
            try:
                complaints = _follow(child.stderr or ())
            except BaseException:
                _end(child)
                raise
        stdout.seek(0)
        return stdout.read(), complaints


def _follow(stderr: Iterable[bytes]) -> list[str]:
    """Show progress where somebody sees it, until the child ends. Returns the last of all other lines."""
    show = sys.stderr.isatty()
    rest: list[str] = []
    for raw in stderr:
        line = printable(raw.decode("utf-8", "replace")).strip()
        if not line.startswith("checking "):
            rest = [*rest[1 - _KEPT_LINES :], line]
        elif show:
            sys.stderr.write(f"{_CLEAR_LINE}{line} …")
            sys.stderr.flush()
    if show:
        sys.stderr.write(_CLEAR_LINE)
        sys.stderr.flush()
    return rest


def _end(child: subprocess.Popen[bytes]) -> None:
    """Interrupted: the child puts the terminal right and ends its workers first."""
    if sys.stderr.isatty():
        sys.stderr.write(_CLEAR_LINE)
    child.terminate()
    try:
        child.wait(END_S)
    except subprocess.TimeoutExpired:
        child.kill()


def _print(document: Document, stream: TextIO) -> None:
    on_terminal = stream.isatty()
    width = shutil.get_terminal_size().columns if on_terminal else 0
    colour = on_terminal and "NO_COLOR" not in os.environ
    for line in lines(document, width=width, colour=colour, plain=ascii_only(stream)):
        text = line.encode(stream.encoding or "ascii", "replace").decode(stream.encoding or "ascii")
        stream.write(text + "\n")


def lines(document: Document, *, width: int = 0, colour: bool = False, plain: bool = False) -> Iterator[str]:
    """The table, line by line, folded to ``width`` columns (0: not at all; pure).

    ``colour`` marks with SGR sequences, ``plain`` uses ASCII marks.
    """
    good, bad, arrow = ("ok", "FAILED", "->") if plain else ("✓", "✗", "→")
    column = max((len(check.name) for check in document.checks), default=0)
    mark_width = max(len(good), len(bad))
    for check in document.checks:
        mark = (good if check.ok else bad).ljust(mark_width)
        if colour:
            mark = f"\x1b[{32 if check.ok else 31}m{mark}\x1b[0m"
        indent = " " * (mark_width + column + 4)
        first, *more = _folded(check.detail, width - len(indent))
        yield f"{mark}  {check.name.ljust(column)}  {first}".rstrip()
        yield from (indent + line for line in more)
        if check.fix:
            # A command must be copied as it is: never folded, so on a line of its own.
            yield f"{indent}{arrow} {printable(check.fix)}"
    failed = sum(not check.ok for check in document.checks)
    yield ""
    yield "All is well." if not failed else f"{failed} of {len(document.checks)} checks failed."


def _folded(text: str, width: int) -> list[str]:
    text = printable(text)
    if width < 20:
        return [text]
    return textwrap.wrap(text, width, break_on_hyphens=False) or [""]
