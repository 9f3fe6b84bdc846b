"""Writing a turn: begun in one transaction, saved as it grows, ended in one transaction."""

import json
from typing import Literal, NamedTuple

import msgspec
from msgspec.structs import astuple

from kensho_tui.core.contract import State, Timings, Usage
from kensho_tui.core.errors import NotFoundError, UsageError
from kensho_tui.core.ids import new_id
from kensho_tui.core.text import one_line, valid
from kensho_tui.storage.database import Database, Transaction
from kensho_tui.storage.dates import now
from kensho_tui.storage.generations import Setup, count_of, keep_setup
from kensho_tui.storage.rows import Outcome, Started, TurnRow

TITLE_LENGTH = 60

_LIVE = ("queued", "streaming")


class Given(NamedTuple):
    """An answer of an earlier turn, to be saved as that of a new one."""

    started: Started
    text: str
    outcome: Outcome


class Turns:
    """What the dialogue writes. Each method is one transaction: all of it is saved, or nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin_turn(
        self,
        chat_id: str | None,
        prompt: str,
        model: str | None,
        system: str | None,
        state: Literal["queued", "streaming"],
    ) -> TurnRow:
        """Save `prompt` and an empty answer at the end of the active path; None begins a new chat.

        `model` is the answer's; it becomes the chat's once it is at work (`start_generation`): one that
        cannot be loaded must not be chosen again.

        `system`, when given, becomes the chat's system prompt. Raises `NotFoundError` for an unknown chat.
        """
        async with self._database.transaction("the prompt was not saved", durable=True) as work:
            return await _begin(work, chat_id, prompt, model, system, state)

    async def give_turn(
        self, chat_id: str | None, head: str | None, prompt: str, system: str | None, given: Given
    ) -> TurnRow | None:
        """Save `prompt` and the whole answer that is given again to it; as `begin_turn`.

        None, and nothing is saved, where `head` is no longer the end of the chat: the answer was to another
        conversation.
        """
        async with self._database.transaction("the prompt was not saved", durable=True) as work:
            if chat_id is not None and await _head(work, chat_id) != head:
                return None
            row = await _begin(work, chat_id, prompt, given.started.model, system, "streaming")
            await _start(work, row, given.started)
            await _end(work, row, given.text, given.outcome)
            return row

    async def begin_anew(
        self, prompt_id: str, model: str | None, state: Literal["queued", "streaming"]
    ) -> TurnRow:
        """Save another, empty answer to the last prompt of a chat, beside the one it has: the active path
        ends there now. `model` as for `begin_turn`.

        Raises `NotFoundError`, and `UsageError` where the chat does not end with an answer to that prompt,
        or that one is still being written.
        """
        async with self._database.transaction("the prompt was not asked anew", durable=True) as work:
            found = await work.first(
                "SELECT m.chat_id, a.state FROM messages m JOIN chats c ON c.id = m.chat_id"
                " LEFT JOIN messages a ON a.id = c.head AND a.parent_id = m.id WHERE m.id = ?",
                (valid(prompt_id),),
            )
            if found is None:
                raise no_message(prompt_id)
            chat_id, answered = found
            if answered is None:
                raise UsageError("only the last prompt of a chat can be asked anew")
            if answered in _LIVE:
                raise UsageError("this prompt is being answered", hint="Stop that answer to ask anew")
            return await _add_answer(work, chat_id, prompt_id, model, None, state)

    async def begin_resume(self, message_id: str, model: str | None) -> TurnRow:
        """Set an answer back to streaming with its text kept, and begin another generation of it.

        Raises `NotFoundError`, and `UsageError` for a message that is no answer or is still being written.
        """
        date = now()
        async with self._database.transaction("the answer was not continued", durable=True) as work:
            found = await work.first(
                "SELECT chat_id, parent_id, role, state FROM messages WHERE id = ?", (valid(message_id),)
            )
            if found is None:
                raise no_message(message_id)
            chat_id, user_id, role, state = found
            if role != "assistant":
                raise UsageError("only an answer can be continued")
            if state in _LIVE:
                raise UsageError("this answer is still being written")
            await work.run(
                "UPDATE messages SET state = 'streaming', stop_reason = NULL, error = NULL,"
                " model = coalesce(?, model), updated = ? WHERE id = ?",
                (_valid(model), date, message_id),
            )
            generation_id = await _add_generation(work, message_id, model, "streaming", date)
            await work.run("UPDATE chats SET updated = ? WHERE id = ?", (date, chat_id))
        return TurnRow(chat_id, user_id, message_id, generation_id)

    async def start_generation(self, row: TurnRow, started: Started) -> None:
        """The model is known and at work: queued becomes streaming. Raises `UsageError` when it has ended."""
        async with self._database.transaction("the start of the answer was not saved") as work:
            await _check_live(work, row.message_id)
            await _start(work, row, started)

    async def checkpoint(self, message_id: str, content: str) -> None:
        """Save the whole text so far. A message that has ended is left as it is."""
        async with self._database.transaction("the last words of the answer are not saved yet") as work:
            await work.run(
                "UPDATE messages SET content = ?, updated = ?"
                " WHERE id = ? AND state IN ('queued', 'streaming')",
                (valid(content), now(), message_id),
            )

    async def finish(self, row: TurnRow, text: str, outcome: Outcome) -> None:
        """Save the end of an answer: its whole text, why it ended, and its figures.

        Raises `UsageError` when the state is none of an ended answer, or the answer has ended already.
        """
        if outcome.state in _LIVE:
            raise UsageError(f"{outcome.state} is not the state of an answer that ended")
        async with self._database.transaction("the end of the answer was not saved", durable=True) as work:
            await _check_live(work, row.message_id)
            await _end(work, row, text, outcome)

    async def recover(self) -> int:
        """At the host's start: answers left unfinished become interrupted, with their text; how many."""
        async with self._database.transaction("unfinished answers were not marked", durable=True) as work:
            await work.run(
                "UPDATE generations SET state = 'interrupted' WHERE state IN ('queued', 'streaming')"
            )
            await work.run("UPDATE messages SET state = 'interrupted' WHERE state IN ('queued', 'streaming')")
            [(count,)] = await work.run("SELECT changes()")
        return int(count)


def _valid(text: str | None) -> str | None:
    return None if text is None else valid(text)


def no_chat(chat_id: str) -> NotFoundError:
    return NotFoundError(f"there is no chat {one_line(chat_id, 40)}", hint="'kensho-tui chats' lists them")


def no_message(message_id: str) -> NotFoundError:
    return NotFoundError(f"there is no message {one_line(message_id, 40)}")


async def _begin(
    work: Transaction, chat_id: str | None, prompt: str, model: str | None, system: str | None, state: State
) -> TurnRow:
    date = now()
    prompt = valid(prompt)
    if chat_id is None:
        chat_id, head = await _new_chat(work, prompt, date), None
    else:
        head = await _head(work, chat_id)
    user_id = new_id()
    await _add_message(work, (user_id, chat_id, head, "user", "complete", None, prompt, date, date))
    return await _add_answer(work, chat_id, user_id, model, system, state)


async def _add_answer(
    work: Transaction, chat_id: str, user_id: str, model: str | None, system: str | None, state: State
) -> TurnRow:
    """An empty answer to the prompt `user_id`, at the end of the active path."""
    message_id, date = new_id(), now()
    await _add_message(
        work, (message_id, chat_id, user_id, "assistant", state, _valid(model), "", date, date)
    )
    generation_id = await _add_generation(work, message_id, model, state, date)
    await work.run(
        "UPDATE chats SET head = ?, updated = ?, system = coalesce(?, system) WHERE id = ?",
        (message_id, date, _valid(system), chat_id),
    )
    return TurnRow(chat_id, user_id, message_id, generation_id)


async def _start(work: Transaction, row: TurnRow, started: Started) -> None:
    model, identity, settings = valid(started.model), started.identity, started.settings
    date = now()
    await work.run(
        "UPDATE messages SET state = 'streaming', model = ?, updated = ? WHERE id = ?",
        (model, date, row.message_id),
    )
    await work.run(
        "UPDATE generations SET state = 'streaming', model = ?, model_path = ?, model_size = ?,"
        " model_mtime = ?, settings = ?, started = ?, from_cache = ?, setup = ?,"
        " day = substr(created, 1, 10), memory = ?, memory_host = ? WHERE id = ?",
        (
            model,
            valid(identity.path),
            identity.size,
            identity.mtime,
            json.dumps(msgspec.to_builtins(dict(settings))),
            date,
            int(started.from_cache),
            None if started.from_cache else await keep_setup(work, Setup.of(model, settings)),
            count_of(settings, "memory") or None,
            count_of(settings, "memory_host") or None,
            row.generation_id,
        ),
    )
    await work.run("UPDATE chats SET model = ? WHERE id = ?", (model, row.chat_id))


_FIGURES = ", ".join(f"{name} = ?" for name in (*Usage.__struct_fields__, *Timings.__struct_fields__))
_ENDED = f"""
UPDATE generations SET state = ?, stop_reason = ?, error = ?, trimmed = ?, ended = ?, {_FIGURES} WHERE id = ?
"""  # noqa: S608 - names of ours


async def _end(work: Transaction, row: TurnRow, text: str, outcome: Outcome) -> None:
    date = now()
    how = (outcome.state, outcome.stop_reason, _valid(outcome.error))
    await work.run(
        "UPDATE messages SET content = ?, state = ?, stop_reason = ?, error = ?, updated = ? WHERE id = ?",
        (valid(text), *how, date, row.message_id),
    )
    await work.run(
        _ENDED,
        (*how, outcome.trimmed, date, *astuple(outcome.usage), *astuple(outcome.timings), row.generation_id),
    )
    await work.run("UPDATE chats SET updated = ? WHERE id = ?", (date, row.chat_id))


async def _new_chat(work: Transaction, prompt: str, date: str) -> str:
    chat_id = new_id()
    first_line = next((line for line in prompt.splitlines() if one_line(line)), "")
    title = one_line(first_line, TITLE_LENGTH) or "Untitled"
    await work.run(
        "INSERT INTO chats (id, title, created, updated) VALUES (?, ?, ?, ?)", (chat_id, title, date, date)
    )
    return chat_id


async def _head(work: Transaction, chat_id: str) -> str | None:
    found = await work.first("SELECT head FROM chats WHERE id = ?", (valid(chat_id),))
    if found is None:
        raise no_chat(chat_id)
    head: str | None = found[0]
    return head


async def _check_live(work: Transaction, message_id: str) -> None:
    """Refuse an answer that is not being written (any more)."""
    found = await work.first("SELECT state FROM messages WHERE id = ?", (valid(message_id),))
    if found is None:
        raise no_message(message_id)
    if found[0] not in _LIVE:
        raise UsageError("this answer has ended already")


async def _add_message(work: Transaction, values: tuple[str | None, ...]) -> None:
    await work.run(
        "INSERT INTO messages (id, chat_id, parent_id, role, state, model, content, created, updated)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        values,
    )


async def _add_generation(
    work: Transaction, message_id: str, model: str | None, state: State, date: str
) -> str:
    generation_id = new_id()
    await work.run(
        "INSERT INTO generations (id, message_id, model, state, created) VALUES (?, ?, ?, ?, ?)",
        (generation_id, message_id, _valid(model), state, date),
    )
    return generation_id
