"""What the host offers on the bus about models and the disk they take."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from kensho_tui.bus.board import FactBoard
from kensho_tui.bus.endpoint import Endpoint, Peer
from kensho_tui.config.paths import Paths
from kensho_tui.core import contract as c
from kensho_tui.core import model_contract as m
from kensho_tui.core.errors import NotFoundError
from kensho_tui.dialogue.response_cache import ResponseCache
from kensho_tui.dialogue.service import Dialogue
from kensho_tui.host.model_rooms import ModelRooms
from kensho_tui.host.response_offers import with_responses


@dataclass(frozen=True, kw_only=True)
class ModelOffers:
    """Handlers of the methods in `core.model_contract`; ``changed`` posts what the host says of itself."""

    rooms: ModelRooms
    dialogue: Dialogue
    responses: ResponseCache
    board: FactBoard
    paths: Paths
    changed: Callable[[], None]

    def register(self, bus: Endpoint) -> None:
        self.rooms.library.on_changed = self._tell
        bus.register(c.LIST_MODELS, self._list)
        bus.register(m.DETAILS, self._details)
        bus.register(m.FIT, self._fit)
        bus.register(m.CHANGE, self._change)
        bus.register(m.PREFETCH, self._prefetch)
        bus.register(m.CANCEL_LOAD, self._cancel_load)
        bus.register(m.UNLOAD, self._unload)
        bus.register(m.DELETE, self._delete)
        bus.register(m.RESTORE, self._restore)
        bus.register(m.DISK_USE, self._disk_use)
        bus.register(m.FREE_DISK, self._free_disk)

    def _tell(self) -> None:
        self.board.touch(c.TOPIC_MODELS, c.ModelsFact())
        self.changed()

    async def _list(self, request: c.Empty, peer: Peer) -> c.ModelList:
        """Every model, the one that a new chat would use marked."""
        models = await self.rooms.fitting.models()
        try:
            default = (await self.dialogue.choose_default()).path
        except NotFoundError:
            return c.ModelList(models)
        return c.ModelList(
            tuple(msgspec.structs.replace(model, default=model.path == default) for model in models)
        )

    async def _details(self, request: m.ModelRef, peer: Peer) -> m.Details:
        return await self.rooms.fitting.details(request.model)

    async def _fit(self, request: m.FitModel, peer: Peer) -> m.Fit:
        return await self.rooms.fitting.fit(request)

    async def _change(self, request: m.ChangeModel, peer: Peer) -> c.ModelInfo:
        return await self.rooms.change(request)

    async def _prefetch(self, request: m.ModelRef, peer: Peer) -> c.Empty:
        model = await self.rooms.library.find(request.model) if request.model else None
        await self.rooms.manager.prefetch(model)
        return c.Empty()

    async def _cancel_load(self, request: c.Empty, peer: Peer) -> c.Empty:
        await self.rooms.manager.cancel_load()
        return c.Empty()

    async def _unload(self, request: m.Unload, peer: Peer) -> m.Unloaded:
        return await self.rooms.unload(request.model)

    async def _delete(self, request: m.ModelRef, peer: Peer) -> m.Deleted:
        path = (await self.rooms.library.find(request.model)).path
        deleted = await self.rooms.delete(request.model)
        await self.responses.purge(model_path=path)
        return deleted

    async def _restore(self, request: m.RestoreModel, peer: Peer) -> c.ModelInfo:
        return await self.rooms.library.restore(request.token)

    async def _disk_use(self, request: c.Empty, peer: Peer) -> m.DiskUse:
        from kensho_tui.host.disk import disk_use

        await self.rooms.downloads.open()
        use = await asyncio.to_thread(disk_use, self.paths, self.rooms.downloads.unfinished())
        return with_responses(use, await self.responses.use())

    async def _free_disk(self, request: m.FreeDisk, peer: Peer) -> m.Freed:
        from kensho_tui.host.disk import free

        downloads = self.rooms.downloads
        await downloads.open()
        freed = await asyncio.to_thread(free, self.paths, request.stores, downloads.unfinished())
        await downloads.forget_missing()
        self._tell()
        if request.stores and "responses" not in request.stores:
            return freed
        answers = await self.responses.purge()
        return m.Freed(size=freed.size + answers.size, files=freed.files + answers.entries)
