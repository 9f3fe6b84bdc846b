"""After rows are gone: chats without a beginning, broken chains and dangling references are put right."""

import sqlite3

from kensho_tui.core.text import one_line
from kensho_tui.storage.dates import now

TITLE_LENGTH = 60

# A row that breaks off has lost the dates that come after its text: that of the message before it is near.
_DATES = """
UPDATE messages SET created = coalesce(
    nullif((SELECT e.created FROM messages e WHERE e.chat_id = messages.chat_id AND e.number < messages.number
        AND e.created != '' ORDER BY e.number DESC LIMIT 1), ''),
    (SELECT c.created FROM chats c WHERE c.id = messages.chat_id), ?)
WHERE created = ''
"""

_ORPHANS = """
SELECT chat_id, min(created), max(updated) FROM messages
WHERE chat_id NOT IN (SELECT id FROM chats) GROUP BY chat_id ORDER BY min(number)
"""

# A parent is written before its children; any other is no parent.
_CUT_OFF = """
SELECT m.number, m.chat_id FROM messages m LEFT JOIN messages parent ON parent.id = m.parent_id
WHERE m.parent_id IS NOT NULL
    AND (parent.number IS NULL OR parent.number >= m.number OR parent.chat_id != m.chat_id)
ORDER BY m.number
"""

_HEADS = """
UPDATE chats SET head = (SELECT id FROM messages WHERE chat_id = chats.id ORDER BY number DESC LIMIT 1)
WHERE head IS NULL OR NOT EXISTS (SELECT 1 FROM messages WHERE id = chats.head AND chat_id = chats.id)
"""


def mend_chats(connection: sqlite3.Connection) -> None:
    """Every message has a chat that says so if it had to be made, and is on a path of it."""
    connection.execute(_DATES, (now(),))
    connection.execute("UPDATE messages SET updated = created WHERE updated = ''")
    for chat_id, created, updated in connection.execute(_ORPHANS).fetchall():
        _recover(connection, chat_id, created, updated)
    for number, chat_id in connection.execute(_CUT_OFF).fetchall():
        connection.execute(
            "UPDATE messages SET parent_id = (SELECT id FROM messages"
            " WHERE chat_id = ? AND number < ? ORDER BY number DESC LIMIT 1) WHERE number = ?",
            (chat_id, number, number),
        )
    connection.execute(_HEADS)


def _recover(connection: sqlite3.Connection, chat_id: str, created: str, updated: str) -> None:
    row = connection.execute(
        "SELECT substr(content, 1, 500) FROM messages WHERE chat_id = ? ORDER BY role = 'user' DESC, number",
        (chat_id,),
    ).fetchone()
    title = one_line(f"Recovered: {row[0]}", TITLE_LENGTH)
    connection.execute(
        "INSERT INTO chats (id, title, created, updated) VALUES (?, ?, ?, ?)",
        (chat_id, title, created, updated),
    )


def mend_answers(connection: sqlite3.Connection, *, whole: bool) -> None:
    """Kept answers go with their chats: one of which not every chat is known (not `whole`) cannot stay."""
    linkless = "" if not whole else " WHERE key NOT IN (SELECT key FROM response_chats)"
    connection.execute(f"DELETE FROM responses{linkless}")  # noqa: S608


def mend_references(connection: sqlite3.Connection) -> None:
    """What refers to a row that is gone says nothing instead, or goes too where it must say something."""
    for _ in range(100):  # each round may lose rows that others refer to
        broken = connection.execute("PRAGMA foreign_key_check").fetchall()
        keys = {(table, key) for table, _, _, key in broken}
        if not keys:
            return
        for table, key in sorted(keys):
            _mend_reference(connection, table, key)


def _mend_reference(connection: sqlite3.Connection, table: str, key: int) -> None:
    parts = [
        row for row in connection.execute(f"PRAGMA foreign_key_list({table})").fetchall() if row[0] == key
    ]
    target = parts[0][2]
    columns = [(str(row[3]), str(row[4] or row[3])) for row in parts]
    # The names are those of our schema.
    same = " AND ".join(f'parent."{theirs}" = "{table}"."{ours}"' for ours, theirs in columns)
    said = " AND ".join(f'"{ours}" IS NOT NULL' for ours, _ in columns)
    gone = f'{said} AND NOT EXISTS (SELECT 1 FROM "{target}" parent WHERE {same})'  # noqa: S608
    needed = {row[1] for row in connection.execute(f"PRAGMA table_info({table})") if row[3] or row[5]}
    free = next((ours for ours, _ in columns if ours not in needed), None)
    if free is None:
        connection.execute(f'DELETE FROM "{table}" WHERE {gone}')  # noqa: S608
    else:
        connection.execute(f'UPDATE "{table}" SET "{free}" = NULL WHERE {gone}')  # noqa: S608
