"""What is kept of model files: what a person set, headers read before, loads measured, contexts decided.

A row belongs to a file by path, size and date of change: a file replaced under the same path begins anew, but
for what a person set.
"""

from collections.abc import Container, Sequence
from typing import TypeVar

import msgspec

from kensho_tui.core.contract import Footprint
from kensho_tui.core.model_contract import Defaults
from kensho_tui.storage.database import Database, Row, Transaction
from kensho_tui.storage.dates import now

LOADS_KEPT = 5
"""Loads of one file with the same settings that count for what the next one may take."""
LOADS_READ = 50
SPEEDS_READ = 20
GENERATIONS_READ = 40
"""Newest generations of a file among which those speeds are looked for."""
LEAST_TOKENS = 8
"""Answers shorter than this say little about speed."""
HEADERS_KEPT = 2000

NOTHING_SET = Defaults()

Value = TypeVar("Value")


class FileKey(msgspec.Struct, frozen=True):
    """A model file as it is now (of a split one the first part). ``settings``: see `models.sources`."""

    path: str
    size: int
    mtime_ns: int
    settings: str


class LoadSettings(msgspec.Struct, frozen=True):
    """What a load's memory depends on beside the file: context in tokens, -1 layers for all, tokens of a
    batch (0: by device), flash attention.
    """

    device: str
    context: int
    kv_type: str
    gpu_layers: int
    batch: int = 0
    flash: bool = True


class LoadRow(msgspec.Struct, frozen=True, array_like=True):
    """One load that was measured: its settings, its memory as JSON, its time in seconds."""

    device: str
    context: int
    kv_type: str
    gpu_layers: int
    memory: str
    load_s: float
    batch: int
    flash: int

    def is_like(self, how: LoadSettings) -> bool:
        mine = (self.device, self.context, self.kv_type, self.gpu_layers, self.batch, self.flash)
        return mine == _how(how)

    def footprint(self) -> Footprint:
        return _decoded(self.memory, Footprint, Footprint(source="measured"))


class KnownModel(msgspec.Struct, frozen=True):
    """A file that was loaded here: its path, and what it was called."""

    path: str
    name: str
    source: str


class About(msgspec.Struct, frozen=True):
    """All that is kept of one file. ``shape`` is JSON (None: not read yet, read before it changed, or not
    asked for), ``speeds`` and ``loads`` come newest first, ``contexts`` are in tokens by device.
    """

    favourite: bool = False
    pinned: bool = False
    tags: tuple[str, ...] = ()
    defaults: Defaults = NOTHING_SET
    shape: str | None = None
    last_used: str | None = None
    speeds: tuple[float, ...] = ()
    loads: tuple[LoadRow, ...] = ()
    contexts: dict[str, int] = {}


# Lists come as one text per file: SQLite has no arrays, and one query for all files is what makes a long list
# of models quick. An inner limit keeps a file used ten thousand times from being read whole.
_ABOUT = f"""
WITH file(path, size, mtime_ns, settings, header) AS (
    SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
           json_extract(value, '$[3]'), json_extract(value, '$[4]') FROM json_each(?)
)
SELECT file.path, m.favourite, m.pinned, m.tags, m.defaults, h.shape,
    (SELECT started FROM generations WHERE model_path = file.path AND started IS NOT NULL
     ORDER BY number DESC LIMIT 1),
    (SELECT json_group_array(decode_tok_s) FROM (
        SELECT decode_tok_s FROM (
            SELECT number, decode_tok_s, completion_tokens, model_size, model_mtime FROM generations
            WHERE model_path = file.path ORDER BY number DESC LIMIT {GENERATIONS_READ}
        ) WHERE decode_tok_s > 0 AND completion_tokens >= {LEAST_TOKENS}
            AND model_size = file.size AND abs(model_mtime - file.mtime_ns / 1e9) < 0.001
        ORDER BY number DESC LIMIT {SPEEDS_READ})),
    (SELECT json_group_array(json_array(
        device, context, kv_type, gpu_layers, footprint, load_s, batch, flash
     )) FROM (
        SELECT * FROM model_loads
        WHERE path = file.path AND size = file.size AND mtime_ns = file.mtime_ns
        ORDER BY number DESC LIMIT {LOADS_READ})),
    (SELECT json_group_object(device, context) FROM model_contexts
     WHERE path = file.path AND size = file.size AND mtime_ns = file.mtime_ns)
FROM file
LEFT JOIN models m ON m.settings = file.settings
LEFT JOIN model_headers h ON file.header AND h.path = file.path AND h.size = file.size
    AND h.mtime_ns = file.mtime_ns AND h.form = ?
"""  # noqa: S608 - numbers of ours


class ModelRows:
    """The tables of the second migration, with what the sixth adds to them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def about(self, keys: Sequence[FileKey], form: str, known: Container[str] = ()) -> dict[str, About]:
        """By path. Headers count when `form` read them; those of the paths in `known` are not asked for."""
        files = _json(
            [(key.path, key.size, key.mtime_ns, key.settings, key.path not in known) for key in keys]
        )
        return {row[0]: _about(row) for row in await self._database.fetch(_ABOUT, (files, form))}

    async def known(self) -> tuple[KnownModel, ...]:
        """Files that were loaded here, the one loaded last first."""
        rows = await self._database.fetch(
            # With max() SQLite takes the other columns from the row that has it.
            "SELECT path, name, source, max(number) FROM model_loads GROUP BY path ORDER BY max(number) DESC"
        )
        return tuple(KnownModel(*row[:3]) for row in rows)

    # --- what a person set -------------------------------------------------------------------------

    async def change(
        self,
        key: FileKey,
        *,
        favourite: bool | None = None,
        pinned: bool | None = None,
        tags: Sequence[str] | None = None,
        defaults: Defaults | None = None,
    ) -> None:
        """None leaves a thing as it is."""
        values = {
            "favourite": None if favourite is None else int(favourite),
            "pinned": None if pinned is None else int(pinned),
            "tags": None if tags is None else _json(tags),
            "defaults": None if defaults is None else _json(defaults),
        }
        given = {name: value for name, value in values.items() if value is not None}
        columns = "".join(f", {name} = ?" for name in given)
        async with self._database.transaction("the model's settings were not saved", durable=True) as work:
            date = now()
            await work.run(
                "INSERT INTO models (settings, updated) VALUES (?, ?) ON CONFLICT DO NOTHING",
                (key.settings, date),
            )
            await work.run(
                f"UPDATE models SET updated = ?{columns} WHERE settings = ?",  # noqa: S608 - names of ours
                (date, *given.values(), key.settings),
            )

    # --- headers -----------------------------------------------------------------------------------

    async def keep_headers(self, headers: Sequence[tuple[FileKey, str]], form: str) -> None:
        """Keep shapes (JSON) for the next list; those read longest ago make room."""
        async with self._database.transaction("headers of model files were not kept") as work:
            for key, shape in headers:
                await work.run(
                    "INSERT OR REPLACE INTO model_headers (path, size, mtime_ns, form, shape, read)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    (key.path, key.size, key.mtime_ns, form, shape, now()),
                )
            await work.run(
                "DELETE FROM model_headers WHERE rowid IN"
                " (SELECT rowid FROM model_headers ORDER BY read DESC LIMIT -1 OFFSET ?)",
                (HEADERS_KEPT,),
            )

    # --- loads -------------------------------------------------------------------------------------

    async def add_load(
        self, key: FileKey, name: str, source: str, how: LoadSettings, footprint: Footprint, load_s: float
    ) -> None:
        """Keep what a load took; of those with the same settings the last few are kept."""
        memory = _json(msgspec.structs.replace(footprint, source="measured"))
        async with self._database.transaction("the measurements of a load were not saved") as work:
            await work.run(
                "INSERT INTO model_loads (path, size, mtime_ns, name, source, device, context, kv_type,"
                " gpu_layers, batch, flash, footprint, load_s, loaded)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*_file(key), name, source, *_how(how), memory, load_s, now()),
            )
            await _drop_old_loads(work, key, how)

    # --- contexts ----------------------------------------------------------------------------------

    async def keep_context(self, key: FileKey, device: str, context: int) -> None:
        async with self._database.transaction("the model's context was not remembered") as work:
            await work.run(
                "INSERT OR REPLACE INTO model_contexts (path, size, mtime_ns, device, context)"
                " VALUES (?, ?, ?, ?, ?)",
                (*_file(key), device, context),
            )


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _file(key: FileKey) -> tuple[str, int, int]:
    return (key.path, key.size, key.mtime_ns)


def _how(how: LoadSettings) -> tuple[str, int, str, int, int, int]:
    return (how.device, how.context, how.kv_type, how.gpu_layers, how.batch, int(how.flash))


async def _drop_old_loads(work: Transaction, key: FileKey, how: LoadSettings) -> None:
    await work.run(
        "DELETE FROM model_loads WHERE number IN (SELECT number FROM model_loads WHERE path = ?"
        " AND device = ? AND context = ? AND kv_type = ? AND gpu_layers = ? AND batch = ? AND flash = ?"
        " ORDER BY number DESC LIMIT -1 OFFSET ?)",
        (key.path, *_how(how), LOADS_KEPT),
    )


def _about(row: Row) -> About:
    _, favourite, pinned, tags, defaults, shape, last_used, speeds, loads, contexts = row
    return About(
        favourite=bool(favourite),
        pinned=bool(pinned),
        tags=_decoded(tags, tuple[str, ...], ()),
        defaults=_decoded(defaults, Defaults, NOTHING_SET),
        shape=shape,
        last_used=last_used,
        speeds=_decoded(speeds, tuple[float, ...], ()),
        loads=_decoded(loads, tuple[LoadRow, ...], ()),
        contexts=_decoded(contexts, dict[str, int], {}),
    )


def _decoded(text: str | None, kind: type[Value], otherwise: Value) -> Value:
    """What another version wrote, or damage changed, counts as not set: it can be set or measured again."""
    if not text:
        return otherwise
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError:
        return otherwise
