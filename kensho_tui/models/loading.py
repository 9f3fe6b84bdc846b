"""One load: make room, load, try once more when memory runs out, remember what was measured."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from kensho_tui.core.contract import Phase
from kensho_tui.core.errors import NoMemoryError
from kensho_tui.core.frames import Loaded
from kensho_tui.core.text import gigabytes
from kensho_tui.models.estimate import measured
from kensho_tui.models.evict import choose
from kensho_tui.models.memory import Room
from kensho_tui.models.plan import RAM, LoadPlan, Planner, family
from kensho_tui.models.resident import Resident
from kensho_tui.models.residents import Residents
from kensho_tui.models.verdict import left, listed, remedies

log = logging.getLogger(__name__)

OnPhase = Callable[[Phase], None]

POLL_S = 0.1
BACK_S = 5.0
BACK_SHARE = 0.75
SMALLEST = 512


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

    @property
    def path(self) -> str:
        return self.resident.model.path


class Loader:
    """Takes a `LoadJob` from cold to ready. ``may_retry``: once more, when memory ran out: without the other
    models, or with half of a context that the program had chosen.
    """

    def __init__(self, planner: Planner, residents: Residents, may_retry: bool = True) -> None:
        self._planner = planner
        self._residents = residents
        self._may_retry = may_retry

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
            again = await self._again(job, plan, error)
            try:
                loaded = await resident.load(again.request)
            except NoMemoryError as error_again:
                raise await self._does_not_fit(again, error_again) from None
            if again.load.context != plan.load.context:
                await self._planner.decide(again)
            plan = again
        await self._learn(resident, plan, loaded)
        return plan

    async def _learn(self, resident: Resident, plan: LoadPlan, loaded: Loaded) -> None:
        """What it really took, and where."""
        self._planner.learn(plan, loaded)
        resident.device = family(loaded.device)
        footprint = measured(loaded.buffers, resident.device != RAM)
        # A worker that says nothing of its buffers leaves the estimate in force.
        if footprint.total > footprint.overhead:
            resident.footprint = footprint
            await self._planner.remember(
                replace(plan, device=resident.device), loaded, footprint, resident.load_s
            )

    # --- room ----------------------------------------------------------------------------------------

    async def _make_room(self, job: LoadJob, plan: LoadPlan) -> None:
        room = await self._planner.room(plan.device)
        if plan.need.total > room.free and self._residents.settling:
            job.resident.say(Phase(name="waiting", note="for memory to come back"))
            await self._residents.settled()
            room = await self._planner.room(plan.device)
        if plan.need.host and not job.anyway:
            beside = await self._planner.room(RAM)
            if plan.need.host > beside.free:
                raise no_room_beside(plan, beside)
        # From here to the eviction nothing is awaited: nobody may take a victim meanwhile.
        candidates = self._residents.idle(plan.device)
        victims = choose(candidates, plan.need.total - room.free)
        if victims is None and job.anyway:
            victims = tuple(candidates)
        if victims is None:
            raise no_room(plan, room, in_the_way(plan, room.free, self._residents))
        if victims:
            await self._evict(job, [victim.name for victim in victims], plan.device, room)

    async def _evict(self, job: LoadJob, paths: Sequence[str], device: str, before: Room) -> None:
        going = ", ".join(self._residents.names(paths))
        log.info("%s: unloaded for %s", going, job.resident.model.name)
        leaving = self._residents.retire(paths)
        job.resident.say(Phase(name="unloading", note=going))
        freed = await leaving
        if device != RAM:
            job.resident.say(Phase(name="waiting", note="for the driver to give the memory back"))
            await self._come_back(device, before.free + int(freed * BACK_SHARE))

    async def _come_back(self, device: str, free: int) -> None:
        """Drivers give memory back a moment after the process has gone."""
        for _ in range(int(BACK_S / POLL_S)):
            if (await self._planner.room(device)).free >= free:
                return
            await asyncio.sleep(POLL_S)

    # --- out of memory -------------------------------------------------------------------------------

    async def _again(self, job: LoadJob, plan: LoadPlan, error: NoMemoryError) -> LoadPlan:
        """What to try once more, and only once: without the other models, else with half the context where
        the program had chosen it. Raises `NoMemoryError` when neither is left, or nobody wants it.
        """
        others = [one.name for one in self._residents.idle(plan.device)] if self._may_retry else []
        if others:
            await self._evict(job, others, plan.device, await self._planner.room(plan.device))
            job.resident.say(Phase(name="starting", note="trying again: memory ran out"))
            return plan
        context = plan.request.context // 2 // 256 * 256
        if plan.by_hand or not self._may_retry or context < SMALLEST:
            raise await self._does_not_fit(plan, error)
        log.warning("%s: memory ran out, trying a context of %d", plan.model.name, context)
        job.resident.say(Phase(name="starting", note=f"trying again with {context:,} tokens of context"))
        return replace(
            plan,
            request=msgspec.structs.replace(plan.request, context=context),
            load=replace(plan.load, context=context),
        )

    async def _does_not_fit(self, plan: LoadPlan, error: NoMemoryError) -> NoMemoryError:
        room = await self._planner.room(plan.device)
        hint = _advice(plan, room) or "Free memory, or choose a smaller model or quantisation"
        return NoMemoryError(f"memory ran out while {plan.model.name} was loaded: {error.message}", hint=hint)


def in_the_way(plan: LoadPlan, free: int, residents: Residents) -> tuple[str, ...]:
    """Names of pinned or busy residents without which, and without the idle ones, `plan` would fit."""
    held = [one for one in residents.held(plan.device) if one.model.path != plan.model.path]
    idle = sum(one.frees for one in residents.idle(plan.device) if one.name != plan.model.path)
    holds = sum(one.footprint.total for one in held if one.footprint is not None)
    return tuple(one.model.name for one in held) if plan.need.total <= free + idle + holds else ()


def no_room(plan: LoadPlan, room: Room, blocked: Sequence[str]) -> NoMemoryError:
    """Said before anything is tried: what it needs, what there is, what would do."""
    advice = _advice(plan, room)
    if blocked:
        advice = f"{listed(blocked)} would have to go first, and is pinned or answers now"
    return NoMemoryError(
        f"{plan.model.name} needs about {gigabytes(plan.need.total)} of {room.kind} with a context of "
        f"{plan.load.context:,} tokens, {left(room.free, room.limit)}",
        hint=advice or "Choose a smaller model or quantisation, or load it anyway from the list of models",
    )


def no_room_beside(plan: LoadPlan, room: Room) -> NoMemoryError:
    """The GPU would do, but what it leaves to RAM does not fit there."""
    need, free = gigabytes(plan.need.host), gigabytes(room.free)
    return NoMemoryError(
        f"{plan.model.name} needs about {need} of RAM beside the GPU, {free} are free",
        hint="Put more layers on the GPU, choose a smaller model, or load it anyway from the list of models",
    )


def _advice(plan: LoadPlan, room: Room) -> str:
    if plan.shape is None:
        return ""
    found = remedies(plan.shape, plan.load, room.whole)
    return f"It fits with {' or '.join(remedy.what for remedy in found[:2])}" if found else ""
