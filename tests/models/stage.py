"""The model manager, real but for its workers, which are scripted, and the memory, which is told."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from kensho_tui.config.paths import Paths
from kensho_tui.config.settings import Settings
from kensho_tui.core.contract import ModelInfo, Phase, Sampling
from kensho_tui.core.frames import End, Generate, Turn
from kensho_tui.hardware.pools import Pool
from kensho_tui.models.fitting import Fitting
from kensho_tui.models.kept_chats import KeptChats
from kensho_tui.models.kv_files import KvFiles
from kensho_tui.models.library import Library
from kensho_tui.models.manager import ModelManager
from kensho_tui.models.memory import MemoryManager, ReadPools
from kensho_tui.models.plan import EngineOptions, Planner
from kensho_tui.storage.database import open_database
from tests.support.gguf import TINY, Hyper, write_model
from tests.support.scripted_host import SCRIPTED_WORKER

MB = 1_000_000
OPTIONS = EngineOptions(context=4096, threads=1, threads_most=2, threads_batch=2)


def paths_in(root: Path) -> Paths:
    return Paths(root / "config", root / "data", root / "cache", root / "logs", root / "run").ensure()


def add_model(folder: Path, name: str, size: int = 100 * MB, **shape: object) -> ModelInfo:
    """A model whose worker takes `size` bytes; `shape` goes to its header, or to the scripted worker."""
    hyper = {key: shape.pop(key) for key in [field.name for field in fields(Hyper)] if key in shape}
    scripted = json.dumps({"weights": size, **shape})
    path = folder / f"{name}.gguf"
    write_model(path, replace(TINY, template=f"#scripted {scripted}", **{"context": 8192, **hyper}))
    return ModelInfo(name=name, path=str(path), size=path.stat().st_size, source="folder")


@dataclass
class Stage:
    paths: Paths
    library: Library
    planner: Planner
    manager: ModelManager
    fitting: Fitting
    pools: list[Pool]
    files: KvFiles | None
    models: dict[str, ModelInfo] = field(default_factory=dict)

    def add(self, name: str, size: int = 100 * MB, **shape: object) -> ModelInfo:
        self.models[name] = add_model(self.paths.models, name, size, **shape)
        return self.models[name]

    async def use(self, model: ModelInfo, phases: list[Phase] | None = None) -> int:
        """One turn; the worker's pid."""
        said = phases if phases is not None else []
        async with self.manager.use(model, said.append) as resident:
            assert resident.model.path == model.path
            return resident.worker.pid

    async def say(self, model: ModelInfo, chat: str, prompt: str = "hello") -> End:
        """One turn of `chat`, as the dialogue takes it."""
        request = Generate(id=f"{chat}-{model.name}", turns=(Turn("user", prompt),), sampling=Sampling())
        async with self.manager.use(model, lambda phase: None) as resident:
            request = await self.manager.kept.before(resident, chat, request)
            end = await resident.generate(request, lambda frame: None)
            await self.manager.kept.after(resident, chat, request, end)
            return end

    async def learn(self, *models: ModelInfo) -> None:
        """Load each once, so that what they need is measured."""
        for model in models:
            await self.use(model)
            await self.manager.unload()

    @property
    def names(self) -> list[str]:
        return sorted(resident.model.name for resident in self.manager.residents.all())


@asynccontextmanager
async def stage(
    root: Path,
    limit: int = 0,
    options: EngineOptions = OPTIONS,
    pools: Sequence[Pool] = (Pool("RAM", "RAM", "CPU", 64_000 * MB, 64_000 * MB, 0),),
    *,
    ask: ReadPools | None = None,
    may_retry: bool = True,
    quota: int = 0,
) -> AsyncIterator[Stage]:
    paths = paths_in(root)
    database = (await open_database(paths.database)).database
    there = list(pools)

    def read(device: str, own: Mapping[int, int]) -> Sequence[Pool]:
        return there

    library = Library(paths, database, Settings(find_models=False))
    planner = Planner(options, library, MemoryManager(ask or read, limit))
    files = KvFiles(paths.cache / "kv", quota) if quota else None
    kept = KeptChats(files)
    manager = ModelManager(planner, lambda: None, SCRIPTED_WORKER, paths.cache, kept, may_retry=may_retry)
    try:
        yield Stage(paths, library, planner, manager, Fitting(library, planner, manager), there, files)
    finally:
        await manager.close()
        await database.close()
    assert manager.workers() == ()
