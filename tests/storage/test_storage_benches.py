"""Kept benchmarks: the last of them, and never a damaged one."""

import msgspec
import pytest
from msgspec.structs import replace

from kensho_tui.core.bench_contract import BenchRun
from kensho_tui.storage import benches
from kensho_tui.storage.benches import BenchRows
from kensho_tui.storage.database import Database


def run(number: int, model: str = "a") -> BenchRun:
    return BenchRun(id=f"{number:012x}", model=model, state="complete", created=f"2026-11-{number + 1:02}")


async def test_the_newest_come_first_and_are_bounded(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benches, "KEPT", 5)
    rows = BenchRows(database)
    for number in range(8):
        await rows.put(run(number, "ab"[number % 2]))
    assert await rows.last(10) == tuple(run(number, "ab"[number % 2]) for number in (7, 6, 5, 4, 3))
    assert await rows.last(1, "a") == (run(6),)
    assert await rows.last(10, "c") == ()
    assert sorted(await rows.models()) == ["a", "b"]
    assert await rows.get(run(1).id) is None


async def test_a_run_is_kept_as_it_stands_last(database: Database) -> None:
    rows = BenchRows(database)
    await rows.put(run(1))
    await rows.put(run(2))
    changed = replace(run(1), applied="shared")
    await rows.put(changed)
    assert await rows.get(changed.id) == changed
    assert await rows.last(10) == (run(2), changed)


async def test_a_run_of_a_newer_version_is_left_to_it(database: Database) -> None:
    rows = BenchRows(database)
    await rows.put(run(1))
    await rows.put(run(2))
    text = msgspec.json.encode(run(1)).decode().replace('"complete"', '"repeated"')
    digest = benches._digest(run(1).id, run(1).model, text)
    async with database.transaction("") as work:
        await work.run("UPDATE benches SET run = ?, digest = ? WHERE id = ?", (text, digest, run(1).id))
    assert await rows.last(10) == (run(2),)
    assert await rows.get(run(1).id) is None
    assert await database.fetch("SELECT run FROM benches WHERE id = ?", (run(1).id,)) == [(text,)]


@pytest.mark.parametrize(
    "damage",
    ["run = 'x'", "run = replace(run, 'complete', 'running')", "model = 'b'", "digest = ''", "run = x'00'"],
)
async def test_a_damaged_row_is_dropped(database: Database, damage: str) -> None:
    rows = BenchRows(database)
    await rows.put(run(1))
    await rows.put(run(2))
    async with database.transaction("") as work:
        await work.run(f"UPDATE benches SET {damage} WHERE id = ?", (run(1).id,))
    assert await rows.last(10) == (run(2),)
    assert await rows.get(run(1).id) is None
    assert await database.fetch("SELECT count(*) FROM benches") == [(1,)]
