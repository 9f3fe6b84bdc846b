"""One load: make room, load, try once more when memory runs out, remember what was measured."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from kensho_tui.core.contract import Phase
from kensho_tui.core.errors import NoMemoryError
from kensho_tui.core.frames import Loaded
from kensho_tui.core.sizes import human_size
from kensho_tui.models.estimate import measured
from kensho_tui.models.evict import choose
from kensho_tui.models.memory import BOUNDLESS, RAM, Room
from kensho_tui.models.plan import LoadPlan, Planner, family
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
    it does not fit. ``sent``: the worker has this request already. ``given_up``: a person ended it.
    """

    resident: Resident
    wanted: bool = False
    anyway: bool = False
    sent: bool = False
    given_up: bool = False
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
        resident.expected_s, resident.device, resident.shape = plan.expected_s, plan.device, plan.shape
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
        room, beside = await self._look(plan)
        if self._residents.settling and victims_for(plan, room.free, beside.free, ()) is None:
            job.resident.say(Phase(name="waiting", note="for memory to come back"))
            await self._residents.settled()
            room, beside = await self._look(plan)
        # From here to the eviction nothing is awaited: nobody may take a victim meanwhile.
        everyone = Candidates(self._residents, plan)
        victims = victims_for(plan, room.free, beside.free, everyone)
        if victims is None and not job.anyway:
            if victims_for(plan, room.free, BOUNDLESS, everyone) is not None:
                raise no_room_beside(plan, beside)
            raise no_room(plan, room, in_the_way(plan, room.free, self._residents))
        going = [one.name for one in everyone.on_device] if victims is None else victims
        if going:
            await self._evict(job, going, plan.device, room)

    async def _look(self, plan: LoadPlan) -> tuple[Room, Room]:
        """The room on the plan's device and in RAM, seen while nobody came or went."""
        while True:
            version = self._residents.version
            room = await self._planner.room(plan.device)
            beside = await self._planner.room(RAM) if plan.need.host else room
            if version == self._residents.version:
                return room, beside

    async def _evict(self, job: LoadJob, paths: Sequence[str], device: str, before: Room) -> None:
        going = ", ".join(self._residents.names(paths))
        leaving = self._residents.retire(paths)
        log.info("%s: unloaded for %s", going, job.resident.model.name)
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
        room = await self._planner.room(plan.device)
        others = [one.name for one in self._residents.idle(plan.device)] if self._may_retry else []
        if others:
            await self._evict(job, others, plan.device, room)
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


class Candidates:
    """Who may go for a plan: on its device, and in RAM beside a GPU."""

    def __init__(self, residents: Residents, plan: LoadPlan) -> None:
        self.on_device = [one for one in residents.idle(plan.device) if one.name != plan.model.path]
        self.in_ram = [one for one in residents.idle(RAM) if one.name != plan.model.path]


def victims_for(
    plan: LoadPlan, free: int, beside: int, candidates: Candidates | tuple[()]
) -> list[str] | None:
    """Paths of those that go for `plan` where `free` bytes are left on its device and `beside` in RAM; None
    where even all of them would not do (pure).
    """
    on_device = candidates.on_device if candidates else []
    found = choose(on_device, plan.need.total - free)
    if found is None:
        return None
    going = [one.name for one in found]
    if not plan.need.host:
        return going
    in_ram = candidates.in_ram if candidates else []
    back = sum(one.frees for one in in_ram if one.name in going)
    more = choose([one for one in in_ram if one.name not in going], plan.need.host - beside - back)
    return None if more is None else going + [one.name for one in more]


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
        advice = f"It would fit without what is pinned or in use: {listed(blocked)}"
    return NoMemoryError(
        f"{plan.model.name} needs about {human_size(plan.need.total)} of {room.kind} with a context of "
        f"{plan.load.context:,} tokens, {left(room.free, room.limit)}",
        hint=advice or "Choose a smaller model or quantisation, or load it anyway from the list of models",
    )


def no_room_beside(plan: LoadPlan, room: Room) -> NoMemoryError:
    """The GPU would do, but what it leaves to RAM does not fit there."""
    need, free = human_size(plan.need.host), human_size(room.free)
    return NoMemoryError(
        f"{plan.model.name} needs about {need} of RAM beside the GPU, {free} are free",
        hint="Put more layers on the GPU, choose a smaller model, or load it anyway from the list of models",
    )


def _advice(plan: LoadPlan, room: Room) -> str:
    if plan.shape is None:
        return ""
    found = remedies(plan.shape, plan.load, room.whole)
    return f"It fits with {' or '.join(remedy.what for remedy in found[:2])}" if found else ""
