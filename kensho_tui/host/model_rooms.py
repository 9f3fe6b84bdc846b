"""The rooms that deal with models, built for one host: library, memory, planner, manager, saved caches."""

import asyncio
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from kensho_tui.config.paths import Paths
from kensho_tui.config.settings import Settings
from kensho_tui.core.contract import ModelInfo
from kensho_tui.core.errors import UsageError
from kensho_tui.core.model_contract import ChangeModel, Deleted, Unloaded
from kensho_tui.core.sizes import GIB
from kensho_tui.hardware.build import backends
from kensho_tui.hardware.cpu import decode_threads, most_decode_threads, prefill_threads, usable_cores
from kensho_tui.hardware.gpu import gpus
from kensho_tui.hardware.pools import pools
from kensho_tui.models.fitting import Fitting
from kensho_tui.models.kept_chats import KeptChats
from kensho_tui.models.kv_files import KvFiles
from kensho_tui.models.library import Library
from kensho_tui.models.manager import ModelManager
from kensho_tui.models.memory import MemoryManager
from kensho_tui.models.plan import EngineOptions, Planner
from kensho_tui.models.sources import Elsewhere
from kensho_tui.models.ways import Ways
from kensho_tui.storage.database import Database

if TYPE_CHECKING:
    from kensho_tui.models.bench.tools import Tools
    from kensho_tui.models.downloads.manager import Downloads
    from kensho_tui.models.hub.hub import Hub

HISTORY = "arrived"
"""Where notes of downloads lie that are done."""
_DEVICES = {
    "cuda": ("CUDA", {"nvidia"}),
    "hip": ("ROCm", {"amd"}),
    "metal": ("MTL", {"apple"}),
    "vulkan": ("Vulkan", {"nvidia", "amd"}),
}


class ModelRooms:
    """``changed`` is called when workers or models would read otherwise."""

    def __init__(
        self,
        paths: Paths,
        database: Database,
        settings: Settings,
        device: str,
        changed: Callable[[], None],
        command: Sequence[str],
    ) -> None:
        self.library = Library(paths, database, settings)
        self.files = KvFiles(paths.cache / "kv", int(settings.kv_files * GIB)) if settings.kv_files else None
        memory = MemoryManager(pools, int(settings.memory_limit * GIB))
        self._planner = Planner(engine_options(settings, device), self.library, memory)
        self.manager = ModelManager(
            self._planner,
            changed,
            command,
            paths.cache,
            KeptChats(self.files),
            may_retry=settings.when_short != "fail",
        )
        self.ways = Ways(self._planner, self.library)
        self.fitting = Fitting(self.library, self._planner, self.manager)
        self.downloads_changed: Callable[[], None] = lambda: None
        self._paths, self._settings = paths, settings

    @cached_property
    def downloads(self) -> "Downloads":
        """Made when somebody wants something of them: most starts of a host do not."""
        from kensho_tui.models.downloads.manager import Downloads
        from kensho_tui.models.downloads.origins import AllOrigins

        models, elsewhere = self._paths.models, Elsewhere.of(self._settings)
        origins = AllOrigins(lambda: self.hub, models, elsewhere)
        history = self._paths.data / HISTORY
        downloads = Downloads(models, history, origins, self._settings.downloads, self._installed)
        downloads.changed = self.downloads_changed
        return downloads

    @property
    def downloading(self) -> int:
        """How many downloads go on by themselves."""
        return self.downloads.active if "downloads" in vars(self) else 0

    async def go_on_with_downloads(self) -> None:
        """Those that an earlier host left, and those that are done and may be news."""
        from kensho_tui.models.downloads.records import FOLDER

        folders = (self._paths.models / FOLDER, self._paths.data / HISTORY)
        if await asyncio.to_thread(lambda: any(next(folder.glob("*.json"), None) for folder in folders)):
            await self.downloads.open()

    @cached_property
    def hub(self) -> "Hub":
        """Made when somebody wants something of it."""
        from kensho_tui.models.hub.hub import Hub

        return Hub(self.library, self.fitting)

    async def _installed(self, path: Path) -> str:
        """A model has come: it is listed from now on, under the name returned."""
        name = (await self.library.find(str(path))).name
        self.library.on_changed()
        return name

    def bench_tools(self) -> "Tools":
        """What a benchmark works with on this machine."""
        from kensho_tui.models.bench.tools import Tools

        cores = usable_cores()
        return Tools(self.manager, self._planner, cores, self._planner.options.paying)

    async def tidy(self, chats: set[str]) -> None:
        """Once, after the start: what was deleted long ago goes, and saved caches above their quota or of
        chats that are not among ``chats``.
        """
        await self.library.tidy()
        if self.files is not None:
            await asyncio.to_thread(self.files.prune, living=chats)

    async def close(self) -> None:
        if "downloads" in vars(self):
            await self.downloads.close()
        await self.manager.close()
        await self.library.close()

    # --- what a person does with a model -------------------------------------------------------------

    async def change(self, request: ChangeModel) -> ModelInfo:
        info = await self.library.change(request)
        residents = self.manager.residents
        for resident in (*residents.all(), *([residents.loading] if residents.loading else [])):
            if resident.model.path == info.path and request.pinned is not None:
                resident.pinned = request.pinned
        return info

    async def unload(self, reference: str | None) -> Unloaded:
        if reference is None:
            return await self.manager.unload()
        return await self.manager.unload((await self.library.find(reference)).path)

    async def delete(self, reference: str) -> Deleted:
        """Into the bin. A model that is not ours, or has work to do, stays, loaded or not: UsageError."""
        info = await self.library.find(reference)
        await self.library.check_deletable(info)
        loading = self.manager.loading
        if loading is not None and loading.path == info.path:
            raise self._at_work(info, "is being loaded", "Cancel that")
        if (await self.manager.unload(info.path)).busy:
            raise self._at_work(info, "is answering", "Stop the answer")
        deleted = await self.library.delete(info)
        if self.files is not None:
            await asyncio.to_thread(self.files.forget_model, info.path)
        return deleted

    def _at_work(self, info: ModelInfo, does: str, ends_it: str) -> UsageError:
        """Why it cannot be deleted now: while turns have to wait, all that works is what they wait for."""
        if self.manager.held:
            return UsageError(
                f"{info.name} cannot be deleted now: {self.manager.held}", hint="Delete it after that"
            )
        return UsageError(f"{info.name} {does}", hint=f"{ends_it} first, or wait for its end")


def engine_options(settings: Settings, device: str) -> EngineOptions:
    """What models are loaded with on this machine, whose llama.cpp puts layers on ``device``."""
    cores = usable_cores()
    return EngineOptions(
        context=settings.context,
        threads=settings.threads or decode_threads(cores),
        threads_most=settings.threads or most_decode_threads(cores),
        threads_batch=prefill_threads(cores),
        gpu_layers=settings.gpu_layers,
        kv_type=settings.kv_type,
        device=device,
        paying=(decode_threads(cores), most_decode_threads(cores)),
    )


def expected_device() -> str:
    """Where llama.cpp will put layers, as far as its files and the cards tell before it ran (blocks)."""
    built = (backends() or frozenset()) & _DEVICES.keys()
    if not built:  # nobody has to ask the drivers
        return "CPU"
    vendors = {card.vendor for card in gpus()}
    return next(
        (device for name, (device, vendor) in _DEVICES.items() if name in built and vendor & vendors), "CPU"
    )
