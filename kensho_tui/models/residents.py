"""The models in memory, and their way out of it: marked first, their chat kept, their process ended.

Whoever wants the memory of a model marks it before anything is awaited: from then on no turn takes it, so
that nothing that answers is ever cut; and its end goes on whatever becomes of the one who asked for it.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence

from kensho_tui.core.tasks import ended, start_in
from kensho_tui.models.evict import Held
from kensho_tui.models.kept_chats import KeptChats
from kensho_tui.models.kv_files import file_identity
from kensho_tui.models.memory import RAM, Taken
from kensho_tui.models.resident import Resident
from kensho_tui.models.worker_process import WorkerProcess

# Seconds per byte that loading is taken to need where it was never measured.
UNMEASURED_S = 1e-9


def frees_on(resident: Resident, device: str) -> int:
    """Bytes of the memory of `device` that come back with the end of `resident`; RAM also beside a GPU."""
    if resident.footprint is None:
        return 0
    if resident.device == device:
        return resident.footprint.total
    return resident.footprint.host if device == RAM else 0


async def is_replaced(resident: Resident) -> bool:
    """Whether the file at its path is not the one it has loaded. One that is gone is replaced by nothing."""
    now = await asyncio.to_thread(file_identity, resident.model.path)
    return bool(now) and now != resident.identity


async def _sum(tasks: Sequence["asyncio.Task[int]"]) -> int:
    return sum(await asyncio.gather(*tasks))


class Residents:
    """By the path of their model's file. ``changed`` is called when one has gone.

    ``version`` is another one after every change of what they hold or of who is leaving.
    """

    def __init__(self, kept: KeptChats, changed: Callable[[], None]) -> None:
        self._kept = kept
        self._changed = changed
        self._by_path: dict[str, Resident] = {}
        self._leaving: dict[Resident, asyncio.Task[int]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self.version = 0
        self.loading: Resident | None = None
        """The one that a load is under way for."""

    def add(self, resident: Resident) -> None:
        self._by_path[resident.model.path] = resident
        self.version += 1

    def all(self) -> tuple[Resident, ...]:
        """The living, those that are leaving too, last used first."""
        living = {one for one in (*self._by_path.values(), *self._leaving) if one.alive}
        return tuple(sorted(living, key=lambda resident: -resident.last_used))

    def ready(self, path: str) -> Resident | None:
        """The one with the model at `path`, if it may be used."""
        found = self._by_path.get(path)
        return found if found is not None and found.alive and found not in self._leaving else None

    def staying(self) -> tuple[Resident, ...]:
        return tuple(resident for resident in self.all() if resident not in self._leaving)

    def taken(self) -> list[Taken]:
        """What they hold of the memory of their devices: until they are really gone, and while they load."""
        loading = (self.loading,) if self.loading is not None else ()
        return [
            Taken(resident.worker.pid, resident.device, resident.footprint)
            for resident in (*loading, *self.all())
            if resident.footprint is not None and resident.alive
        ]

    def idle(self, device: str) -> list[Held]:
        """Those that may go to free memory on `device`: not in use, and not pinned."""
        return [
            Held(
                name=resident.model.path,
                frees=frees,
                reload_s=resident.load_s or frees * UNMEASURED_S,
                last_used=resident.last_used,
            )
            for resident in self.staying()
            if (frees := frees_on(resident, device)) and not resident.leased and not resident.pinned
        ]

    def held(self, device: str) -> list[Resident]:
        """Those that hold memory on `device` and may not go now: pinned, or in a turn's hands."""
        return [
            resident
            for resident in self.staying()
            if frees_on(resident, device) and (resident.leased or resident.pinned)
        ]

    def names(self, paths: Iterable[str]) -> tuple[str, ...]:
        return tuple(self._by_path[path].model.name if path in self._by_path else path for path in paths)

    # --- the way out ---------------------------------------------------------------------------------

    def retire(self, paths: Iterable[str]) -> "asyncio.Future[int]":
        """End those at `paths`, but for leased ones. They are marked when this returns; the future gives the
        bytes that were theirs, and their end goes on when whoever awaits it is cancelled.
        """
        meant = [one for path in paths if (one := self._by_path.get(path)) is not None and not one.leased]
        return asyncio.shield(asyncio.create_task(_sum([self._task_for(one) for one in meant])))

    def _task_for(self, resident: Resident) -> "asyncio.Task[int]":
        if resident not in self._leaving:
            self._leaving[resident] = asyncio.create_task(self._leave(resident))
            self.version += 1
            resident.leave()
        return self._leaving[resident]

    async def _leave(self, resident: Resident) -> int:
        try:
            await self._kept.save(resident)
            await resident.close()
        finally:
            if self._by_path.get(resident.model.path) is resident:
                del self._by_path[resident.model.path]
            del self._leaving[resident]
            self.version += 1
            self._changed()
        return resident.footprint.total if resident.footprint is not None else 0

    async def let_go_of_replaced(self, path: str) -> None:
        """End the one whose file at `path` is another by now, unless it is in use."""
        resident = self.ready(path)
        if resident is None or resident.leased or not await is_replaced(resident):
            return
        # Nothing is awaited from here to the mark: no turn may have taken it meanwhile.
        if self.ready(path) is resident and not resident.leased:
            resident.key = ""  # what it holds of a chat is good for nothing any more
            await self.retire([path])

    async def gone(self, path: str) -> None:
        """Returns when nothing is left of a worker for `path` that is leaving, or has died."""
        found = self._by_path.get(path)
        if found is None:
            return
        if found in self._leaving:
            await asyncio.wait([self._leaving[found]])
        elif not found.alive:
            del self._by_path[path]

    def end(self, worker: WorkerProcess) -> None:
        """Kill one whose load came to nothing."""
        worker.kill()
        start_in(self._ending, worker.close())

    @property
    def settling(self) -> bool:
        """Whether memory is on its way back."""
        return bool(self._leaving or self._ending)

    async def settled(self) -> None:
        """Returns when all that is leaving has gone."""
        await ended([*self._leaving.values(), *self._ending])
