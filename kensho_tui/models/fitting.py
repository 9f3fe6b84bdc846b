"""Whether models fit, as lists, details and `fit` show it: plans, room and residents joined."""

import asyncio
from typing import NamedTuple

import msgspec

from kensho_tui.core.contract import ModelInfo
from kensho_tui.core.errors import LoadError
from kensho_tui.core.model_contract import Details, Fit, FitModel
from kensho_tui.core.model_info import Footprint, Verdict
from kensho_tui.core.sizes import human_size
from kensho_tui.models.dry_run import dry_run
from kensho_tui.models.estimate import kensho_formula, largest_context
from kensho_tui.models.gguf.facts import facts
from kensho_tui.models.gguf.shape import ModelShape
from kensho_tui.models.library import Library
from kensho_tui.models.loading import Candidates, in_the_way, victims_for
from kensho_tui.models.manager import ModelManager
from kensho_tui.models.memory import BOUNDLESS, RAM
from kensho_tui.models.plan import LoadPlan, Planner, Rooms, Wish
from kensho_tui.models.residents import frees_on, is_replaced
from kensho_tui.models.verdict import judge, left, remedies


class Judged(NamedTuple):
    """``context``: what a load would get, in tokens (None: not known)."""

    verdict: Verdict
    context: int | None


class Fitting:
    """Answers of `models.list`, `models.fit` and `models.details`. Starts no worker, but for a dry run."""

    def __init__(self, library: Library, planner: Planner, manager: ModelManager) -> None:
        self._library = library
        self._planner = planner
        self._manager = manager

    async def models(self) -> tuple[ModelInfo, ...]:
        """All models with their verdicts."""
        rooms = Rooms(self._planner)
        return tuple([await self._judged(model, rooms) for model in await self._library.models()])

    async def _judged(self, model: ModelInfo, rooms: Rooms) -> ModelInfo:
        if model.problem:
            there = self._manager.residents.ready(model.path) is not None
            verdict = Verdict(kind="unknown", reason=model.problem)
            return msgspec.structs.replace(model, verdict=verdict, resident=there)
        plan = await self._planner.plan(model, rooms=rooms)
        verdict = await self._verdict(plan, rooms)
        return msgspec.structs.replace(model, verdict=verdict, resident=verdict.kind == "resident")

    async def _verdict(self, plan: LoadPlan, rooms: Rooms) -> Verdict:
        residents = self._manager.residents
        room = await rooms.on(plan.device)
        beside = await rooms.on(RAM) if plan.need.host else room
        ours = residents.ready(plan.model.path)
        same = ours is not None and ours.request == plan.request and not await is_replaced(ours)
        free, free_ram = room.free, beside.free
        loading = residents.loading
        for own in (ours, loading if loading is not None and loading.model.path == plan.model.path else None):
            if own is not None and not same:  # loaded otherwise it would go first; what loads has it already
                free += frees_on(own, plan.device)
                free_ram += frees_on(own, RAM)
        everyone = Candidates(residents, plan)
        going = victims_for(plan, free, free_ram, everyone)
        if going is None and not same and victims_for(plan, free, BOUNDLESS, everyone) is not None:
            rest = human_size(plan.need.host)
            said = f"It leaves {rest} to RAM beside the GPU, {left(free_ram, beside.limit)}"
            short = judge(Footprint(weights=plan.need.host), free_ram, "RAM", None, limit=beside.limit)
            return msgspec.structs.replace(short, reason=said)
        none = going is None
        return judge(
            plan.need,
            free if room.known or same else None,
            room.kind,
            None if going is None else residents.names(going),
            resident=same,
            remedies=remedies(plan.shape, plan.load, room.whole) if none and plan.shape else (),
            blocked=in_the_way(plan, free, residents) if none else (),
            limit=room.limit,
        )

    async def fit(self, request: FitModel) -> Fit:
        """Raises `NotFoundError`, or `LoadError` for a file that is no model."""
        model = await self._library.find(request.model)
        shape = await self._library.shape(model)
        wish = Wish(request.context, request.kv_type, request.gpu_layers)
        plan = await self._planner.plan(model, wish)
        if request.exact:
            need = await dry_run(model.path, plan.load, plan.device)
            plan = LoadPlan(model, plan.request, need, plan.device, plan.load, shape, plan.by_hand)
        return await self._fit(plan, shape)

    async def _fit(self, plan: LoadPlan, shape: ModelShape) -> Fit:
        rooms = Rooms(self._planner)
        room = await rooms.on(plan.device)
        return Fit(
            model=plan.model.name,
            context=plan.load.context,
            kv_type=plan.load.kv_type,
            gpu_layers=plan.load.gpu_layers,
            footprint=plan.need,
            verdict=await self._verdict(plan, rooms),
            max_context=largest_context(shape, plan.load, room.whole, shape.trained_context),
            kensho=kensho_formula(shape),
            memory=room.total,
            others=room.others,
        )

    async def details(self, reference: str) -> Details:
        """Also of a file that cannot be used: then without a fit, and its problem is said."""
        model = await self._library.find(reference)
        defaults = await self._library.defaults(model)
        try:
            shape = await self._library.shape(model)
        except LoadError as error:
            info = msgspec.structs.replace(model, problem=model.problem or error.message)
            return Details(info=info, facts={}, defaults=defaults, fit=None)
        plan = await self._planner.plan(model)
        found = await self._fit(plan, shape)
        info = msgspec.structs.replace(
            model, verdict=found.verdict, resident=found.verdict.kind == "resident"
        )
        return Details(info=info, facts=await asyncio.to_thread(facts, shape), defaults=defaults, fit=found)

    # --- models that are somewhere else -----------------------------------------------------------------

    def rooms(self) -> Rooms:
        """The memory there is, to judge many models by."""
        return Rooms(self._planner)

    async def judge_remote(self, shape: ModelShape | None, size: int, rooms: Rooms) -> Judged:
        """What would be said of a model the moment it is here; where its header is not known, of one that
        takes ``size`` bytes.
        """
        plan = await self._planner.plan_remote(shape, size, rooms)
        verdict = await self._verdict(plan, rooms)
        return Judged(verdict, plan.load.context if shape is not None else None)

    async def fit_remote(self, name: str, shape: ModelShape) -> Fit:
        """As `fit`, for a model that is not here yet."""
        plan = await self._planner.plan_remote(shape, 0, self.rooms())
        return msgspec.structs.replace(await self._fit(plan, shape), model=name)
