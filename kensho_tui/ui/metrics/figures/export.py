"""Figures as a file: one JSON document or CSV, written beside its name first, and never over another."""

import asyncio
import contextlib
import csv
import errno
import io
import os
import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec

from kensho_tui.core.errors import KenshoError
from kensho_tui.core.text import printable
from kensho_tui.ui.metrics.figures.document import Document, Item, flat

Kind = Literal["csv", "json"]

# What a spreadsheet takes for a formula, in either width; a tab or a new line before one is passed over.
_FORMULA = re.compile(r"[=+\-@\uff1d\uff0b\uff0d\uff20\t\r\n]")
_NO_NAME = re.compile(r"[^A-Za-z0-9._-]+")
MOST_OF_A_NAME = 60
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS)


@dataclass
class Wanted:
    """What is to be written: items come in batches. ``head`` is what a JSON document says before them, under
    ``kind`` it has them all. CSV has no head: each of its lines begins with ``about``.
    """

    kind: str
    head: Document
    batches: Callable[[], AsyncIterator[Sequence[Item]]]
    of: str = ""
    """The model they are of; part of the file's name."""
    about: Document = field(default_factory=dict)
    """What all of them are of."""


def once(items: Sequence[Item]) -> Callable[[], AsyncIterator[Sequence[Item]]]:
    """All of them in one batch."""

    async def batches() -> AsyncIterator[Sequence[Item]]:
        yield items

    return batches


@dataclass
class Job:
    """A file that is being written: how many items it has, and whether somebody wants it no more."""

    written: int = 0
    stopped: bool = False
    went_on: Callable[[], None] = field(default=lambda: None)


def harmless(value: object) -> object:
    """A cell that no spreadsheet takes for a formula, and no terminal for a command; numbers stay numbers.
    Truth is written as in JSON."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if _FORMULA.match(text) else text


def csv_lines(records: Sequence[Document], *, titles: bool) -> str:
    """Lines as RFC 4180 has them, but ended by a line feed alone; with the names of the columns above."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    if titles and records:
        writer.writerow(records[0])
    writer.writerows([harmless(value) for value in record.values()] for record in records)
    return out.getvalue()


def file_name(wanted: Wanted, kind: Kind, now: datetime) -> str:
    """``generations-SmolLM2-135M-20261121-092000.csv``."""
    of = _NO_NAME.sub("-", wanted.of)[:MOST_OF_A_NAME].strip("-.")
    stamp = now.astimezone().strftime("%Y%m%d-%H%M%S")
    return f"{'-'.join(part for part in (wanted.kind, of, stamp) if part)}.{kind}"


async def export(folder: Path, wanted: Wanted, kind: Kind, now: datetime, job: Job) -> Path | None:
    """Write it beside the event loop. Returns where it is; None: it was stopped, and nothing is left.

    Raises `KenshoError` where it cannot be written, and what asking for the items raises.
    """
    sheet: _Sheet | None = None
    try:
        sheet = await asyncio.to_thread(_Sheet, folder, wanted, kind)
        async for items in wanted.batches():
            await asyncio.to_thread(sheet.add, items)
            job.written += len(items)
            job.went_on()
            if job.stopped:
                return None
        return await asyncio.to_thread(sheet.finish, file_name(wanted, kind, now))
    except OSError as error:
        why = error.strerror or str(error)
        raise KenshoError(f"nothing was written to {folder}: {why}", hint=_what_to_do(error)) from None
    finally:
        if sheet is not None:
            sheet.close()


def _what_to_do(error: OSError) -> str:
    if error.errno in _FULL:
        return "Free some space on that disk, then export again"
    if error.errno in _CLOSED:
        return "Allow writing to that folder, then export again"
    return "Check that it is a folder that can be written to, then export again"


class _Sheet:
    """The file while it is written. Every method may raise OSError."""

    def __init__(self, folder: Path, wanted: Wanted, kind: Kind) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder, self._kind, self._about = folder, kind, wanted.about
        self._part = folder / f".{os.urandom(8).hex()}.part"
        self._file: BinaryIO = os.fdopen(
            os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb"
        )
        self._first = True
        if kind == "json":
            head = msgspec.json.format(msgspec.json.encode(wanted.head), indent=2).decode()
            start = head.removesuffix("}").rstrip()
            comma = "," if wanted.head else ""
            self._file.write(f'{start}{comma}\n  "{wanted.kind}": ['.encode())

    def add(self, items: Sequence[Item]) -> None:
        if self._kind == "csv":
            records = [{**self._about, **flat(item)} for item in items]
            self._file.write(csv_lines(records, titles=self._first).encode())
        else:
            for item in items:
                self._file.write(b"\n    " if self._first else b",\n    ")
                self._file.write(msgspec.json.encode(item))
                self._first = False
        self._first = self._first and not items

    def finish(self, name: str) -> Path:
        """The file under its name, or the next one that is free."""
        if self._kind == "json":
            self._file.write(b"\n  ]\n}\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        place = self._free(name)
        self._part.replace(place)
        return place

    def _free(self, name: str) -> Path:
        stem, _, kind = name.rpartition(".")
        number = 1
        while True:
            place = self._folder / (name if number == 1 else f"{stem}-{number}.{kind}")
            try:
                # An empty file first: it cannot be made where there is one, and is this one's to replace.
                os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
                return place
            except FileExistsError:
                number += 1

    def close(self) -> None:
        """What has no name yet is gone."""
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            self._part.unlink(missing_ok=True)
