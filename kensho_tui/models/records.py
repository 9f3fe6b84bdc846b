"""What is known of each model file, kept in memory for as long as the file stays what it was."""

import time
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from kensho_tui.core.contract import ModelInfo
from kensho_tui.core.errors import LoadError, NotAModelError
from kensho_tui.core.text import one_line
from kensho_tui.models.catalogue import info_of
from kensho_tui.models.files import ModelFile
from kensho_tui.models.gguf.shape import ModelShape
from kensho_tui.models.headers import FORM, Headers, decoded, key_of
from kensho_tui.storage.models import LOADS_KEPT, About, ModelRows

RECORDS_KEPT = 2000


class Record(Struct):
    """One file. ``shape`` is None until its header was read, ``error`` says why it cannot be.

    ``looked`` is when it was last seen to be this file (monotonic).
    """

    file: ModelFile
    about: About
    shape: ModelShape | None = None
    error: LoadError | None = None
    looked: float = 0.0

    @property
    def unread(self) -> bool:
        return self.shape is None and self.error is None

    @property
    def is_model(self) -> bool:
        """False for a file that goes with a model, as a projector or an adapter."""
        return not isinstance(self.error, NotAModelError)

    def load_s(self) -> float:
        """Seconds its last loads took, whatever their settings; 0: none was measured."""
        return median([load.load_s for load in self.about.loads[:LOADS_KEPT]])

    def info(self) -> ModelInfo:
        about, shape = self.about, self.shape
        info = replace(
            info_of(self.file),
            favourite=about.favourite,
            pinned=about.pinned,
            tags=about.tags,
            load_s=self.load_s(),
            tok_s=median(about.speeds),
            last_used=about.last_used,
        )
        if shape is None:
            return replace(info, problem=info.problem or _said(self.error))
        return replace(
            info,
            quantisation=one_line(shape.quantisation, 40),
            architecture=one_line(shape.architecture, 40),
            context=shape.trained_context,
            parameters=shape.parameters,
            has_template=bool(shape.template or about.defaults.template),
            problem=info.problem or ("" if shape.causal else "It makes embeddings and writes no text"),
        )


def _said(error: LoadError | None) -> str:
    return one_line(error.message) if error is not None else ""


def median(figures: Sequence[float]) -> float:
    """0 of none. (The library's brings a lot of modules into a host's start.)"""
    ordered = sorted(figures)
    middle = len(ordered) // 2
    return (ordered[middle] + ordered[~middle]) / 2 if ordered else 0.0


def same_file(one: ModelFile, other: ModelFile) -> bool:
    """Whether nothing changed but perhaps the name it is listed by."""
    return replace(one, name="", detail="") == replace(other, name="", detail="")


class Records:
    """Records by path. Rows are asked for anew each time, headers are not."""

    def __init__(self, rows: ModelRows, headers: Headers) -> None:
        self._rows = rows
        self._headers = headers
        self._records: dict[str, Record] = {}

    def get(self, path: str) -> Record | None:
        return self._records.get(path)

    def drop(self, path: str) -> None:
        """What the database says of this file has changed."""
        self._records.pop(path, None)

    async def of(self, files: Sequence[ModelFile]) -> list[Record]:
        """The records of `files`, in their order. Raises `StorageError`."""
        old = {file.path: one for file in files if (one := self._same(file)) is not None}
        with_shape = {path for path, one in old.items() if one.shape is not None}
        about = await self._rows.about([key_of(file) for file in files], FORM, with_shape)
        now = time.monotonic()
        records = []
        for file in files:
            found, before = about[file.path], old.get(file.path)
            records.append(
                Record(
                    file,
                    replace(found, shape=None),
                    before.shape if before and before.shape else decoded(found.shape),
                    before.error if before else None,
                    now,
                )
            )
        self._records.update({one.file.path: one for one in records})
        while len(self._records) > max(RECORDS_KEPT, len(files)):
            del self._records[next(iter(self._records))]
        return records

    def _same(self, file: ModelFile) -> Record | None:
        record = self._records.get(file.path)
        return record if record is not None and same_file(record.file, file) else None

    async def read(self, record: Record) -> ModelShape:
        """The header of one file, tried again if it could not be read before. Raises `LoadError`."""
        if record.shape is None:
            try:
                record.shape = await self._headers.shape(record.file)
                record.error = None
            except LoadError as error:
                record.error = error
                raise
        return record.shape

    async def read_all(self, files: Sequence[ModelFile]) -> None:
        """Headers of many files, as far as they can be read."""

        def found(file: ModelFile, said: ModelShape | LoadError) -> None:
            record = self._same(file)
            if record is None:
                return
            if isinstance(said, LoadError):
                record.error = said
            else:
                record.shape = said

        await self._headers.shapes(files, found)
