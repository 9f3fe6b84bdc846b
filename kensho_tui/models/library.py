"""The library: what the program knows of each model, from the folders, the files' headers and the database.

What was asked once is kept in memory, file by file: a list of hundreds of models, and a plan for each of
them, is one walk through the folders and one query.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import msgspec

from kensho_tui.config.paths import Paths
from kensho_tui.config.settings import Settings
from kensho_tui.core.contract import Footprint, ModelInfo
from kensho_tui.core.errors import LoadError, NotFoundError
from kensho_tui.core.model_contract import ChangeModel, Defaults, Deleted
from kensho_tui.core.text import one_line
from kensho_tui.models.bin import Bin
from kensho_tui.models.catalogue import Catalogue, resolve
from kensho_tui.models.files import ModelFile, gather, model_file, named
from kensho_tui.models.gguf.shape import ModelShape
from kensho_tui.models.headers import Headers, key_of, read_header
from kensho_tui.models.records import Record, Records, median, same_file
from kensho_tui.models.sources import Candidate, Elsewhere, Source
from kensho_tui.models.wishes import check_defaults, clean_tags
from kensho_tui.storage.database import Database
from kensho_tui.storage.models import LOADS_KEPT, KnownModel, LoadSettings, ModelRows

log = logging.getLogger(__name__)

HEADER_WAIT_S = 1.0
FRESH_S = 2.0
"""A file that was looked at this recently is taken to be what it was."""


class Library:
    """All that the host asks of models on disk. ``on_changed``: `models` would read otherwise now."""

    def __init__(
        self,
        paths: Paths,
        database: Database,
        settings: Settings,
        elsewhere: Elsewhere | None = None,
        read: Callable[[Path], ModelShape] = read_header,
    ) -> None:
        self.catalogue = Catalogue(paths.models, elsewhere or Elsewhere.of(settings))
        self.on_changed: Callable[[], None] = lambda: None
        self._rows = ModelRows(database)
        self._records = Records(self._rows, Headers(self._rows, read))
        self._bin = Bin(paths.models)
        self._known: dict[str, ModelFile] | None = None
        self._reading: dict[str, asyncio.Task[None]] = {}
        self._late: set[asyncio.Task[None]] = set()

    # --- which models there are ----------------------------------------------------------------------

    async def models(self, wait_s: float = HEADER_WAIT_S) -> tuple[ModelInfo, ...]:
        """Every model: the last used first, then favourites, then by name.

        Headers not read before are waited for up to `wait_s`; the rest follow, and ``on_changed`` with them.
        """
        records = await self._records.of(await self._files())
        if any(record.unread for record in records):
            await self._read([record.file for record in records if record.unread], wait_s)
            records = [self._records.get(record.file.path) or record for record in records]
        infos = [record.info() for record in records if record.is_model]
        infos.sort(key=lambda info: (not info.favourite, info.name.casefold()))
        infos.sort(key=lambda info: info.last_used or "", reverse=True)
        return tuple(infos)

    async def _read(self, files: Sequence[ModelFile], wait_s: float) -> None:
        """Read their headers, or wait for those that are being read for another list."""
        new = [file for file in files if file.path not in self._reading]
        if new:
            task = asyncio.create_task(self._records.read_all(new))
            self._reading.update({file.path: task for file in new})
            task.add_done_callback(self._have_read)
        tasks = {self._reading[file.path] for file in files}
        await asyncio.wait(tasks, timeout=wait_s)
        self._late.update(task for task in tasks if not task.done())

    def _have_read(self, task: asyncio.Task[None]) -> None:
        self._reading = {path: other for path, other in self._reading.items() if other is not task}
        late = task in self._late
        self._late.discard(task)
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            log.error("headers of model files could not be read", exc_info=error)
        elif late:
            self.on_changed()

    async def find(self, reference: str) -> ModelInfo:
        """By path, by name, or by a unique part of a name. Raises `NotFoundError`.

        Our own folder's models, the starter and what was met before are found without looking further.
        """
        file = await asyncio.to_thread(self._near, reference)
        if file is None:
            file = await self._met(reference) or resolve(reference, await self._files())
        elif file.source == "path":
            file = next((one for one in (await self._all_known()).values() if one.inode == file.inode), file)
        return await self._described(file)

    async def choose(self, *references: str | None) -> ModelInfo:
        """The first of `references` that is there; else the starter, else the first model there is."""
        for reference in references:
            if reference:
                try:
                    return await self.find(reference)
                except NotFoundError:
                    continue
        return await self._described(await asyncio.to_thread(self.catalogue.first))

    # --- one model -----------------------------------------------------------------------------------

    async def shape(self, info: ModelInfo) -> ModelShape:
        """What its header says. Raises `LoadError`."""
        return await self._records.read(await self._record(info))

    async def defaults(self, info: ModelInfo) -> Defaults:
        """What a person set for it."""
        return (await self._record(info)).about.defaults

    async def measured(self, info: ModelInfo, how: LoadSettings) -> tuple[Footprint, float] | None:
        """What the last load with these settings took, and the seconds that such a load takes."""
        loads = [load for load in (await self._record(info)).about.loads if load.is_like(how)]
        if not loads:
            return None
        return loads[0].footprint(), median([load.load_s for load in loads[:LOADS_KEPT]])

    async def expected_load_s(self, info: ModelInfo) -> float:
        """Seconds that its last loads took, whatever their settings; 0 when none was measured."""
        return (await self._record(info)).load_s()

    async def decided_context(self, info: ModelInfo, device: str) -> int | None:
        """The context that the program settled on, in tokens."""
        return (await self._record(info)).about.contexts.get(device)

    async def decide_context(self, info: ModelInfo, device: str, context: int) -> None:
        record = await self._record(info)
        await self._rows.keep_context(key_of(record.file), device, context)
        contexts = {**record.about.contexts, device: context}
        record.about = msgspec.structs.replace(record.about, contexts=contexts)

    async def remember_load(
        self, info: ModelInfo, how: LoadSettings, footprint: Footprint, load_s: float
    ) -> None:
        """Keep what a load took, for the next estimate and the next wait."""
        file = (await self._record(info)).file
        (await self._all_known())[file.name.casefold()] = file
        await self._rows.add_load(key_of(file), file.name, file.source, how, footprint, load_s)
        self._records.drop(file.path)
        self.on_changed()

    async def change(self, request: ChangeModel) -> ModelInfo:
        """Set what a person wishes. Raises `NotFoundError`, and `UsageError` for what cannot be."""
        tags = None if request.tags is None else clean_tags(request.tags)
        if request.defaults is not None:
            check_defaults(request.defaults)
        info = await self.find(request.model)
        file = (await self._record(info)).file
        await self._rows.change(
            key_of(file),
            favourite=request.favourite,
            pinned=request.pinned,
            tags=tags,
            defaults=request.defaults,
        )
        described = await self._described(file)
        self.on_changed()
        return described

    # --- deleting ------------------------------------------------------------------------------------

    async def check_deletable(self, info: ModelInfo) -> None:
        """Raises `UsageError` for what is not ours to delete."""
        await asyncio.to_thread(self._bin.check, info)

    async def delete(self, info: ModelInfo) -> Deleted:
        """Move it into the bin. Raises `UsageError` for what is not ours to delete."""
        deleted = await asyncio.to_thread(self._bin.put, info)
        self._records.drop(info.path)
        self.on_changed()
        return deleted

    async def restore(self, token: str) -> ModelInfo:
        """Undo `delete`. Raises `NotFoundError` once the bin was emptied."""
        path = await asyncio.to_thread(self._bin.restore, token)
        restored = await self.find(str(path))
        self.on_changed()
        return restored

    async def tidy(self) -> None:
        """Empty the bin of what was deleted a week ago."""
        await asyncio.to_thread(self._bin.empty_old)

    async def close(self) -> None:
        """Stop reading headers."""
        tasks = set(self._reading.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- finding files -------------------------------------------------------------------------------

    def _near(self, reference: str) -> ModelFile | None:
        return self.catalogue.by_path(reference) or self.catalogue.near(reference)

    async def _files(self) -> tuple[ModelFile, ...]:
        """All models there are now, and those that were loaded by their path before."""
        by_path = [file for file in (await self._all_known()).values() if file.source == "path"]
        files = await asyncio.to_thread(self._scan, by_path)
        self._known = {file.name.casefold(): file for file in files}
        return files

    def _scan(self, by_path: Sequence[ModelFile]) -> tuple[ModelFile, ...]:
        more = (Candidate(Path(file.path), "path", file.name) for file in by_path)
        return named(gather([*self.catalogue.candidates(), *more]))

    async def _met(self, reference: str) -> ModelFile | None:
        """One that had this name when the folders were searched last, or when it was loaded."""
        file = (await self._all_known()).get(reference.casefold())
        return await asyncio.to_thread(_again, file) if file is not None else None

    async def _all_known(self) -> dict[str, ModelFile]:
        if self._known is None:
            known = await self._rows.known()
            self._known = await asyncio.to_thread(self._files_of, known)
        return self._known

    def _files_of(self, known: Sequence[KnownModel]) -> dict[str, ModelFile]:
        """Those that are still there, under the names they had."""
        files = (
            model_file(Candidate(Path(one.path), cast(Source, one.source), one.name))
            for one in reversed(known)
            if one.source == "path" or self.catalogue.looks_for(cast(Source, one.source))
        )
        return {file.name.casefold(): file for file in files if file is not None}

    # --- what is kept of them ------------------------------------------------------------------------

    async def _described(self, file: ModelFile) -> ModelInfo:
        (record,) = await self._records.of([file])
        return record.info()

    async def _record(self, info: ModelInfo) -> Record:
        """What is known of one file; asked for anew when it changed. Raises `LoadError` when it is gone."""
        record = self._records.get(info.path)
        if record is not None and time.monotonic() - record.looked < FRESH_S:
            return record
        file = await asyncio.to_thread(self._file_of, info)
        if record is not None and same_file(record.file, file) and record is self._records.get(info.path):
            record.looked = time.monotonic()
            return record
        (record,) = await self._records.of([file])
        return record

    def _file_of(self, info: ModelInfo) -> ModelFile:
        path = Path(info.path)
        # A load that was started ahead knows no more of its model than the path.
        file = self.catalogue.at(path) if info.source == "path" else None
        if file is None or file.source == "path":
            file = model_file(Candidate(path, info.source, info.name))
        if file is None:
            name = one_line(info.path)
            raise LoadError(f"the model file {name} cannot be read", hint="Choose another model")
        return file


def _again(file: ModelFile) -> ModelFile | None:
    """The file as it is now, under the name it was met by."""
    return model_file(Candidate(Path(file.path), file.source, file.name, file.detail))
