"""How a model would be loaded here, and what that takes: settings, header and measurements joined."""

import asyncio
import contextlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from kensho_tui.core.contract import ModelInfo
from kensho_tui.core.errors import KenshoError, LoadError
from kensho_tui.core.frames import Load, Loaded
from kensho_tui.core.model_contract import Defaults, KvType
from kensho_tui.core.model_info import Footprint
from kensho_tui.models.estimate import LoadShape, estimate, largest_context, may_quantise
from kensho_tui.models.gguf.shape import ModelShape
from kensho_tui.models.library import Library
from kensho_tui.models.memory import RAM, MemoryManager, Room, Taken
from kensho_tui.storage.models import LoadSettings

T = TypeVar("T")

# When not even this fits, memory is not what decides: the model gets it and says that it does not fit.
SMALLEST_CONTEXT = 2048


@dataclass(frozen=True)
class EngineOptions:
    """What every model is loaded with unless its own defaults say otherwise.

    ``context`` in tokens: the most that is given by itself (0: all it was trained for). ``device`` is the
    family of devices that llama.cpp will put layers on, as far as that is known before it ran. ``paying``:
    the safe and the most threads where a model shall decode with as many as pay (0, 0: those above).
    """

    context: int
    threads: int
    threads_most: int
    threads_batch: int
    gpu_layers: int = -1
    kv_type: KvType = "f16"
    device: str = "CPU"
    paying: tuple[int, int] = (0, 0)

    def decoding(self, wanted: int | None) -> tuple[int, int]:
        """The safe and the most threads that decode; ``wanted`` 0: as many as pay."""
        if wanted is None or (wanted == 0 and not any(self.paying)):
            return self.threads, self.threads_most
        return (wanted, wanted) if wanted else self.paying


@dataclass(frozen=True)
class Wish:
    """Values of a what-if in place of those that a load would take; None: as it would be."""

    context: int | None = None
    kv_type: KvType | None = None
    gpu_layers: int | None = None


@dataclass(frozen=True)
class LoadPlan:
    """``request`` goes to the worker; ``need`` is what it will take; ``expected_s`` 0 where never measured.

    ``by_hand``: a person set the context, so that it is never made smaller for them. ``device`` is where the
    model's memory will be taken. ``shape`` None: the header could not be read.
    """

    model: ModelInfo
    request: Load
    need: Footprint
    device: str
    load: LoadShape
    shape: ModelShape | None = None
    by_hand: bool = False
    expected_s: float = 0.0


class Planner:
    """Makes plans. ``taken`` tells what the residents hold now; whoever holds them sets it."""

    def __init__(self, options: EngineOptions, library: Library, memory: MemoryManager) -> None:
        self.options = options
        self._library = library
        self._memory = memory
        self.taken: Callable[[], list[Taken]] = list

    def learn(self, plan: LoadPlan, loaded: Loaded) -> None:
        """What llama.cpp really uses is known once it has loaded something there."""
        if plan.load.gpu_layers != 0:
            self.options = replace(self.options, device=family(loaded.device))
        if loaded.devices:
            ours = sum(one.footprint.total for one in self.taken() if one.device != RAM)
            self._memory.learn(loaded.devices, ours)

    def device_for(self, gpu_layers: int) -> str:
        """Where a model's memory is taken: with no layers on the GPU it is RAM."""
        return RAM if gpu_layers == 0 else self.options.device

    async def room(self, device: str) -> Room:
        """The room on `device` beside what is resident there; what a GPU leaves to RAM counts there."""
        taken = [one for one in self.taken() if (one.device == RAM) == (device == RAM)]
        if device == RAM:
            taken += [
                Taken(one.pid, RAM, Footprint(weights=one.footprint.host))
                for one in self.taken()
                if one.device != RAM and one.footprint.host
            ]
        # The limit is for the memory that models compute in, not for what a GPU leaves to RAM besides.
        limited = device == self.options.device
        return await asyncio.to_thread(self._memory.room, device, taken, limited=limited)

    async def find(self, path: str) -> ModelInfo:
        """The model at `path`, under its own name. Raises `NotFoundError`."""
        return await self._library.find(path)

    async def plan(
        self, model: ModelInfo, wish: Wish | None = None, rooms: "Rooms | None" = None
    ) -> LoadPlan:
        """How `model` would be loaded. A header that cannot be read leaves its file size as the estimate.

        ``rooms`` spare asking for room where many plans are made at once.
        """
        wish = wish or Wish()
        defaults = await self._library.defaults(model)
        try:
            shape: ModelShape | None = await self._library.shape(model)
        except LoadError:
            shape = None
        load, device = self._loading(shape, wish, defaults)
        by_hand = _first(wish.context, defaults.context, 0)
        context = by_hand
        if not by_hand:
            whole = (await (rooms or Rooms(self)).on(device)).whole
            context = await self._decided(model, shape, load, device, whole, keep=wish == Wish())
        load = replace(load, context=_as_trained(context, shape))
        need, expected_s = await self._need(model, shape, load, device)
        return LoadPlan(
            model=model,
            request=self._request(model, load, defaults),
            need=need,
            device=device,
            load=load,
            shape=shape,
            by_hand=bool(by_hand),
            expected_s=expected_s,
        )

    async def plan_remote(self, shape: ModelShape | None, size: int, rooms: "Rooms") -> LoadPlan:
        """How a model that is somewhere else would be loaded once it is here: nothing is set for it or known
        of it but its shape, or else that it takes ``size`` bytes, and nothing is kept.
        """
        load, device = self._loading(shape, Wish(), Defaults())
        context = self._largest(shape, load, (await rooms.on(device)).whole)
        load = replace(load, context=_as_trained(context, shape))
        model = ModelInfo(name="", path="", size=size, source="hub")
        need = estimate(shape, load) if shape is not None else Footprint(weights=size)
        return LoadPlan(model, self._request(model, load, Defaults()), need, device, load, shape)

    def _loading(self, shape: ModelShape | None, wish: Wish, defaults: Defaults) -> tuple[LoadShape, str]:
        """All of a load but its context, and the device whose memory it takes."""
        layers = _first(wish.gpu_layers, defaults.gpu_layers, self.options.gpu_layers)
        device = self.device_for(layers)
        kv_type = _usable(_first(wish.kv_type, defaults.kv_type, self.options.kv_type), shape)
        load = LoadShape(
            context=0,
            kv_type=kv_type,
            batch=defaults.batch or 0,
            gpu_layers=layers,
            # llama.cpp quantises no values without it.
            flash=defaults.flash is not False or kv_type != "f16",
            gpu=device != RAM,
        )
        return load, device

    def _request(self, model: ModelInfo, load: LoadShape, defaults: Defaults) -> Load:
        threads, most = self.options.decoding(defaults.threads)
        return Load(
            path=model.path,
            context=load.context,
            gpu_layers=load.gpu_layers,
            threads=threads,
            threads_most=most,
            threads_batch=defaults.threads_batch or self.options.threads_batch,
            kv_type=load.kv_type,
            batch=load.batch,
            flash=(defaults.flash or None) if load.flash else False,
            template=defaults.template or "",
        )

    async def _need(
        self, model: ModelInfo, shape: ModelShape | None, load: LoadShape, device: str
    ) -> tuple[Footprint, float]:
        measured = await self._library.measured(model, _how(load, device, load.context))
        if measured is not None:
            return measured
        expected_s = await self._library.expected_load_s(model)
        if shape is None:
            return Footprint(weights=model.size or _size(model.path)), expected_s
        return estimate(shape, load), expected_s

    async def _decided(
        self,
        model: ModelInfo,
        shape: ModelShape | None,
        load: LoadShape,
        device: str,
        whole: int,
        *,
        keep: bool,
    ) -> int:
        """The largest context up to the setting that fits the device's whole memory: decided once for each
        way of loading, because a saved KV cache is good for one size only, and again when it no longer fits.
        """
        if shape is None:
            return self.options.context
        way = self._way(load, device)
        known = await self._library.decided_context(model, way)
        if known is not None and estimate(shape, replace(load, context=known)).total <= whole:
            return min(known, self._most(shape))
        found = self._largest(shape, load, whole)
        if keep:
            await self._keep_context(model, way, found)
        return found

    def _largest(self, shape: ModelShape | None, load: LoadShape, whole: int) -> int:
        """The largest context up to the setting with which it takes at most ``whole`` bytes."""
        if shape is None:
            return self.options.context
        most = self._most(shape)
        return largest_context(shape, load, whole, most) or min(SMALLEST_CONTEXT, most)

    def _most(self, shape: ModelShape) -> int:
        """Tokens of context that the setting and the model's training allow."""
        most = self.options.context
        return min(most or shape.trained_context, shape.trained_context or most)

    async def _keep_context(self, model: ModelInfo, way: str, context: int) -> None:
        """A database that takes nothing is no reason to fail a load."""
        with contextlib.suppress(KenshoError):
            await self._library.decide_context(model, way, context)

    def _way(self, load: LoadShape, device: str) -> str:
        """All that a decision depends on beside the model: where one of these changes, it is made again."""
        of = (device, load.kv_type, load.gpu_layers, self.options.context, self._memory.limit)
        # Only where they are set: a saved cache shall not lose its size to a newer version's words.
        more = [f"batch={load.batch}"] * bool(load.batch) + ["unfused"] * (not load.flash)
        return " ".join([*map(str, of), *more])

    async def decide(self, plan: LoadPlan) -> None:
        """From now on the plan's context is what the model gets: more did not fit."""
        await self._keep_context(plan.model, self._way(plan.load, plan.device), plan.load.context)

    async def remember(self, plan: LoadPlan, loaded: Loaded, footprint: Footprint, load_s: float) -> None:
        """Keep what a load measured; not being able to is no reason to fail a turn."""
        try:
            how = _how(plan.load, plan.device, loaded.context)
            await self._library.remember_load(plan.model, how, footprint, load_s)
        except KenshoError:
            return


class Rooms:
    """The room on each device, asked for once."""

    def __init__(self, planner: Planner) -> None:
        self._planner = planner
        self._found: dict[str, Room] = {}

    async def on(self, device: str) -> Room:
        if device not in self._found:
            self._found[device] = await self._planner.room(device)
        return self._found[device]


def _how(load: LoadShape, device: str, context: int) -> LoadSettings:
    """The settings that a load is measured for: another load with the same takes as much."""
    return LoadSettings(device, context, load.kv_type, load.gpu_layers, load.batch, load.flash)


def _as_trained(context: int, shape: ModelShape | None) -> int:
    return min(context, shape.trained_context) if shape is not None and shape.trained_context else context


def _usable(kv_type: KvType, shape: ModelShape | None) -> KvType:
    """A quantised cache needs keys and values that fill blocks of 32: llama.cpp refuses it for all others."""
    return kv_type if shape is None or may_quantise(shape) else "f16"


def family(device: str) -> str:
    """llama.cpp's devices without numbers and descriptions: ``CUDA`` for "CUDA0 (…), CUDA1 (…)"."""
    found = re.match(r"[A-Za-z]+", device)
    return found.group() if found else "CPU"


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116 - a path from outside, as it is
    except OSError:
        return 0


def _first(*values: T | None) -> T:
    """The first that is given; the last one must be."""
    return next(value for value in values if value is not None)
