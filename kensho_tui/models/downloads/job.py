"""One download on its way: its parts in order, tried until they are here, then checked and installed."""

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from kensho_tui.core.errors import DamagedError, KenshoError, OfflineError
from kensho_tui.core.hub_contract import Download, DownloadState
from kensho_tui.models.downloads.answer import Again, Changed, given_up
from kensho_tui.models.downloads.fetch import Handle, Try
from kensho_tui.models.downloads.install import check, first_missing, install, installed, untold
from kensho_tui.models.downloads.part_file import PartFile, remove, size_of
from kensho_tui.models.downloads.patience import Patience, Tries
from kensho_tui.models.downloads.records import Failure, Notes, Record, Wanted, unwritable
from kensho_tui.models.downloads.space import Space
from kensho_tui.models.downloads.speed import Speed
from kensho_tui.models.downloads.threads import UnderWay
from kensho_tui.models.downloads.view import Moment, view
from kensho_tui.models.hub.remote import RemoteModel

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Surroundings:
    """What jobs share. ``history``: of those that are done. ``changed``: a view would read otherwise."""

    models: Path
    notes: Notes
    history: Notes
    space: Space
    patience: Patience
    slots: asyncio.Semaphore
    headers: Callable[[str], dict[str, str]]  # may block
    resolve: Callable[[str, str | None], Awaitable[RemoteModel]]
    named: Callable[[Path], Awaitable[str]]
    changed: Callable[[], None]
    clock: Callable[[], float] = field(default=time.monotonic)


class Job:
    """``record`` is what is kept of it; the rest lives as long as the host."""

    def __init__(self, record: Record, around: Surroundings) -> None:
        self.record = record
        self.path: Path | None = None
        self.turn = asyncio.Lock()
        """What people ask of it is done in its order."""
        self._around = around
        self._under_way = UnderWay()
        self._changing, self._saving = threading.Lock(), threading.Lock()
        self._doing: DownloadState = "queued"
        self._note = ""
        self._news = ""
        """What happened to its bytes, from then on."""
        self._until = 0.0
        self._hurry = asyncio.Event()
        self._speed = Speed()
        self._handle: Handle | None = None
        self._file: PartFile | None = None
        self._here = 0
        """Bytes of the part under way, as far as they are on disk."""
        self._renewed = self._forgotten = False
        self._task: asyncio.Task[None] | None = None
        self._name = record.model.name

    # --- what is seen of it ----------------------------------------------------------------------------

    @property
    def state(self) -> DownloadState:
        if self.path is not None:
            return "done"
        if self.record.wanted != "run":
            return "paused" if self.record.wanted == "pause" else "cancelled"
        return "failed" if self.record.failure is not None else self._state()

    def _state(self) -> DownloadState:
        reading = self._handle is not None and self._handle.doing == "reading" and self._here > 0
        return "checking" if reading and self._doing == "running" else self._doing

    @property
    def active(self) -> bool:
        return self.state in ("queued", "running", "waiting", "checking")

    @property
    def done(self) -> int:
        if self.path is not None:
            return self.record.model.size
        parts, checked = self.record.model.parts, self.record.checked
        here = self._handle.done if self._handle is not None else self._here
        return sum(part.size for part in parts[:checked]) + (here if checked < len(parts) else 0)

    @property
    def left(self) -> int:
        """Bytes still to come, as far as that is known."""
        return max(self.record.model.size - self.done, 0)

    def view(self) -> Download:
        now, state = self._around.clock(), self.state
        quiet = now - self._handle.heard if state == "running" and self._handle is not None else 0.0
        return view(
            self.record,
            Moment(
                name=self._name,
                state=state,
                done=self.done,
                rate=self._speed.rate,
                quiet_s=quiet,
                wait_s=self._until - now,
                note=self._note or self._news,
                path=self.path,
            ),
        )

    def tick(self) -> None:
        """Called now and then while it is active: what the rate is reckoned from."""
        if self._handle is not None and self._handle.doing == "fetching":
            self._speed.note(self._around.clock(), self.done)

    async def look(self) -> None:
        """See what an earlier host left: the model, or some of the part it was at."""
        if self.record.installed:
            await self.found(Path(self.record.installed))
        elif self.record.checked < len(self.record.model.parts):
            part = self._around.notes.part(self.record, self.record.checked)
            self._here = await asyncio.to_thread(size_of, part)

    async def found(self, path: Path) -> None:
        """It is installed already, by whatever way."""
        self._name, self.path = await self._around.named(path), path

    # --- going and ending -------------------------------------------------------------------------------

    def go(self) -> None:
        """Begin, or go on."""
        self._doing, self._renewed = "queued", False
        before = self._under_way.now()
        self._task = self._under_way.add(asyncio.create_task(self._run(before)))

    async def want(self, wanted: Wanted) -> None:
        """Go on or stop, and keep which of them. What failed before is forgotten."""
        self._change(wanted=wanted, failure=None)
        self.go() if wanted == "run" else self.stop()
        self._around.changed()
        await self._keep()

    def _change(self, **changes: object) -> None:
        """Loop and thread both learn something: neither may undo what the other one wrote."""
        with self._changing:
            self.record = msgspec.structs.replace(self.record, **changes)

    def _save(self) -> None:
        with self._saving:
            if not self._forgotten:
                self._around.notes.save(self.record)

    async def _keep(self) -> None:
        await self._under_way.thread(self._save)

    async def forget(self) -> None:
        """Remove its note and what was fetched, for good."""

        def work() -> None:
            with self._saving:
                self._forgotten = True
                self._around.notes.remove(self.record)

        await self._under_way.thread(work)

    async def told(self) -> None:
        """A person knows that it is here."""
        if self.path is not None and not self.record.seen:
            self._change(seen=True)
            self._around.changed()
            if self.record.installed:
                await self._under_way.thread(partial(self._around.history.save, self.record))

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cut()
        if self._task is not None:
            self._task.cancel()

    async def ended(self) -> None:
        """Returns when nothing of it runs any more."""
        await self._under_way.ended()

    async def _run(self, before: "frozenset[asyncio.Future[Any]]") -> None:
        if before:
            # Threads, too: a request that hangs before its first byte is over within the time for connecting.
            await asyncio.wait(before)
        try:
            async with self._around.slots:
                self._doing = "running"
                await self._all()
        except KenshoError as error:
            await self._fail(error)
        except OSError as error:
            await self._fail(unwritable(error, self._around.notes.folder))
        except Exception as error:
            log.exception("a download failed in a way nobody expected")
            await self._fail(
                KenshoError(f"the download failed ({type(error).__name__})", hint="See host.log")
            )
        finally:
            self._speed.forget()
            self._around.changed()

    async def _fail(self, error: KenshoError) -> None:
        log.info("download %s: %s", self.record.id, error.line())
        failure = Failure(code=error.code, message=error.message, hint=error.hint)
        self._change(failure=failure)
        if not isinstance(error, OfflineError):  # the next host may have a way
            with suppress(KenshoError):  # a full disk: then it is only remembered
                await self._keep()

    async def _all(self) -> None:
        parts = self._around.models, self.record.model, self._paths()
        gone = await asyncio.to_thread(first_missing, *parts)
        if await asyncio.to_thread(installed, *parts):
            self._change(checked=len(self.record.model.parts))
        elif gone < self.record.checked:
            self._news = "a part that was here is gone: it is fetched again"
            self._change(checked=gone, etag="")
        while self.record.checked < len(self.record.model.parts):
            await self._part()
        self._set("checking")
        await self._under_way.whole(self._install())

    def _paths(self) -> list[Path]:
        return [self._around.notes.part(self.record, each) for each in range(len(self.record.model.parts))]

    # --- one part ---------------------------------------------------------------------------------------

    async def _part(self) -> None:
        number = self.record.checked
        path = self._around.notes.part(self.record, number)
        if self._file is None or self._file.path != path:
            self._file = PartFile(path)
            self._here = await asyncio.to_thread(size_of, path)
        tries = Tries(self._around.patience)
        before = self._here
        while True:
            try:
                await self._try(self._file)
                break
            except Again as again:
                if self._here > before:
                    tries.gained()
                before = max(before, self._here)
                await self._wait(again, tries)
            except Changed as changed:
                await self._renew(changed)
                if self.record.checked != number or self._file is None:
                    return
                before = 0
        await self._verify(self._file)

    async def _try(self, file: PartFile) -> None:
        """Raises `Again`, `Changed`, `KenshoError`. Stopped: CancelledError."""
        around, record = self._around, self.record
        handle = self._handle = Handle()
        handle.done = self._here
        attempt = Try(
            part=record.model.parts[record.checked],
            etag=record.etag,
            headers=around.headers,
            file=file,
            space=around.space,
            patience=around.patience,
            learned=self._learned,
            handle=handle,
        )
        self._set("running")
        try:
            complete = await self._under_way.thread(attempt.run)
        finally:
            handle.cut()
            self._here, self._handle = file.size, None
        if not complete:
            raise asyncio.CancelledError

    def _learned(self, size: int, etag: str) -> None:
        """In the thread: what the server said of the file is kept before its bytes are."""
        record = self.record
        if self._here and self._file is not None and not self._file.size:
            self._news = "it changed on the server: it is fetched again"
        part = record.model.parts[record.checked]
        if etag == record.etag and size in (0, part.size):
            return
        if size and not part.size:
            self._around.space.need(size)
        parts = list(record.model.parts)
        parts[record.checked] = msgspec.structs.replace(part, size=size or part.size)
        self._change(model=msgspec.structs.replace(record.model, parts=tuple(parts)), etag=etag)
        self._save()

    async def _wait(self, again: Again, tries: Tries) -> None:
        seconds = tries.next(self._around.clock(), asked_s=again.after_s, answered=again.kind == "empty")
        if seconds is None:
            raise given_up(again, self.record.model.parts[self.record.checked].name, self._here)
        self._until = self._around.clock() + seconds
        self._speed.forget()
        self._hurry.clear()
        self._set("waiting", again.reason)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._hurry.wait(), seconds)

    def hurry(self) -> None:
        """A person does not want to wait for the next try."""
        self._hurry.set()

    async def _renew(self, changed: Changed) -> None:
        """The hub has another version by now: fetch that one, from its beginning."""
        if self._renewed:
            raise DamagedError(f"{changed}, and not the one it tells of", hint="Try again later")
        self._renewed = True
        new = await self._around.resolve(self.record.model.what, self.record.revision)
        old = {part.name: part.sha256 for part in self.record.model.parts}
        if {part.name for part in new.parts} != set(old):
            raise DamagedError(
                f"{changed}: its files have other names now", hint="Remove this download and start it again"
            )
        for number, part in enumerate(new.parts):
            if part.sha256 != old[part.name] or not part.sha256:
                await self._under_way.thread(partial(remove, self._around.notes.part(self.record, number)))
        self._news = "it changed at the hub: the new version is fetched"
        self._change(model=new, checked=0, etag="")
        await self._keep()
        self._file, self._here = None, 0
        self._set("running")

    async def _verify(self, file: PartFile) -> None:
        part = self.record.model.parts[self.record.checked]
        size = file.size
        wrong = ""
        if part.size and size != part.size:
            wrong = f"{size:,} of {part.size:,} bytes came"
        elif part.sha256 and file.sha256() != part.sha256:
            wrong = "its SHA-256 is not the one the hub tells"
        if wrong:
            inherited = file.inherited
            if inherited:
                self._news = "what was here was damaged: it is fetched again"
            await self._under_way.thread(file.discard)
            self._file, self._here = None, 0
            if inherited:  # the disk may have lost what an earlier host wrote: that is nobody's fault
                self._set("running")
                return
            raise DamagedError(
                f"{part.name} is damaged: {wrong}",
                hint="Nothing of it was kept. Resume fetches it anew; if that fails, the hub's file is bad",
            )
        await self._under_way.thread(file.settle)
        self._file, self._here = None, 0
        parts = list(self.record.model.parts)
        parts[self.record.checked] = msgspec.structs.replace(part, size=size)  # nobody may have told it
        model = msgspec.structs.replace(self.record.model, parts=tuple(parts))
        self._change(model=model, checked=self.record.checked + 1, etag="")
        await self._keep()

    async def _install(self) -> None:
        """Not stopped half-way: some parts would be installed and others not."""
        around, record = self._around, self.record
        paths = self._paths()

        def ready() -> Path:
            if all(path.exists() for path in paths):
                check(record.model, paths)
            return install(around.models, record.model, paths)

        try:
            path = await self._under_way.thread(ready)
        except DamagedError:
            for part in paths:
                await self._under_way.thread(partial(remove, part))
            self._change(checked=0, model=untold(record.model))
            raise
        self._change(installed=str(path))
        with suppress(KenshoError):  # then only this host knows that it came
            await self._under_way.thread(partial(around.history.save, self.record))
        await self.forget()
        self._name = await around.named(path)
        self.path, self._note, self._news = path, "", ""
        around.changed()

    def _set(self, state: DownloadState, note: str = "") -> None:
        self._doing = state
        self._note = note
        self._around.changed()
