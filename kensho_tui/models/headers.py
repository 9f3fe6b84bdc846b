"""Headers of model files: read in threads, a few at a time, and kept in the database for the next list."""

import asyncio
import dataclasses
import logging
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from kensho_tui import __version__
from kensho_tui.core.errors import KenshoError, LoadError
from kensho_tui.models.files import ModelFile
from kensho_tui.models.gguf.shape import ModelShape
from kensho_tui.models.sources import settings_path
from kensho_tui.storage.models import FileKey, ModelRows

log = logging.getLogger(__name__)

AT_ONCE = 2
"""Parsing holds the interpreter: more threads would only make streams stutter."""
KEPT_TOGETHER = 16
MAX_SHAPE = 1 << 20

_FIELDS = ",".join(field.name for field in dataclasses.fields(ModelShape))
FORM = f"{__version__}/{zlib.crc32(_FIELDS.encode()):08x}"
"""Names what read a header: another version may read more out of it."""


def key_of(file: ModelFile) -> FileKey:
    return FileKey(file.path, file.first_size, file.mtime_ns, settings_path(file.path))


def decoded(text: str | None) -> ModelShape | None:
    """A shape as it was kept."""
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=ModelShape)
    except msgspec.DecodeError:
        return None


def encoded(shape: ModelShape) -> str | None:
    """As it is kept; None for one that is too large for that."""
    data = msgspec.json.encode(shape)
    return data.decode() if len(data) <= MAX_SHAPE else None


def read_header(path: Path) -> ModelShape:
    """The shape of the model at `path`. Raises `LoadError`."""
    from kensho_tui.models.gguf.read import read_shape  # not needed where every header was read before

    return read_shape(path)


class Headers:
    """Reads each file once, however many ask for it. `read` is replaceable to be counted."""

    def __init__(self, rows: ModelRows, read: Callable[[Path], ModelShape] = read_header) -> None:
        self._rows = rows
        self._read = read
        self._free = asyncio.Semaphore(AT_ONCE)
        self._reading: dict[str, asyncio.Task[ModelShape]] = {}

    async def shape(self, file: ModelFile) -> ModelShape:
        """Read one header and keep it. Raises `LoadError`."""
        shape = await self._joined(file)
        await self._keep([(file, shape)])
        return shape

    async def shapes(
        self, files: Sequence[ModelFile], found: Callable[[ModelFile, ModelShape | LoadError], None]
    ) -> None:
        """Read many; `found` is told each as it is read, or why it cannot be."""
        for start in range(0, len(files), KEPT_TOGETHER):
            some = files[start : start + KEPT_TOGETHER]
            read = await asyncio.gather(*(self._told(file, found) for file in some))
            await self._keep([pair for pair in zip(some, read, strict=True) if pair[1] is not None])

    async def _told(
        self, file: ModelFile, found: Callable[[ModelFile, ModelShape | LoadError], None]
    ) -> ModelShape | None:
        try:
            shape = await self._joined(file)
        except LoadError as error:
            found(file, error)
            return None
        found(file, shape)
        return shape

    async def _joined(self, file: ModelFile) -> ModelShape:
        task = self._reading.get(file.path)
        if task is None:
            task = asyncio.create_task(self._in_thread(file))
            self._reading[file.path] = task
            task.add_done_callback(lambda task: self._ended(file.path, task))
        return await asyncio.shield(task)

    def _ended(self, path: str, task: asyncio.Task[ModelShape]) -> None:
        self._reading.pop(path, None)
        if not task.cancelled():
            task.exception()  # whoever waited has seen it; when nobody did, the next one will

    async def _in_thread(self, file: ModelFile) -> ModelShape:
        async with self._free:
            return await asyncio.to_thread(self._read, Path(file.path))

    async def _keep(self, pairs: Sequence[tuple[ModelFile, ModelShape | None]]) -> None:
        rows = [(key_of(file), text) for file, shape in pairs if shape and (text := encoded(shape))]
        try:
            await self._rows.keep_headers(rows, FORM)
        except KenshoError as error:  # a full disk: they are read again another time
            log.info("%s", error.message)
