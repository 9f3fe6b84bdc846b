"""The front link's methods about cached answers. Units as in `core.contract`."""

from msgspec import Struct

from kensho_tui.core.contract import Empty, Method


class Purge(Struct, frozen=True, kw_only=True):
    """Forget the cached answers that were made for or given in ``chat``, or those of ``model``; else all."""

    chat: str | None = None
    model: str | None = None


class Purged(Struct, frozen=True, kw_only=True):
    """Answers that were forgotten, and the bytes of their texts."""

    entries: int
    size: int


class CacheUse(Struct, frozen=True, kw_only=True):
    """Questions that found an answer (``hits``) or not since the host's start, and what is kept: in memory,
    with all that an entry takes, and on disk, the texts alone.
    """

    hits: int
    misses: int
    entries: int
    size: int
    disk_entries: int
    disk_size: int


PURGE = Method("responses.purge", Purge, Purged)
CACHE_USE = Method("responses.use", Empty, CacheUse)
