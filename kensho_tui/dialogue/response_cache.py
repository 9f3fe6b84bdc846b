"""ResponseCache: answers to be given again, the last used in memory, all of them on disk for some days.

Nothing here can fail a turn: what cannot be read counts as not there, what cannot be written is left.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from kensho_tui.config.settings import Settings
from kensho_tui.core.errors import StorageError
from kensho_tui.core.response_contract import CacheUse
from kensho_tui.core.sizes import MIB
from kensho_tui.core.tasks import ended, start_in
from kensho_tui.storage.responses import Kept, Response, Responses

if TYPE_CHECKING:
    from cachetools import TLRUCache

log = logging.getLogger(__name__)

ROW_BYTES = 500
"""What an answer takes beside its text, about."""


@dataclass(frozen=True)
class Limits:
    """Of the layer in memory: answers, bytes, and seconds since the last use."""

    entries: int = 100
    size: int = 50 * MIB
    ttl_s: float = 30 * 60.0

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        return cls(settings.cache_entries, int(settings.cache_memory * MIB), settings.cache_minutes * 60)


@dataclass(frozen=True)
class _Entry:
    """``ttl_s``: how long it stays after each use."""

    response: Response
    ttl_s: float
    size: int


class ResponseCache:
    """``clock``: seconds since 1970."""

    def __init__(self, rows: Responses, limits: Limits, clock: Callable[[], float] = time.time) -> None:
        self.hits = 0
        self.misses = 0
        self._rows = rows
        self._limits = limits
        self._clock = clock
        self._writing: set[asyncio.Task[None]] = set()

    @cached_property
    def _memory(self) -> "TLRUCache[str, _Entry]":
        from cachetools import TLRUCache  # not needed where nothing is asked

        return TLRUCache(
            self._limits.size,
            lambda key, entry, now: now + entry.ttl_s,
            timer=self._clock,
            getsizeof=lambda entry: entry.size,
        )

    # --- one answer ----------------------------------------------------------------------------------

    async def get(self, key: str, chat: str) -> Response | None:
        """The answer under `key`, which is now given in `chat`, too; its age begins anew."""
        found = await self.find(key)
        if found is None:
            self.misses += 1
        else:
            self.given(key, chat)
        return found

    async def find(self, key: str) -> Response | None:
        """The answer under `key`. Nothing is counted: it may not be given after all."""
        entry: _Entry | None = self._memory.get(key)
        if entry is None:
            try:
                found = await self._rows.get(key, self._clock())
            except StorageError as error:
                log.warning("the cached answers could not be read: %s", error.message)
                found = None
            if found is None:
                return None
            entry = _entry(found, self._limits.ttl_s)
            self._remember(key, entry)
        return entry.response

    def given(self, key: str, chat: str) -> None:
        """What `find` found was given in `chat`. Where it was purged meanwhile it stays forgotten."""
        self.hits += 1
        entry = self._memory.get(key)
        if entry is not None:
            self._remember(key, entry)
        self._write(self._rows.used(key, chat, self._clock()))

    def put(self, key: str, response: Response, chat: str, ttl_s: float | None = None) -> None:
        """Keep an answer made for `chat`: in memory at once, for ``ttl_s`` (None: as set) after each use."""
        self._remember(key, _entry(response, self._limits.ttl_s if ttl_s is None else ttl_s))
        self._write(self._rows.put(key, response, chat, self._clock()))

    def _remember(self, key: str, entry: _Entry) -> None:
        """As the youngest; the least recently used ones make room."""
        memory = self._memory
        memory.pop(key, None)
        if entry.size > memory.maxsize or not self._limits.entries:
            return
        while len(memory) >= self._limits.entries:
            memory.popitem()
        memory[key] = entry

    def _write(self, work: Coroutine[object, object, None]) -> None:
        start_in(self._writing, _written(work))

    # --- all of them ---------------------------------------------------------------------------------

    async def purge(self, chat: str | None = None, model_path: str | None = None) -> Kept:
        """Forget the answers of a chat, of a model, or else all; what was on disk. Raises `StorageError`."""
        await self.settled()
        try:
            return await self._rows.purge(chat, model_path)
        finally:
            # Only the disk knows all chats of an answer; what is not meant comes back from there.
            self._memory.clear()

    async def prune(self) -> None:
        """Drop what is too old on disk."""
        await _written(self._rows.prune(self._clock()))

    async def use(self) -> CacheUse:
        """Raises `StorageError`."""
        self._memory.expire()
        disk = await self._rows.kept()
        return CacheUse(
            hits=self.hits,
            misses=self.misses,
            entries=len(self._memory),
            size=int(self._memory.currsize),
            disk_entries=disk.entries,
            disk_size=disk.size,
        )

    async def settled(self) -> None:
        """Returns when all that was kept so far is on disk."""
        await ended(self._writing)


def _entry(response: Response, ttl_s: float) -> _Entry:
    return _Entry(response, ttl_s, len(response.text.encode()) + ROW_BYTES)


async def _written(work: Coroutine[object, object, None]) -> None:
    try:
        await work
    except StorageError as error:
        log.warning("%s", error.message)
