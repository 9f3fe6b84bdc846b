"""Whether models fit, as lists, details and `fit` show it: plans, room and residents joined."""

import asyncio
from collections.abc import Iterable

import msgspec

from kensho_tui.core.contract import ModelInfo
from kensho_tui.core.errors import LoadError
from kensho_tui.core.model_contract import Details, Fit, FitModel
from kensho_tui.core.model_info import Verdict
from kensho_tui.models.dry_run import dry_run
from kensho_tui.models.estimate import kensho_formula, largest_context
from kensho_tui.models.evict import Held, choose
from kensho_tui.models.gguf.facts import facts
from kensho_tui.models.gguf.shape import ModelShape
from kensho_tui.models.library import Library
from kensho_tui.models.loading import held
from kensho_tui.models.manager import ModelManager
from kensho_tui.models.memory import Room
from kensho_tui.models.plan import LoadPlan, Planner, Wish
from kensho_tui.models.verdict import judge, remedies


class Fitting:
    """Answers of `models.list`, `models.fit` and `models.details`. Starts no worker, but for a dry run."""

    def __init__(self, library: Library, planner: Planner, manager: ModelManager) -> None:
        self._library = library
        self._planner = planner
        self._manager = manager

    async def models(self) -> tuple[ModelInfo, ...]:
        """All models with their verdicts."""
        models = await self._library.models()
        rooms: dict[str, Room] = {}
        return tuple([await self._judged(model, rooms) for model in models])

    async def _judged(self, model: ModelInfo, rooms: dict[str, Room]) -> ModelInfo:
        if model.problem:
            there = self._manager.resident(model.path) is not None
            verdict = Verdict(kind="unknown", reason=model.problem)
            return msgspec.structs.replace(model, verdict=verdict, resident=there)
        plan = await self._planner.plan(model)
        if plan.device not in rooms:
            rooms[plan.device] = await self._planner.room(plan.device)
        verdict = self._verdict(plan, rooms[plan.device])
        return msgspec.structs.replace(model, verdict=verdict, resident=verdict.kind == "resident")

    def _verdict(self, plan: LoadPlan, room: Room) -> Verdict:
        resident = self._manager.resident(plan.model.path)
        free, same = room.free, False
        if resident is not None and resident.request is not None and resident.footprint is not None:
            ours, asked = resident.request, plan.request
            same = (ours.context, ours.kv_type, ours.gpu_layers) == (
                asked.context,
                asked.kv_type,
                asked.gpu_layers,
            )
            free += 0 if same else resident.footprint.total  # loaded otherwise, it would go first
        going = choose(self._idle(plan), plan.need.total - free)
        names = None if going is None else tuple(self._names(one.name for one in going))
        return judge(
            plan.need,
            free if room.known or same else None,
            room.kind,
            names,
            resident=same,
            remedies=remedies(plan.shape, plan.load, room.whole) if names is None and plan.shape else (),
        )

    def _idle(self, plan: LoadPlan) -> list[Held]:
        others = [one for one in self._manager.residents() if one.model.path != plan.model.path]
        return held(others, plan.device)

    def _names(self, paths: Iterable[str]) -> list[str]:
        names = {resident.model.path: resident.model.name for resident in self._manager.residents()}
        return [names.get(path, path) for path in paths]

    async def fit(self, request: FitModel) -> Fit:
        """Raises `NotFoundError`, or `LoadError` for a file that is no model."""
        model = await self._library.find(request.model)
        shape = await self._library.shape(model)
        wish = Wish(request.context, request.kv_type, request.gpu_layers)
        plan = await self._planner.plan(model, wish)
        if request.exact:
            need = await dry_run(model.path, plan.load, plan.device)
            plan = LoadPlan(model, plan.request, need, plan.device, plan.load, shape, plan.by_hand)
        return self._fit(plan, shape, await self._planner.room(plan.device))

    def _fit(self, plan: LoadPlan, shape: ModelShape, room: Room) -> Fit:
        return Fit(
            model=plan.model.name,
            context=plan.load.context,
            kv_type=plan.load.kv_type,
            gpu_layers=plan.load.gpu_layers,
            footprint=plan.need,
            verdict=self._verdict(plan, room),
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
        found = self._fit(plan, shape, await self._planner.room(plan.device))
        info = msgspec.structs.replace(
            model, verdict=found.verdict, resident=found.verdict.kind == "resident"
        )
        return Details(info=info, facts=await asyncio.to_thread(facts, shape), defaults=defaults, fit=found)
