"""What is kept of model files, in tables of their own beside the chats."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from kensho_tui.core.contract import Footprint
from kensho_tui.core.model_contract import Defaults
from kensho_tui.storage import models as module
from kensho_tui.storage.chats import Chats
from kensho_tui.storage.database import Database, open_database
from kensho_tui.storage.migrations import MIGRATIONS
from kensho_tui.storage.models import About, FileKey, LoadSettings, ModelRows

KEY = FileKey("/m/a.gguf", 10, 2**60 + 1, "/m/a.gguf")
OTHER = FileKey("/m/b \u00e4'\".gguf", 10, 2**60 + 1, "/m/b")
HOW = LoadSettings("CPU", 4096, "f16", -1)


@pytest.fixture
def rows(database: Database) -> ModelRows:
    return ModelRows(database)


async def test_nothing_is_known_at_first(rows: ModelRows) -> None:
    assert await rows.about([], "1") == {}
    assert await rows.about([KEY, OTHER], "1") == {KEY.path: About(), OTHER.path: About()}
    assert await rows.known() == ()


async def test_each_file_has_its_own_row(rows: ModelRows) -> None:
    await rows.change(KEY, favourite=True, tags=["ä", "b"], defaults=Defaults(top_k=3))
    await rows.change(OTHER, pinned=True)
    await rows.keep_headers([(KEY, "{1}"), (OTHER, "{2}")], "1")
    await rows.keep_context(OTHER, "CPU", 512)
    about = await rows.about([KEY, OTHER], "1", known={OTHER.path})
    assert about[KEY.path] == About(favourite=True, tags=("ä", "b"), defaults=Defaults(top_k=3), shape="{1}")
    assert about[OTHER.path] == About(pinned=True, contexts={"CPU": 512})


@pytest.mark.parametrize(
    "changed",
    [
        FileKey(KEY.path, 11, KEY.mtime_ns, KEY.settings),
        FileKey(KEY.path, KEY.size, KEY.mtime_ns + 1, KEY.settings),
    ],
)
async def test_a_changed_file_keeps_what_a_person_set_alone(rows: ModelRows, changed: FileKey) -> None:
    await rows.change(KEY, favourite=True)
    await rows.keep_headers([(KEY, "{}")], "1")
    await rows.keep_context(KEY, "CPU", 512)
    await rows.add_load(KEY, "a", "folder", HOW, Footprint(weights=1), 1.0)
    assert (await rows.about([changed], "1"))[KEY.path] == About(favourite=True)
    assert (await rows.about([KEY], "2"))[KEY.path].shape is None


async def test_the_last_loads_are_kept_for_each_way_to_load(rows: ModelRows, database: Database) -> None:
    for number in range(10):
        await rows.add_load(KEY, "a", "folder", HOW, Footprint(weights=number, copies=1), float(number))
    await rows.add_load(KEY, "a", "folder", LoadSettings("CPU", 1, "f16", -1), Footprint(), 99.0)
    loads = (await rows.about([KEY], "1"))[KEY.path].loads
    assert [load.load_s for load in loads] == [99.0, 9.0, 8.0, 7.0, 6.0, 5.0]
    assert [load.is_like(HOW) for load in loads] == [False, *[True] * 5]
    assert loads[1].footprint() == Footprint(weights=9, copies=1, source="measured")
    assert await database.fetch("SELECT count(*) FROM model_loads") == [(6,)]


async def test_known_files_come_last_loaded_first_under_their_last_name(rows: ModelRows) -> None:
    for key, name in ((KEY, "old"), (OTHER, "b"), (KEY, "new")):
        await rows.add_load(key, name, "hub", HOW, Footprint(), 1.0)
    assert [(one.path, one.name) for one in await rows.known()] == [(KEY.path, "new"), (OTHER.path, "b")]


async def test_old_headers_make_room(
    rows: ModelRows, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HEADERS_KEPT", 3)
    for number in range(5):
        await rows.keep_headers([(FileKey(f"/{number}", 1, 1, ""), "{}")], "1")
    assert await database.fetch("SELECT count(*) FROM model_headers") == [(3,)]


async def test_damaged_cells_count_as_not_set(rows: ModelRows, database: Database) -> None:
    await rows.change(KEY, favourite=True, tags=["x"], defaults=Defaults(top_k=3))
    await rows.add_load(KEY, "a", "folder", HOW, Footprint(weights=1), 2.0)
    await database.fetch("UPDATE models SET tags = '{', defaults = '{\"top_k\": \"many\"}'")
    await database.fetch("UPDATE model_loads SET footprint = 'x'")
    about = (await rows.about([KEY], "1"))[KEY.path]
    assert (about.favourite, about.tags, about.defaults) == (True, (), Defaults())
    assert about.loads[0].load_s == 2.0 and about.loads[0].footprint() == Footprint(source="measured")


async def test_the_second_migration_leaves_the_chats_as_they_were(path: Path) -> None:
    database = (await open_database(path, migrations=MIGRATIONS[:1])).database
    row = await Chats(database).begin_turn(None, "one", "tiny", None, "queued")
    await database.close()
    with closing(sqlite3.connect(path)) as connection:
        before = [connection.execute(f"SELECT * FROM {name}").fetchall() for name in ("chats", "messages")]
        tables = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"
        ).fetchall()
    database = (await open_database(path, migrations=MIGRATIONS[:2])).database
    assert await Chats(database).last() == row.chat_id
    await ModelRows(database).change(KEY, pinned=True)
    await database.close()
    with closing(sqlite3.connect(path)) as connection:
        after = [connection.execute(f"SELECT * FROM {name}").fetchall() for name in ("chats", "messages")]
        now = connection.execute("SELECT name, sql FROM sqlite_master").fetchall()
    assert after == before and set(tables) <= set(now)


async def test_long_use_is_read_by_an_index(rows: ModelRows, database: Database) -> None:
    files = module._json([(KEY.path, 1, 1, "", True)])
    plan = await database.fetch(f"EXPLAIN QUERY PLAN {module._ABOUT}", (files, "1"))
    steps = [row[3] for row in plan]
    assert not any(step.startswith(("SCAN generations", "SCAN model")) for step in steps), steps
    assert any("generations_model" in step for step in steps)
