"""All downloads of one host: started, joined, paused, gone on with after a restart."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Protocol, TypeVar

from kensho_tui.core.errors import NotFoundError, UsageError
from kensho_tui.core.hub_contract import ChangeDownload, Download, StartDownload
from kensho_tui.core.ids import new_id
from kensho_tui.models.downloads.install import targets, there
from kensho_tui.models.downloads.job import Job, Surroundings
from kensho_tui.models.downloads.patience import Patience
from kensho_tui.models.downloads.records import FOLDER, Notes, Record
from kensho_tui.models.downloads.space import Space
from kensho_tui.models.hub.remote import RemoteModel
from kensho_tui.storage.dates import now

T = TypeVar("T")

TICK_S = 0.25
ENDED_KEPT = 50
DONE_KEPT_S = 7 * 24 * 3600.0
"""So many downloads that are done are still told of, for so long."""
CANCELLED_KEPT_S = 2 * 24 * 3600.0
"""So long a cancelled download can be taken up where it was."""
STOP_WAIT_S = 1.0


class Origins(Protocol):
    """Where models come from."""

    async def resolve(self, what: str, revision: str | None) -> RemoteModel:
        """What a person names, as files to fetch. May ask the network. Raises `KenshoError`."""
        ...

    def headers(self, url: str) -> dict[str, str]:
        """What is sent to `url` besides; blocks. Nothing secret to anybody but the hub."""
        ...


class Downloads:
    """``changed`` is called when `views` would read otherwise, ``installed`` with each new model's file: it
    returns the name that the model goes by. ``history`` is a folder for notes of what is done.
    """

    def __init__(
        self,
        models: Path,
        history: Path,
        origins: Origins,
        at_once: int,
        installed: Callable[[Path], Awaitable[str]],
        patience: Patience | None = None,
        space: Space | None = None,
    ) -> None:
        self.changed: Callable[[], None] = lambda: None
        self._origins = origins
        self._jobs: dict[str, Job] = {}
        self._starting, self._opening = asyncio.Lock(), asyncio.Lock()
        self._opened = False
        self._ticking: asyncio.TimerHandle | None = None
        self._around = Surroundings(
            models=models,
            notes=Notes(models / FOLDER),
            history=Notes(history),
            space=space or Space(models),
            patience=patience or Patience(),
            slots=asyncio.Semaphore(at_once),
            headers=origins.headers,
            resolve=origins.resolve,
            named=installed,
            changed=self._changed,
            clock=time.monotonic,
        )

    async def open(self) -> None:
        """Take up what an earlier host left: those that ran go on. Everything else here does so first."""
        async with self._opening:
            if self._opened:
                return
            for record in await asyncio.to_thread(self._load):
                job = self._jobs[record.id] = Job(record, self._around)
                await job.look()
                if job.active:
                    job.go()
            self._opened = True
        self._changed()

    def _load(self) -> list[Record]:
        """What was done lately and is still there; then all others, but for what was cancelled days ago."""
        notes, history = self._around.notes, self._around.history
        kept = []
        for record in notes.load():
            if record.wanted == "cancel" and notes.age_s(record) > CANCELLED_KEPT_S:
                notes.remove(record)
            else:
                kept.append(record)
        known = {record.id for record in kept}
        for record in history.load():
            if record.id in known:
                continue
            if history.age_s(record) > DONE_KEPT_S or not Path(record.installed).is_file():
                history.remove(record)
            else:
                kept.append(record)
        return sorted(kept, key=lambda record: record.added)

    async def close(self) -> None:
        """Stop all; what is fetched stays, and the next host goes on."""
        if self._ticking is not None:
            self._ticking.cancel()
        jobs = [job for job in self._jobs.values() if job.active]
        for job in jobs:
            job.stop()
        if jobs:
            await asyncio.wait({asyncio.create_task(job.ended()) for job in jobs}, timeout=STOP_WAIT_S)

    # --- what is told -----------------------------------------------------------------------------------

    def views(self) -> tuple[Download, ...]:
        return tuple(job.view() for job in self._jobs.values())

    @property
    def active(self) -> int:
        return sum(job.active for job in self._jobs.values())

    def of(self, origin: str, model: str) -> str:
        """The id of the unfinished download of a model from `origin`; empty: there is none."""
        found = (
            job.record.id
            for job in self._jobs.values()
            if job.state != "done" and (job.record.model.origin, job.record.model.name) == (origin, model)
        )
        return next(found, "")

    def unfinished(self) -> frozenset[Path]:
        """Files that belong to downloads a person still wants."""
        wanted = (job for job in self._jobs.values() if job.state not in ("done", "cancelled"))
        return frozenset(path for job in wanted for path in self._around.notes.files(job.record))

    async def forget_missing(self) -> None:
        """Downloads whose note was removed from outside are gone."""
        for job in list(self._jobs.values()):
            gone = not await asyncio.to_thread(self._around.notes.files(job.record)[0].exists)
            if gone and job.state in ("failed", "cancelled", "paused"):
                self._jobs.pop(job.record.id, None)
        self._changed()

    def _changed(self) -> None:
        self.changed()
        if self._ticking is None and self.active:
            self._ticking = asyncio.get_running_loop().call_later(TICK_S, self._tick)

    def _tick(self) -> None:
        """Progress is told a few times a second, and only while there is some."""
        self._ticking = None
        for job in self._jobs.values():
            job.tick()
        self._changed()

    # --- what a person asks for -------------------------------------------------------------------------

    async def start(self, request: StartDownload) -> Download:
        """Begin, join, or go on with it. What is installed already is told as done. Raises `KenshoError`."""
        await self.open()
        asked = self._asked(request)
        model = asked.record.model if asked else await self._origins.resolve(request.what, request.revision)
        return await _whole(self._enter(model, request))

    async def _enter(self, model: RemoteModel, request: StartDownload) -> Download:
        async with self._starting:
            while (job := self._same(model)) is not None and job.state != "done":
                async with job.turn:
                    if job.record.id not in self._jobs:
                        continue  # it was removed meanwhile
                    if not job.active:
                        await self._go_on(job)
                    return job.view()
            installed = await asyncio.to_thread(there, self._around.models, model)
            if installed is not None:
                return job.view() if job is not None else await self._known(model, installed)
            if job is not None:  # it was deleted since
                await self._forget_done(job)
            return (await self._new(model, request)).view()

    async def _forget_done(self, job: Job) -> None:
        self._jobs.pop(job.record.id, None)
        await asyncio.to_thread(self._around.history.remove, job.record)

    def _asked(self, request: StartDownload) -> Job | None:
        """The download that the same words began: to go on with it nobody has to ask the network."""
        same = (
            job
            for job in self._jobs.values()
            if (job.record.asked, job.record.revision) == (request.what, request.revision)
        )
        return next(same, None)

    async def _new(self, model: RemoteModel, request: StartDownload) -> Job:
        await asyncio.to_thread(self._around.space.need, model.size, self._promised())
        record = Record(id=new_id(), model=model, added=now(), asked=request.what, revision=request.revision)
        await asyncio.to_thread(self._around.notes.save, record)
        job = self._jobs[record.id] = Job(record, self._around)
        job.go()
        await self._drop_old()
        self._changed()
        return job

    async def _known(self, model: RemoteModel, path: Path) -> Download:
        job = Job(Record(id=new_id(), model=model, added=now()), self._around)
        await job.found(path)
        return job.view()

    def _promised(self) -> int:
        return sum(job.left for job in self._jobs.values() if job.active)

    def _same(self, model: RemoteModel) -> Job | None:
        """The download that goes to the same files, if there is one. Raises `UsageError` for another's."""
        place = targets(self._around.models, model)[0]
        for job in self._jobs.values():
            theirs = job.record.model
            if self._around.models / theirs.folder / theirs.parts[0].name != place:
                continue
            if theirs.origin != model.origin and job.state != "done":
                raise UsageError(
                    f"another download goes to {place.name} already, from {theirs.origin}",
                    hint="Let it end or remove it first",
                )
            return job
        return None

    async def _drop_old(self) -> None:
        done = [job for job in self._jobs.values() if job.state == "done"]
        for job in done[: max(len(done) - ENDED_KEPT, 0)]:
            await self._forget_done(job)

    async def change(self, request: ChangeDownload) -> Download:
        """Raises `NotFoundError`, and `UsageError` for what cannot be."""
        await self.open()
        return await _whole(self._changed_to(request))

    async def _changed_to(self, request: ChangeDownload) -> Download:
        job = self._job(request.id)
        async with job.turn:
            self._job(job.record.id)  # it may have been removed meanwhile
            if request.action == "resume":
                if job.state == "waiting":
                    job.hurry()
                elif not job.active and job.state != "done":
                    await self._go_on(job)
            elif request.action == "seen":
                await job.told()
            elif request.action == "remove":
                return await self._remove(job)
            elif job.state == "done":
                raise UsageError(f"{job.view().model} is here already", hint="Delete the model instead")
            elif not (request.action == "pause" and job.state in ("failed", "cancelled")):
                await job.want(request.action)
            return job.view()

    async def _go_on(self, job: Job) -> None:
        await asyncio.to_thread(self._around.space.need, job.left, self._promised())
        await job.want("run")

    async def _remove(self, job: Job) -> Download:
        if job.active:
            raise UsageError(f"{job.view().model} is being fetched", hint="Cancel it first")
        await self._forget_done(job)
        await job.ended()
        view = job.view()
        await job.forget()
        self._changed()
        return view

    def _job(self, reference: str) -> Job:
        """By its id or a unique prefix of it."""
        found = [job for key, job in self._jobs.items() if key.startswith(reference)] if reference else []
        if len(found) != 1:
            raise NotFoundError(f"there is no download {reference!r}", hint="It may have been removed")
        return found[0]


async def _whole(work: Coroutine[object, object, T]) -> T:
    """Done to its end although whoever asked goes away: half of it would be a download nobody knows of."""
    return await asyncio.shield(asyncio.create_task(work))
