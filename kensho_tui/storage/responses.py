"""Answers kept to be given again, on disk: bounded in age and size, and believed only with their digest."""

import hashlib
import logging
from typing import Literal, NamedTuple, get_args

import msgspec

from kensho_tui.core.errors import StorageError
from kensho_tui.storage.database import Database, Row, Transaction

log = logging.getLogger(__name__)

Ending = Literal["end", "stop_sequence", "length"]
"""How an answer ended that is worth keeping: by itself, or at the length that was asked for."""


class Response(msgspec.Struct, frozen=True):
    """An answer, of the model at ``model_path``, as it ended."""

    text: str
    stop_reason: Ending
    prompt_tokens: int
    completion_tokens: int
    model_path: str


class Kept(NamedTuple):
    """How many answers there are, and the bytes of their texts."""

    entries: int
    size: int


class Responses:
    """The tables of the third migration. ``limit`` in bytes and ``age_s`` in seconds since the last use say
    what is kept; moments are seconds since 1970.
    """

    def __init__(self, database: Database, limit: int, age_s: float) -> None:
        self._database = database
        self._limit = limit
        self._age_s = age_s

    async def get(self, key: str, now: float) -> Response | None:
        """The answer under `key`, if it is not too old. A row that is not as it was written is dropped.

        Raises `StorageError`.
        """
        rows = await self._database.fetch(
            "SELECT text, stop_reason, prompt_tokens, completion_tokens, model_path, digest FROM responses"
            " WHERE key = ? AND used > ?",
            (key, now - self._age_s),
        )
        if not rows:
            return None
        found = _checked(key, rows[0])
        if found is None:
            log.warning("a cached answer is damaged and dropped")
            await self._drop(key)
        return found

    async def put(self, key: str, response: Response, chat_id: str, now: float) -> None:
        """Keep an answer of a chat that is still there; what was used longest ago makes room.

        Raises `StorageError`.
        """
        data = response.text.encode()
        if len(data) > self._limit:
            return
        async with self._database.transaction("the answer was not cached") as work:
            await work.run("DELETE FROM responses WHERE key = ?", (key,))
            await work.run(
                "INSERT INTO responses (key, model_path, stop_reason, prompt_tokens, completion_tokens, size,"
                " used, digest, text)"
                " SELECT ?, ?, ?, ?, ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM chats WHERE id = ?)",
                (
                    key,
                    response.model_path,
                    response.stop_reason,
                    response.prompt_tokens,
                    response.completion_tokens,
                    len(data),
                    now,
                    _digest(key, response),
                    response.text,
                    chat_id,
                ),
            )
            await work.run(_BELONGS, (key, chat_id, key))
            await self._make_room(work, now)

    async def used(self, key: str, chat_id: str, now: float) -> None:
        """It was given in a chat: it belongs to that one, too, and is young again. Raises `StorageError`."""
        async with self._database.transaction("the use of a cached answer was not noted") as work:
            await work.run("UPDATE responses SET used = ? WHERE key = ?", (now, key))
            await work.run(_BELONGS, (key, chat_id, key))

    async def prune(self, now: float) -> None:
        """Drop what is too old, or more than fits. Raises `StorageError`."""
        async with self._database.transaction("old cached answers were not dropped") as work:
            await self._make_room(work, now)

    async def purge(self, chat_id: str | None = None, model_path: str | None = None) -> Kept:
        """Forget the answers of a chat, of a model, or else all: what there was. Raises `StorageError`."""
        where, values = "1", tuple[str, ...]()
        if chat_id is not None:
            where, values = "key IN (SELECT key FROM response_chats WHERE chat_id = ?)", (chat_id,)
        elif model_path is not None:
            where, values = "model_path = ?", (model_path,)
        async with self._database.transaction("cached answers were not forgotten", durable=True) as work:
            [gone] = await work.run(f"{_KEPT} WHERE {where}", values)
            await work.run(f"DELETE FROM responses WHERE {where}", values)  # noqa: S608 - ours
        return Kept(*gone)

    async def kept(self) -> Kept:
        """Raises `StorageError`."""
        [row] = await self._database.fetch(_KEPT)
        return Kept(*row)

    async def _drop(self, key: str) -> None:
        try:
            async with self._database.transaction("a damaged answer was not dropped") as work:
                await work.run("DELETE FROM responses WHERE key = ?", (key,))
        except StorageError as error:
            log.warning("%s", error.message)

    async def _make_room(self, work: Transaction, now: float) -> None:
        await work.run("DELETE FROM responses WHERE used <= ?", (now - self._age_s,))
        [(size,)] = await work.run("SELECT coalesce(sum(size), 0) FROM responses")
        if size > self._limit:
            await work.run(
                "DELETE FROM responses WHERE number IN (SELECT number FROM (SELECT number,"
                " sum(size) OVER (ORDER BY used DESC, number DESC ROWS UNBOUNDED PRECEDING) AS newer"
                " FROM responses) WHERE newer > ?)",
                (self._limit,),
            )


_KEPT = "SELECT count(*), coalesce(sum(size), 0) FROM responses"

# An answer that was dropped meanwhile belongs to nobody.
_BELONGS = """
INSERT OR IGNORE INTO response_chats (key, chat_id)
SELECT ?, chats.id FROM chats WHERE chats.id = ? AND EXISTS (SELECT 1 FROM responses WHERE key = ?)
"""


def _checked(key: str, row: Row) -> Response | None:
    """The response of a row, None where it is not what was written under this key."""
    *fields, digest = row
    try:
        found = msgspec.convert(dict(zip(Response.__struct_fields__, fields, strict=True)), Response)
    except msgspec.ValidationError:
        return None
    return found if _digest(key, found) == digest else None


def _digest(key: str, response: Response) -> str:
    return hashlib.sha256(msgspec.json.encode((key, response))).hexdigest()


def may_keep(stop_reason: str | None) -> Ending | None:
    """`stop_reason`, if an answer that ended so is whole."""
    return next((one for one in get_args(Ending) if one == stop_reason), None)
