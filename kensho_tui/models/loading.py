"""One load: make room, load, try once more when memory runs out, remember what was measured."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import msgspec

from kensho_tui.core.contract import Phase
from kensho_tui.core.errors import LoadError, NoMemoryError
from kensho_tui.core.text import gigabytes
from kensho_tui.models.estimate import measured
from kensho_tui.models.evict import Held, choose
from kensho_tui.models.memory import Room
from kensho_tui.models.plan import LoadPlan, Planner
from kensho_tui.models.resident import Resident
from kensho_tui.models.verdict import remedies

log = logging.getLogger(__name__)

OnPhase = Callable[[Phase], None]

POLL_S = 0.1
BACK_S = 5.0
BACK_SHARE = 0.75
SMALLEST = 512
# Seconds per byte that loading is taken to need where it was never measured.
UNMEASURED_S = 1e-9


@dataclass
class LoadJob:
    """A load that any number of turns wait for; the last one that gives up cancels it.

    ``wanted``: a person switched to the model, so it is loaded though no turn waits. ``anyway``: also though
    it does not fit. ``sent``: the worker has this request already.
    """

    resident: Resident
    wanted: bool = False
    anyway: bool = False
    sent: bool = False
    waiting: int = 0
    listeners: set[OnPhase] = field(default_factory=set)
    task: "asyncio.Task[None]" = field(init=False)


def held(residents: Iterable[Resident], device: str) -> list[Held]:
    """Those of ``residents`` that may go to free memory on ``device``: not in use, and not pinned."""
    return [
        Held(
            name=resident.model.path,
            frees=resident.footprint.total,
            reload_s=resident.load_s or resident.footprint.total * UNMEASURED_S,
            last_used=resident.last_used,
        )
        for resident in residents
        if resident.state == "ready"
        and resident.alive
        and not resident.leased
        and not resident.pinned
        and resident.footprint is not None
        and resident.device == device
    ]


class Loader:
    """Takes a `LoadJob` from cold to ready. ``residents`` is the manager's own; ``retire`` ends one of them.

    ``may_shrink``: a context that the program chose may be made smaller when memory runs out.
    """

    def __init__(
        self,
        planner: Planner,
        residents: dict[str, Resident],
        retire: "Callable[[Resident], asyncio.Future[int]]",
        may_shrink: bool = True,
    ) -> None:
        self._planner = planner
        self._residents = residents
        self._retire = retire
        self._may_shrink = may_shrink

    async def load(self, job: LoadJob, plan: LoadPlan) -> LoadPlan:
        """The plan that worked. Raises `LoadError` (also for want of memory) or `WorkerDiedError`."""
        resident = job.resident
        resident.expected_s, resident.device = plan.expected_s, plan.device
        resident.pinned = resident.model.pinned
        if not job.sent:
            await self._make_room(job, plan)
        resident.footprint = plan.need  # counts as taken from here on
        try:
            loaded = await resident.load(plan.request, sent=job.sent)
        except NoMemoryError as error:
            plan = await self._smaller(job, plan, error)
            try:
                loaded = await resident.load(plan.request)
            except NoMemoryError as again:
                raise await self._does_not_fit(plan, again) from None
        footprint = measured(loaded.buffers, loaded.device != "CPU")
        # A worker that says nothing of its buffers leaves the estimate in force.
        if footprint.total > footprint.overhead:
            resident.footprint = footprint
            await self._planner.remember(plan, loaded, footprint, resident.load_s)
        self._planner.learn(plan, loaded)
        return plan

    # --- room ----------------------------------------------------------------------------------------

    async def _make_room(self, job: LoadJob, plan: LoadPlan) -> None:
        room = await self._planner.room(plan.device)
        deficit = plan.need.total - room.free
        candidates = held(self._residents.values(), plan.device)
        victims = choose(candidates, deficit)
        if victims is None and job.anyway:
            victims = tuple(candidates)
        if victims is None:
            raise no_room(plan, room)
        if victims:
            await self._evict(job, [victim.name for victim in victims], plan.device, room)

    async def _evict(self, job: LoadJob, paths: list[str], device: str, before: Room) -> None:
        freed = 0
        for path in paths:
            victim = self._residents.get(path)
            if victim is not None:
                log.info("%s is unloaded for %s", victim.model.name, job.resident.model.name)
                job.resident.say(Phase(name="unloading", note=victim.model.name))
                freed += await self._retire(victim)
        if device != "CPU":
            job.resident.say(Phase(name="waiting", note="for the driver to give the memory back"))
            await self._come_back(device, before.free + int(freed * BACK_SHARE))

    async def _come_back(self, device: str, free: int) -> None:
        """Drivers give memory back a moment after the process has gone."""
        for _ in range(int(BACK_S / POLL_S)):
            if (await self._planner.room(device)).free >= free:
                return
            await asyncio.sleep(POLL_S)

    # --- out of memory -------------------------------------------------------------------------------

    async def _smaller(self, job: LoadJob, plan: LoadPlan, error: NoMemoryError) -> LoadPlan:
        """What to try once more, and only once: without the other models, else with half the context where
        the program had chosen it. Raises `NoMemoryError` when neither is left.
        """
        others = [one.name for one in held(self._residents.values(), plan.device)]
        if others:
            await self._evict(job, others, plan.device, await self._planner.room(plan.device))
            job.resident.say(Phase(name="starting", note="trying again: memory ran out"))
            return plan
        context = plan.request.context // 2 // 256 * 256
        if plan.by_hand or not self._may_shrink or context < SMALLEST:
            raise await self._does_not_fit(plan, error)
        log.warning("%s: memory ran out, trying a context of %d", plan.model.name, context)
        job.resident.say(Phase(name="starting", note=f"trying again with {context:,} tokens of context"))
        await self._planner.decide(plan, context)
        return replace(
            plan,
            request=msgspec.structs.replace(plan.request, context=context),
            load=replace(plan.load, context=context),
        )

    async def _does_not_fit(self, plan: LoadPlan, error: NoMemoryError) -> NoMemoryError:
        room = await self._planner.room(plan.device)
        hint = _advice(plan, room) or "Free memory, or choose a smaller model or quantisation"
        return NoMemoryError(f"memory ran out while {plan.model.name} was loaded: {error.message}", hint=hint)


def no_room(plan: LoadPlan, room: Room) -> LoadError:
    """Said before anything is tried: what it needs, what there is, what would do."""
    need, free = gigabytes(plan.need.total), gigabytes(room.free)
    return NoMemoryError(
        f"{plan.model.name} needs about {need} of {room.kind} with a context of {plan.load.context:,} "
        f"tokens, {free} are free",
        hint=_advice(plan, room) or "Choose a smaller model or quantisation, or load it anyway (Ctrl+L)",
    )


def _advice(plan: LoadPlan, room: Room) -> str:
    if plan.shape is None:
        return ""
    found = remedies(plan.shape, plan.load, room.whole)
    return f"It fits with {' or '.join(remedy.what for remedy in found[:2])} (Ctrl+L)" if found else ""
