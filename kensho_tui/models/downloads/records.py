"""What is kept of a download: a note beside its parts, written before the first byte is.

The folder holds ``<id>.json`` and ``<id>.<n>.part`` (n from 1). A part's length is what is fetched of it; all
else stands in the note, so that any host goes on where another was killed.
"""

import os
import re
import stat
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from kensho_tui.core.errors import DiskFullError, KenshoError
from kensho_tui.models.downloads.answer import MOST
from kensho_tui.models.downloads.space import is_full
from kensho_tui.models.hub.remote import RemoteModel

FOLDER = ".partial"
MAX_NOTE = 1 << 20
MAX_NOTES = 1000

Wanted = Literal["run", "pause", "cancel"]
_NOTE = re.compile(r"([0-9a-f]{12})\.json\Z")


class Failure(Struct, frozen=True, kw_only=True):
    """An error as it is kept: of `core.errors`."""

    code: str
    message: str
    hint: str = ""


class Record(Struct, frozen=True, kw_only=True):
    """``checked`` parts are complete and verified; ``etag`` is what the next one's server calls its content
    (empty: it does not, or nothing was fetched yet). ``asked`` and ``revision`` are a person's words.
    ``installed`` is the model's file once it is done, ``seen`` says that a person knows.
    """

    id: str
    model: RemoteModel
    added: str
    asked: str = ""
    revision: str | None = None
    wanted: Wanted = "run"
    checked: int = 0
    etag: str = ""
    failure: Failure | None = None
    installed: str = ""
    seen: bool = False


class Notes:
    """The notes of one folder. Every method blocks for a few file operations; any thread may call."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()

    def part(self, record: Record, number: int) -> Path:
        """Where part ``number`` (from 0) is fetched to."""
        return self.folder / f"{record.id}.{number + 1}.part"

    def files(self, record: Record) -> tuple[Path, ...]:
        """All files that may belong to it."""
        parts = (self.part(record, number) for number in range(len(record.model.parts)))
        return (self.folder / f"{record.id}.json", *parts)

    def save(self, record: Record) -> None:
        """Write it whole or not at all. Raises `DiskFullError`, `KenshoError`."""
        with self._lock:
            path = self.folder / f"{record.id}.json"
            writing = path.with_suffix(".writing")
            try:
                self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                _write(writing, msgspec.json.encode(record))
                os.replace(writing, path)  # noqa: PTH105 - replaces, as its name says
                sync(self.folder)
            except OSError as error:
                with suppress(OSError):
                    writing.unlink()
                raise unwritable(error, self.folder) from None

    def load(self) -> list[Record]:
        """Those that are there, oldest first; what is no note of ours is left alone."""
        try:
            names = sorted(entry.name for entry in os.scandir(self.folder))
        except OSError:
            return []
        found = [self._read(name) for name in names[: MAX_NOTES * 4] if _NOTE.match(name)]
        return sorted((record for record in found if record is not None), key=lambda record: record.added)

    def _read(self, name: str) -> Record | None:
        try:
            record = msgspec.json.decode(_content(self.folder / name), type=Record)
        except (OSError, ValueError, msgspec.DecodeError, RecursionError):
            return None
        parts = record.model.parts
        sound = f"{record.id}.json" == name and 0 <= record.checked <= len(parts) > 0
        return record if sound and all(0 <= part.size <= MOST for part in parts) else None

    def age_s(self, record: Record) -> float:
        """Seconds since its note was written."""
        try:
            return time.time() - self.files(record)[0].stat().st_mtime
        except OSError:
            return 0.0

    def remove(self, record: Record) -> None:
        """Forget it with all that was fetched. The note goes last: without it nobody knows of the parts."""
        with self._lock:
            note, *parts = self.files(record)
            for path in (*parts, note.with_suffix(".writing"), note):
                with suppress(OSError):
                    path.unlink()


def unwritable(error: OSError, folder: Path) -> KenshoError:
    """Why nothing could be written into `folder`, with what to do."""
    if is_full(error):
        return DiskFullError(
            f"the disk of {folder} is full",
            hint="Free some space, then resume the download: it goes on where it is",
        )
    reason = error.strerror or str(error)
    return KenshoError(f"{folder} cannot be written: {reason}", hint="Check the folder's permissions")


def _content(path: Path) -> bytes:
    # Without O_NONBLOCK a FIFO would wait for its writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"{path.name} is no regular file")
        return file.read(MAX_NOTE)


def _write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync(folder: Path) -> None:
    """A name in a folder survives a power cut only when the folder itself was written."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
