"""Cached answers in this host: built from the settings, offered on the bus, shown with what lies on disk."""

from dataclasses import dataclass

from msgspec.structs import replace

from kensho_tui.bus.endpoint import Endpoint, Peer
from kensho_tui.config.settings import Settings
from kensho_tui.core import response_contract as r
from kensho_tui.core.contract import Empty
from kensho_tui.core.errors import UsageError
from kensho_tui.core.model_contract import DiskUse, Store
from kensho_tui.core.sizes import MIB
from kensho_tui.dialogue.answers import Answers
from kensho_tui.dialogue.response_cache import Limits, ResponseCache
from kensho_tui.host.model_rooms import ModelRooms
from kensho_tui.models.library import Library
from kensho_tui.storage.chats import Chats
from kensho_tui.storage.database import Database
from kensho_tui.storage.responses import Responses

DAY_S = 86_400.0


def answers_of(settings: Settings, database: Database, rooms: ModelRooms, chats: Chats) -> Answers:
    """Where this host's turns get their answers."""
    rows = Responses(database, int(settings.cache_disk * MIB), settings.cache_days * DAY_S)
    cache = ResponseCache(rows, Limits.of(settings))
    return Answers(cache, rooms.ways, rooms.manager, chats, enabled=settings.cache_answers)


def with_responses(use: DiskUse, responses: r.CacheUse) -> DiskUse:
    """The stores, with the cached answers taken out of the database that holds them (pure)."""
    stores: list[Store] = []
    for store in use.stores:
        if store.name != "database":
            stores.append(store)
            continue
        size = min(responses.disk_size, store.size)
        stores += [
            replace(store, size=store.size - size),
            Store(
                name="responses",
                title="Cached answers, in the same file",
                path=store.path,
                files=responses.disk_entries,
                size=size,
                freeable=size,
            ),
        ]
    return DiskUse(tuple(stores))


@dataclass(frozen=True)
class ResponseOffers:
    """Handlers of the methods in `core.response_contract`."""

    cache: ResponseCache
    chats: Chats
    library: Library

    def register(self, bus: Endpoint) -> None:
        bus.register(r.PURGE, self._purge)
        bus.register(r.CACHE_USE, self._use)

    async def _purge(self, request: r.Purge, peer: Peer) -> r.Purged:
        if request.chat is not None and request.model is not None:
            raise UsageError("a chat or a model, not both")
        chat = await self.chats.resolve(request.chat) if request.chat is not None else None
        path = (await self.library.find(request.model)).path if request.model is not None else None
        gone = await self.cache.purge(chat, path)
        return r.Purged(entries=gone.entries, size=gone.size)

    async def _use(self, request: Empty, peer: Peer) -> r.CacheUse:
        return await self.cache.use()
