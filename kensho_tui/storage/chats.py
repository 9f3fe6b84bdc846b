"""Reading chats: the list, one chat's messages, and what was asked before."""

from kensho_tui.core.contract import ChatSummary, Message
from kensho_tui.core.errors import UsageError
from kensho_tui.core.text import one_line, valid
from kensho_tui.storage.rows import (
    ALL_MESSAGES,
    MESSAGE,
    PATH,
    PATH_TO,
    SUMMARIES,
    SUMMARY,
    ModelIdentity,
    Outcome,
    Started,
    TurnRow,
    message_of,
    summary_of,
)
from kensho_tui.storage.turns import Turns, no_chat, no_message

__all__ = ["Chats", "ModelIdentity", "Outcome", "Started", "TurnRow"]

_CANDIDATES = 5
# Prompts older than this many are no longer looked at for the history.
_PROMPTS_READ = 5000


class Chats(Turns):
    """All that is kept of the chats: `Turns` writes it, this class reads it."""

    async def list(self, limit: int = 1000) -> tuple[ChatSummary, ...]:
        """The chats used last, newest first."""
        return tuple(summary_of(row) for row in await self._database.fetch(SUMMARIES, (limit,)))

    async def summary(self, chat_id: str) -> ChatSummary:
        """One line of `list`. Raises `NotFoundError`."""
        rows = await self._database.fetch(SUMMARY, (valid(chat_id),))
        if not rows:
            raise no_chat(chat_id)
        return summary_of(rows[0])

    async def path(self, chat_id: str) -> tuple[Message, ...]:
        """The messages of the active path, root first. Raises `NotFoundError`."""
        return await self._messages_of(PATH, chat_id)

    async def all_messages(self, chat_id: str) -> tuple[Message, ...]:
        """The messages of every branch, oldest first. Raises `NotFoundError`."""
        return await self._messages_of(ALL_MESSAGES, chat_id)

    async def path_to(self, message_id: str) -> tuple[Message, ...]:
        """The messages from the root to `message_id`, which is the last. Raises `NotFoundError`."""
        rows = await self._database.fetch(PATH_TO, (valid(message_id),))
        if not rows:
            raise no_message(message_id)
        return tuple(map(message_of, rows))

    async def message(self, message_id: str) -> Message:
        """One message. Raises `NotFoundError`."""
        rows = await self._database.fetch(MESSAGE, (valid(message_id),))
        if not rows:
            raise no_message(message_id)
        return message_of(rows[0])

    async def chat_of(self, message_id: str) -> str:
        """The id of the chat that `message_id` belongs to. Raises `NotFoundError`."""
        rows = await self._database.fetch("SELECT chat_id FROM messages WHERE id = ?", (valid(message_id),))
        if not rows:
            raise no_message(message_id)
        return str(rows[0][0])

    async def resolve(self, prefix: str) -> str:
        """The id of the one chat whose id starts with `prefix`.

        Raises `NotFoundError` when there is none, `UsageError` naming them when there are several.
        """
        prefix = valid(prefix.strip().lower())
        if not prefix:
            raise UsageError("a chat's id, or the start of one, is needed")
        rows = await self._database.fetch(
            "SELECT id, title FROM chats WHERE substr(id, 1, length(?)) = ?"
            " ORDER BY updated DESC, number DESC",
            (prefix, prefix),
        )
        if not rows:
            raise no_chat(prefix)
        if len(rows) > 1:
            named = ", ".join(f"{chat} ({one_line(title, 30)})" for chat, title in rows[:_CANDIDATES])
            more = f" and {len(rows) - _CANDIDATES} more" if len(rows) > _CANDIDATES else ""
            raise UsageError(
                f"{prefix} is the start of several chats: {named}{more}", hint="Give more of the id"
            )
        return str(rows[0][0])

    async def last(self) -> str | None:
        """The id of the chat used last; None when there is no chat."""
        rows = await self._database.fetch("SELECT id FROM chats ORDER BY updated DESC, number DESC LIMIT 1")
        return str(rows[0][0]) if rows else None

    async def system(self, chat_id: str) -> str | None:
        """The chat's system prompt. Raises `NotFoundError`."""
        rows = await self._database.fetch("SELECT system FROM chats WHERE id = ?", (valid(chat_id),))
        if not rows:
            raise no_chat(chat_id)
        return None if rows[0][0] is None else str(rows[0][0])

    async def ids(self) -> set[str]:
        """Of all chats."""
        return {str(row[0]) for row in await self._database.fetch("SELECT id FROM chats")}

    async def models_used(self, chat_id: str | None) -> tuple[str | None, str | None]:
        """The model of a chat, and that of the newest chat that has one; None where there is none."""
        [(own, last)] = await self._database.fetch(
            "SELECT (SELECT model FROM chats WHERE id = ?), (SELECT model FROM chats WHERE model IS NOT NULL"
            " ORDER BY updated DESC, number DESC LIMIT 1)",
            (chat_id,),
        )
        return own, last

    async def prompts(self, limit: int = 200) -> tuple[str, ...]:
        """What was asked before, newest first, nothing twice."""
        rows = await self._database.fetch(
            "SELECT content FROM (SELECT number, content FROM messages WHERE role = 'user'"
            " ORDER BY number DESC LIMIT ?) GROUP BY content ORDER BY max(number) DESC LIMIT ?",
            (_PROMPTS_READ, limit),
        )
        return tuple(str(content) for (content,) in rows)

    async def _messages_of(self, query: str, chat_id: str) -> tuple[Message, ...]:
        rows = await self._database.fetch(query, (valid(chat_id),))
        if not rows:
            await self.system(chat_id)  # an unknown chat is an error, an empty one is not
        return tuple(map(message_of, rows))
