"""What rows of a table look like in the file, so that they are known again without the tree above them."""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from kensho_tui.storage.migrations import Migration
from kensho_tui.storage.trees import Codes


@dataclass(frozen=True)
class Column:
    """``kind``: the declared type. ``key``: it is the row number, which the row itself does not repeat."""

    name: str
    kind: str
    needed: bool
    key: bool

    def takes(self, code: int) -> bool:
        """Whether a value of that serial type can be one of this column."""
        if code == 0:
            return self.key or not self.needed
        if self.key:
            return False
        if self.kind == "TEXT":
            return code > 12 and code % 2 == 1
        return code < 10 if self.kind in ("INTEGER", "REAL") else True


@dataclass
class Shape:
    """A table's columns as rows hold them. ``widths``: how many a row may have, by the step that wrote it."""

    name: str
    numbered: bool
    columns: Sequence[Column]
    widths: set[int] = field(default_factory=set)

    def accepts(self, codes: Codes) -> bool:
        return len(codes) in self.widths and all(
            column.takes(code) for column, code in zip(self.columns, codes, strict=False)
        )


def _fixed(name: str, columns: str) -> Shape:
    """Of columns that are texts, with ``#`` numbers, with ``*`` the key; ``?``: there may be none."""
    made = [
        Column(
            name=column.rstrip("#*?"),
            kind="INTEGER" if "#" in column else "TEXT",
            needed="?" not in column,
            key="*" in column,
        )
        for column in columns.split()
    ]
    return Shape(name, numbered=True, columns=made, widths={len(made)})


MASTER = _fixed("sqlite_master", "type name tbl_name rootpage#? sql?")
LOG = _fixed("migrations", "number#* name applied version")


def shapes_after(migrations: Sequence[Migration]) -> dict[str, Shape]:
    """The tables that `migrations` make."""
    widths: dict[str, set[int]] = {}
    shapes: dict[str, Shape] = {}
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for migration in migrations:
            migration.run(connection)
            shapes = {shape.name: shape for shape in _shapes(connection)}
            for name, shape in shapes.items():
                shape.widths = widths.setdefault(name, set())
                shape.widths.add(len(shape.columns))
    return shapes


def likeliest(migrations: Sequence[Migration], found: Iterable[tuple[str, str]]) -> Sequence[Migration]:
    """The steps after which most of the tables `found` (name, SQL) are as they are; all where none is."""
    seen = set(found)
    best, most = migrations, 0
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for count, migration in enumerate(migrations, 1):
            migration.run(connection)
            same = len(seen & set(connection.execute("SELECT name, sql FROM sqlite_master").fetchall()))
            if same > most:
                best, most = migrations[:count], same
    return best


def _shapes(connection: sqlite3.Connection) -> Iterable[Shape]:
    tables = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall()
    for name, sql in tables:
        yield _shape(connection, name, numbered="WITHOUT ROWID" not in sql.upper())


def _shape(connection: sqlite3.Connection, name: str, *, numbered: bool) -> Shape:
    rows = connection.execute(f"PRAGMA table_info({name})").fetchall()  # the names are those of our schema
    keys = sum(row[5] > 0 for row in rows)
    columns = [
        Column(
            name=row[1],
            kind=row[2].upper(),
            needed=bool(row[3]),
            key=numbered and keys == 1 and row[5] == 1 and row[2].upper() == "INTEGER",
        )
        for row in rows
    ]
    return Shape(name, numbered, _stored(columns, rows) if not numbered else columns)


def _stored(columns: Sequence[Column], rows: Sequence[tuple[str | int, ...]]) -> Sequence[Column]:
    """Without row numbers, the primary key comes first."""
    place = {str(row[1]): int(row[5]) or len(rows) + int(row[0]) for row in rows}
    return sorted(columns, key=lambda column: place[column.name])
