"""The models in memory, and their way out of it: marked first, their chat kept, their process ended.

Whoever wants the memory of a model marks it before anything is awaited: from then on no turn takes it, so
that nothing that answers is ever cut; and its end goes on whatever becomes of the one who asked for it.
"""

import asyncio
from collections.abc import Callable, Iterable

from kensho_tui.models.evict import Held
from kensho_tui.models.kept_chats import KeptChats
from kensho_tui.models.memory import Taken
from kensho_tui.models.resident import Resident
from kensho_tui.models.worker_process import WorkerProcess

# Seconds per byte that loading is taken to need where it was never measured.
UNMEASURED_S = 1e-9


class Residents:
    """By the path of their model's file. ``changed`` is called when one has come or gone."""

    def __init__(self, kept: KeptChats, changed: Callable[[], None]) -> None:
        self._kept = kept
        self._changed = changed
        self._by_path: dict[str, Resident] = {}
        self._leaving: dict[Resident, asyncio.Task[int]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self.loading: Resident | None = None
        """The one that a load is under way for."""

    def add(self, resident: Resident) -> None:
        self._by_path[resident.model.path] = resident

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
                frees=resident.footprint.total,
                reload_s=resident.load_s or resident.footprint.total * UNMEASURED_S,
                last_used=resident.last_used,
            )
            for resident in self.staying()
            if resident.footprint is not None
            and resident.device == device
            and not resident.leased
            and not resident.pinned
        ]

    def held(self, device: str) -> list[Resident]:
        """Those that hold memory on `device` and may not go now: pinned, or in a turn's hands."""
        return [
            resident
            for resident in self.staying()
            if resident.device == device and (resident.leased or resident.pinned)
        ]

    def names(self, paths: Iterable[str]) -> tuple[str, ...]:
        return tuple(self._by_path[path].model.name if path in self._by_path else path for path in paths)

    # --- the way out ---------------------------------------------------------------------------------

    async def retire(self, paths: Iterable[str]) -> int:
        """End those at `paths`; the bytes that were theirs. None of them may be leased.

        It goes on when whoever waits here is cancelled.
        """
        going = [self._task_for(one) for path in paths if (one := self._by_path.get(path)) is not None]
        return sum(await asyncio.shield(asyncio.gather(*going))) if going else 0

    def _task_for(self, resident: Resident) -> "asyncio.Task[int]":
        if resident not in self._leaving:
            self._leaving[resident] = asyncio.create_task(self._leave(resident))
            resident.leave()
        return self._leaving[resident]

    async def _leave(self, resident: Resident) -> int:
        try:
            await self._kept.save(resident)
        finally:
            await resident.close()
            if self._by_path.get(resident.model.path) is resident:
                del self._by_path[resident.model.path]
            del self._leaving[resident]
            self._changed()
        return resident.footprint.total if resident.footprint is not None else 0

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
        ending = asyncio.create_task(worker.close())
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    @property
    def settling(self) -> bool:
        """Whether memory is on its way back."""
        return bool(self._leaving or self._ending)

    async def settled(self) -> None:
        """Returns when all that is leaving has gone."""
        if self.settling:
            await asyncio.wait([*self._leaving.values(), *self._ending])
