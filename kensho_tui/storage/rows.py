"""Rows of the database as the types of the contract, and the queries that read them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kensho_tui.core.contract import ChatState, ChatSummary, Message, State, StopReason, Timings, Usage
from kensho_tui.storage.database import Row


@dataclass(frozen=True)
class TurnRow:
    """Ids of what a turn writes to. ``user_id`` is the message answered (None when it has no parent)."""

    chat_id: str
    user_id: str | None
    message_id: str
    generation_id: str


@dataclass(frozen=True)
class ModelIdentity:
    """Which model file answered: its path, its size in bytes, its change date in seconds since 1970."""

    path: str
    size: int
    mtime: float

    @classmethod
    def of(cls, path: str | Path) -> "ModelIdentity":
        """The file at `path` as it is now; size and date are 0 if it went away while it was loaded."""
        try:
            found = Path(path).stat()
        except OSError:
            return cls(str(path), 0, 0.0)
        return cls(str(path), found.st_size, found.st_mtime)


@dataclass(frozen=True)
class Started:
    """What an answer is made with. ``settings`` are kept as JSON.

    ``from_cache``: no model is at work, an answer of this one is given again.
    """

    model: str
    identity: ModelIdentity
    settings: Mapping[str, object]
    from_cache: bool = False


@dataclass(frozen=True)
class Outcome:
    """How an answer ended. ``trimmed`` counts the messages of the chat that no longer fitted the context."""

    state: State
    stop_reason: StopReason | None = None
    error: str | None = None
    usage: Usage = field(default_factory=Usage)
    timings: Timings = field(default_factory=Timings)
    trimmed: int = 0


_COLUMNS = """
SELECT m.id, m.parent_id, m.role, m.state, m.model, m.content, m.stop_reason, m.error, m.created,
       g.prompt_tokens, g.cached_tokens, g.completion_tokens, g.trimmed, g.from_cache,
       g.queue_s, g.load_s, g.prefill_s, g.ttft_s, g.prompt_tok_s, g.decode_tok_s, g.total_s
"""

# Usage and timings are those of the newest generation; the index on message_id holds the row numbers in
# order, so that its end is found without reading the others.
_NEWEST = """
LEFT JOIN generations g ON g.number = (SELECT max(number) FROM generations WHERE message_id = m.id)
"""

# UNION, not UNION ALL: should a damaged file hold a circle of parents, the walk still ends. CROSS JOIN keeps
# SQLite from reading every message there is in the order of `number`.
_WALK = """
UNION
    SELECT parent.id, parent.parent_id FROM walk JOIN messages parent ON parent.id = walk.parent_id
)
"""
_WALKED = "FROM walk CROSS JOIN messages m ON m.id = walk.id"
_FROM_ID = "WITH RECURSIVE walk(id, parent_id) AS (SELECT id, parent_id FROM messages WHERE id = ?"
_FROM_HEAD = (
    "WITH RECURSIVE walk(id, parent_id) AS ("
    "SELECT id, parent_id FROM messages WHERE id = (SELECT head FROM chats WHERE id = ?)"
)

MESSAGE = f"{_COLUMNS} FROM messages m {_NEWEST} WHERE m.id = ?"
ALL_MESSAGES = f"{_COLUMNS} FROM messages m {_NEWEST} WHERE m.chat_id = ? ORDER BY m.number"
PATH_TO = f"{_FROM_ID} {_WALK} {_COLUMNS} {_WALKED} {_NEWEST} ORDER BY m.number"
PATH = f"{_FROM_HEAD} {_WALK} {_COLUMNS} {_WALKED} {_NEWEST} ORDER BY m.number"

_SUMMARIES = """
SELECT c.id, c.title, c.created, c.updated, c.model,
       (SELECT count(*) FROM messages WHERE chat_id = c.id),
       c.id IN (SELECT chat_id FROM messages WHERE state IN ('queued', 'streaming')),
       (SELECT state FROM messages WHERE id = c.head)
FROM chats c
"""
SUMMARIES = f"{_SUMMARIES} ORDER BY c.updated DESC, c.number DESC LIMIT ?"
SUMMARY = f"{_SUMMARIES} WHERE c.id = ?"


def message_of(row: Row) -> Message:
    """A row of `MESSAGE`, `ALL_MESSAGES`, `PATH` or `PATH_TO`."""
    identity, parent_id, role, state, model, content, stop_reason, error, created = row[:9]
    usage, trimmed, from_cache, timings = row[9:12], row[12], row[13], row[14:]
    return Message(
        id=identity,
        parent_id=parent_id,
        role=role,
        state=state,
        model=model,
        content=content,
        stop_reason=stop_reason,
        error=error,
        created=created,
        usage=None if usage[0] is None else usage_of(usage),
        timings=None if timings[0] is None else timings_of(timings),
        trimmed=trimmed or 0,
        cached=bool(from_cache),
    )


def usage_of(row: Row) -> Usage:
    prompt, cached, completion = row
    return Usage(prompt_tokens=prompt, cached_tokens=cached, completion_tokens=completion)


def timings_of(row: Row) -> Timings:
    queue, load, prefill, ttft, prompt_speed, decode_speed, total = row
    return Timings(
        queue_s=queue,
        load_s=load,
        prefill_s=prefill,
        ttft_s=ttft,
        prompt_tok_s=prompt_speed,
        decode_tok_s=decode_speed,
        total_s=total,
    )


def summary_of(row: Row) -> ChatSummary:
    """A row of `SUMMARIES` or `SUMMARY`."""
    identity, title, created, updated, model, messages, live, head_state = row
    state: ChatState = "idle"
    if live:
        state = "streaming"
    elif head_state in ("interrupted", "failed"):
        state = head_state
    return ChatSummary(
        id=identity,
        title=title,
        created=created,
        updated=updated,
        model=model,
        messages=messages,
        state=state,
    )
