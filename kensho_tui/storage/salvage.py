"""What can be read of a damaged database, row by row, into a new one. The damaged file is only read.

Each table's tree is followed from its root. Where a page of it is bad, the rows below are looked for in the
leaves that no tree leads to, by what rows of the table look like. Indexes are never followed to rows; they
only tell how many are missing.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from kensho_tui.storage.files import beside, family, make_private, sync
from kensho_tui.storage.mending import mend_answers, mend_chats, mend_references
from kensho_tui.storage.migrations import Migration, migrate, refuse_newer
from kensho_tui.storage.pages import open_pages
from kensho_tui.storage.shapes import LOG, MASTER, Shape, likeliest, shapes_after
from kensho_tui.storage.trees import EVERYTHING, Codes, Row, Span, Trees, Value, spans_hold

CUT = "the rest of this text could not be read, for the database was damaged"
SAVING = "saving chats from a damaged database"
_IDS = 2  # columns of a unique index: an id and a row number


# What others refer to, or an index knows.
_MESSAGES_LOST = """
SELECT count(*) FROM (
    SELECT id FROM known WHERE name = 'messages'
    UNION SELECT parent_id FROM messages UNION SELECT head FROM chats UNION SELECT message_id FROM generations
) WHERE id IS NOT NULL AND id NOT IN (SELECT id FROM messages)
"""
_CHATS_LOST = "SELECT count(*) FROM known WHERE name = 'chats' AND id NOT IN (SELECT id FROM chats)"


@dataclass(frozen=True)
class Saved:
    """``chats`` and ``messages`` that are in the new database. ``chats_lost`` and ``messages_lost`` are not
    (at least, unless it is ``certain`` that all are known of), and ``cut`` messages end early.
    """

    chats: int
    messages: int
    chats_lost: int
    messages_lost: int
    cut: int
    certain: bool


def salvage(
    path: Path, target: Path, migrations: Sequence[Migration], told: Callable[[str], None]
) -> Saved | None:
    """Make `target` a sound database of what can be read at `path`; None, and no `target`, if nothing can.

    Blocking: the file is read page by page, once or twice, and ``told`` is how far that is. Raises
    `DatabaseNewerError`, `sqlite3.Error` and `OSError`; `target` is absent then.
    """
    told(SAVING)
    part = beside(target, ".part")
    for leftover in (*family(part), *family(target)):
        leftover.unlink(missing_ok=True)
    make_private(part)
    try:
        with (
            open_pages(path, lambda share: told(f"{SAVING}: {share:.0%}")) as pages,
            closing(sqlite3.connect(part, isolation_level=None)) as connection,
        ):
            saved = _Salvage(Trees(pages), connection, migrations, path).run(part)
        if saved is not None:
            sync(part)
            part.rename(target)
            sync(target.parent)
        return saved
    finally:
        for leftover in family(part):
            leftover.unlink(missing_ok=True)


class _Salvage:
    """One salvage, from `trees` into an empty database."""

    def __init__(
        self, trees: Trees, connection: sqlite3.Connection, migrations: Sequence[Migration], path: Path
    ) -> None:
        self._trees = trees
        self._connection = connection
        self._migrations = migrations
        self._path = path
        self._shapes: dict[str, Shape] = {}
        self._roots: dict[str, int] = {}
        self._lost: dict[str, list[Span]] = {}
        self._cut = 0
        self._certain = True
        self._whole_links = True

    def run(self, part: Path) -> Saved | None:
        for statement in (
            "journal_mode = OFF",
            "synchronous = OFF",
            "foreign_keys = OFF",
            "temp_store = MEMORY",
        ):
            self._connection.execute(f"PRAGMA {statement}")
        chosen = self._steps()
        if not chosen:
            return None
        migrate(self._connection, part, chosen)
        self._shapes = shapes_after(chosen)
        self._connection.execute("BEGIN")
        self._copy()
        saved = self._mend()
        self._connection.execute("COMMIT")
        (verdict,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(f"what was saved is not sound: {verdict}")
        return saved

    def _steps(self) -> Sequence[Migration]:
        """The steps that made the damaged database. Raises `DatabaseNewerError`."""
        found: list[tuple[str, str]] = []
        for row in self._trees.table(1, MASTER.accepts, []):
            if not row.cut:
                _, name, _, root, sql = row.values
                self._roots[str(name)] = root if isinstance(root, int) else 0
                found.append((str(name), str(sql)))
        rows = [row.values for row in self._rows(LOG) if not row.cut]
        done = {str(name): str(version) for _, name, _, version in rows}
        known = {migration.name: migration for migration in self._migrations}
        refuse_newer(done, known, self._path)
        # Steps are done in their order: those before the last one were, though their rows may be gone.
        count = max((at for at, name in enumerate(known, 1) if name in done), default=0)
        chosen = self._migrations[:count]
        if chosen and not self._lost[LOG.name] and done.keys() <= known.keys():
            return chosen
        return max(chosen, likeliest(self._migrations, found), key=len)

    def _rows(self, shape: Shape) -> Iterator[Row]:
        """Of the table's tree, in the order of their numbers; what is missing is noted as lost."""
        spans = self._lost.setdefault(shape.name, [])
        root = self._roots.get(shape.name)
        if root is None:
            spans.append(EVERYTHING)
        elif shape.numbered:
            yield from self._trees.table(root, shape.accepts, spans)
        else:
            yield from self._trees.index(root, shape.accepts)

    def _copy(self) -> None:
        self._connection.execute("CREATE TEMP TABLE known (name TEXT, id TEXT, PRIMARY KEY (name, id))")
        for name, shape in self._shapes.items():
            bad = self._trees.bad
            for row in self._rows(shape):
                self._put(shape, row)
            if name == "response_chats":
                self._whole_links = self._trees.bad == bad and not self._lost[name]
        for name in {"chats", "messages"} & self._shapes.keys():
            self._note_ids(name)
        if self._trees.knows_free or any(self._lost[name] for name in self._shapes):
            for name, row in self._trees.strays(self._wanted):
                self._put(self._shapes[name], row)

    def _wanted(self, number: int, codes: Codes) -> str | None:
        """The one table that a row outside all trees can be of: one that lost the row's number, else any."""
        like = [name for name, shape in self._shapes.items() if shape.numbered and shape.accepts(codes)]
        found = [name for name in like if spans_hold(self._lost[name], number)]
        if not found and self._trees.knows_free:
            found = like
        return found[0] if len(found) == 1 else None

    def _note_ids(self, table: str) -> None:
        """What the index of ids knows, for the count of what is lost."""
        bad, root = self._trees.bad, self._roots.get(f"sqlite_autoindex_{table}_1", 0)
        for row in self._trees.index(root, lambda codes: len(codes) == _IDS):
            if isinstance(row.values[0], str):
                self._connection.execute("INSERT OR IGNORE INTO known VALUES (?, ?)", (table, row.values[0]))
        self._certain &= self._trees.bad == bad

    def _put(self, shape: Shape, row: Row) -> None:
        """Only chats and messages are worth having in part."""
        text = shape.name in ("chats", "messages")
        if row.cut and not text:
            return
        values = {
            column.name: row.number if column.key else value
            for column, value in zip(shape.columns, row.values, strict=False)
        }
        if row.cut:
            for column in shape.columns[len(row.values) :]:
                values.setdefault(column.name, "" if column.needed and column.kind == "TEXT" else None)
        if shape.name == "messages":
            if row.cut:
                values |= {"error": CUT} | ({} if values.get("role") == "user" else {"state": "failed"})
            if not self._insert_newest("messages", values):
                # A byte of these may have changed; the text is what counts.
                role = "user" if values.get("model") is None else "assistant"
                known = values.get("role") in ("system", "user", "assistant")
                mended = {"state": "interrupted", "stop_reason": None}
                if not self._insert("messages", values | mended | ({} if known else {"role": role})):
                    return
            self._cut += row.cut
        elif text:
            self._insert_newest(shape.name, values)
        else:
            self._insert(shape.name, values)

    def _insert_newest(self, table: str, values: dict[str, Value]) -> bool:
        """As `_insert`. A leaf that no tree leads to may be an old one: of two versions the newer stays."""
        if self._insert(table, values):
            return True
        older = self._connection.execute(
            f'DELETE FROM "{table}" WHERE number = ? AND updated < ?',  # noqa: S608 - a name of ours
            (values.get("number"), values.get("updated")),
        )
        return older.rowcount > 0 and self._insert(table, values)

    def _insert(self, table: str, values: dict[str, Value]) -> bool:
        """Whether the row was taken: it may be there already, or be none that the table allows."""
        names = ", ".join(f'"{name}"' for name in values)
        marks = ", ".join("?" * len(values))
        done = self._connection.execute(
            f'INSERT OR IGNORE INTO "{table}" ({names}) VALUES ({marks})',  # noqa: S608 - names of our schema
            tuple(values.values()),
        )
        return done.rowcount > 0

    def _mend(self) -> Saved | None:
        if not any(self._has_rows(name) for name in self._shapes):
            return None
        chatty = {"chats", "messages", "generations"} <= self._shapes.keys()
        messages_lost = self._count(_MESSAGES_LOST) if chatty else 0
        if chatty:
            mend_chats(self._connection)
        if "responses" in self._shapes:
            mend_answers(self._connection, whole=self._whole_links)
        chats_lost = self._count(_CHATS_LOST) if chatty else 0
        mend_references(self._connection)
        return Saved(
            chats=self._count("SELECT count(*) FROM chats") if chatty else 0,
            messages=self._count("SELECT count(*) FROM messages") if chatty else 0,
            chats_lost=chats_lost,
            messages_lost=messages_lost,
            cut=self._cut,
            certain=self._certain,
        )

    def _has_rows(self, table: str) -> bool:
        return self._count(f'SELECT EXISTS (SELECT 1 FROM "{table}")') > 0  # noqa: S608

    def _count(self, query: str) -> int:
        (count,) = self._connection.execute(query).fetchone()
        return int(count)
