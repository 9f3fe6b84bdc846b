"""Several people, or one in a hurry, change one download; and threads that end later than they should."""

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from kensho_tui.core.errors import KenshoError, NotFoundError
from kensho_tui.core.hub_contract import Download, DownloadAction
from kensho_tui.models.downloads import job as jobs
from kensho_tui.models.downloads import part_file, records
from kensho_tui.models.downloads.fetch import Try
from kensho_tui.models.downloads.install import install
from kensho_tui.models.hub.remote import RemoteModel
from tests.models.downloads.conftest import Desk
from tests.support.loopback_hub import MIB, Cut, Generated

FILE = "tiny-Q4_K_M.gguf"
WHAT = f"owner/name/{FILE}"


@pytest.fixture
def slow(desk: Desk) -> Desk:
    """One file, which takes seconds to come."""
    desk.hub.add("owner/name", {FILE: Generated(3 * MIB)})
    desk.hub.knobs.rate = 1e6
    return desk


async def begun(desk: Desk) -> Download:
    await desk.start(WHAT)
    return await desk.until(lambda view: view.done > 0)


@contextmanager
def hanging(desk: Desk) -> Iterator[tuple[threading.Event, threading.Event]]:
    """The first request hangs where nobody can end it (the first event tells), until the second is set."""
    hangs, gate = threading.Event(), threading.Event()

    def headers(url: str) -> dict[str, str]:
        if not hangs.is_set():
            hangs.set()
            gate.wait(10)
        return {}

    desk.origins.headers = headers  # type: ignore[method-assign]
    yield hangs, gate
    gate.set()


async def test_no_two_threads_write_into_one_part(slow: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, most, real = [0], [0], Try.run

    def run(self: Try) -> bool:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        try:
            return real(self)
        finally:
            inside[0] -= 1

    monkeypatch.setattr(Try, "run", run)
    with hanging(slow) as (hangs, gate):
        download = await slow.start(WHAT)
        await asyncio.to_thread(hangs.wait, 10)
        for action in ("pause", "cancel", "resume"):
            await slow.change(download, action)
        assert slow.last.views()[0].state == "queued"
        gate.set()
        assert (await slow.ended()).state == "done"
    assert most == [1]


async def test_a_removed_download_has_ended_before_its_files_go(slow: Desk) -> None:
    with hanging(slow) as (hangs, gate):
        download = await slow.start(WHAT)
        await asyncio.to_thread(hangs.wait, 10)
        await slow.change(download, "pause")
        await slow.change(download, "cancel")
        removing = asyncio.create_task(slow.change(download, "remove"))
        await asyncio.sleep(0.05)
        assert not removing.done() and slow.last.views() == ()
        gate.set()
        await removing
    assert slow.files() == {}


@pytest.mark.parametrize(
    ("actions", "state"),
    [(("resume", "pause"), "paused"), (("resume", "resume", "cancel"), "cancelled")],
)
async def test_what_was_asked_last_is_what_happens(
    slow: Desk, actions: tuple[DownloadAction, ...], state: str
) -> None:
    download = await begun(slow)
    await slow.change(download, "pause")
    await asyncio.gather(*(slow.change(download, action) for action in actions))
    assert slow.last.views()[0].state == state
    await slow.last._jobs[download.id].ended()
    before = slow.last.views()[0].done
    await asyncio.sleep(0.2)
    assert slow.last.views()[0].done == before


async def test_several_that_resume_it_make_it_run_once(slow: Desk) -> None:
    download = await begun(slow)
    await slow.change(download, "pause")
    await asyncio.gather(*(slow.change(download, "resume") for _ in range(4)), slow.start(WHAT))
    running = [task for task in asyncio.all_tasks() if "Job._run" in repr(task)]
    assert len(running) == 1


@pytest.mark.parametrize("actions", [("cancel", "remove"), ("cancel", "remove", "resume")])
async def test_nothing_of_a_removed_one_comes_back(slow: Desk, actions: tuple[DownloadAction, ...]) -> None:
    for _ in range(10):
        download = await begun(slow)
        said = await asyncio.gather(
            *(slow.change(download, action) for action in actions), return_exceptions=True
        )
        assert all(isinstance(one, Download | NotFoundError) for one in said)
        assert slow.last.views() == () and slow.files() == {}


async def test_a_note_that_cannot_be_written_leaves_no_download_that_stands_still(
    slow: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    download = await begun(slow)
    await slow.change(download, "pause")

    def refuse(path: Path, data: bytes) -> None:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(records, "_write", refuse)
        with pytest.raises(KenshoError, match="Read-only"):
            await slow.change(download, "resume")
    slow.hub.knobs.rate = None
    assert (await slow.ended()).state == "done"
    assert list(slow.files()) == [WHAT]


async def test_installing_is_not_left_half_done(slow: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    installing, gate = threading.Event(), threading.Event()

    def slowly(models: Path, model: RemoteModel, parts: list[Path]) -> Path:
        installing.set()
        gate.wait(10)
        return install(models, model, parts)

    monkeypatch.setattr(jobs, "install", slowly)
    slow.hub.knobs.rate = None
    download = await slow.start(WHAT)
    await asyncio.to_thread(installing.wait, 10)
    await slow.change(download, "cancel")
    gate.set()
    assert (await slow.until(lambda view: view.state == "done")).path
    assert list(slow.files()) == [WHAT] and slow.installed == [slow.models / WHAT]


async def test_a_second_change_at_the_hub_may_be_fetched_after_a_resume(desk: Desk) -> None:
    repo = desk.hub.add("owner/name", {FILE: Generated(3 * MIB, 0)})
    repo[FILE].knobs.told_sha256 = "0" * 64
    await desk.start(WHAT)
    assert (await desk.ended()).code == "damaged"
    job = desk.last._jobs[desk.last.views()[0].id]
    job._renewed = True
    await desk.change(desk.last.views()[0], "resume")
    assert not job._renewed


async def test_a_line_that_never_gets_further_is_given_up(desk: Desk) -> None:
    """From a server that always begins anew; its line breaks later and earlier by turns."""
    desk.hub.add("owner/name", {FILE: Generated(3 * MIB)})
    knobs = desk.hub.file(WHAT).knobs
    knobs.ignore_range, knobs.etag, knobs.told_sha256 = True, "", ""
    real = desk.origins.resolve

    async def unknown(what: str, revision: str | None) -> RemoteModel:
        model = await real(what, revision)
        parts = tuple(msgspec.structs.replace(part, sha256="") for part in model.parts)
        return msgspec.structs.replace(model, parts=parts)

    desk.origins.resolve = unknown  # type: ignore[method-assign]
    cuts = [MIB, 2 * MIB]

    class Uneven(Cut):
        def take(self) -> bool:
            cuts.reverse()
            self.after = cuts[0]
            return True

    knobs.cut = Uneven()
    await desk.start(WHAT)
    assert (await desk.ended()).state == "failed"


@pytest.mark.parametrize(
    "note", [b'{"id":"\xff\xfe"}', b'{"other":' + b"[" * 100_000], ids=["no UTF-8", "deep"]
)
async def test_a_damaged_note_holds_up_nothing_else(desk: Desk, note: bytes) -> None:
    desk.hub.add("owner/name", {FILE: Generated(3 * MIB)})
    folder = desk.models / ".partial"
    folder.mkdir()
    (folder / "aaaaaaaaaaaa.json").write_bytes(note)
    await desk.start(WHAT)
    assert (await desk.ended()).state == "done"


async def test_a_note_that_is_a_fifo_holds_up_nothing(desk: Desk) -> None:
    desk.hub.add("owner/name", {FILE: Generated(3 * MIB)})
    (desk.models / ".partial").mkdir()
    os.mkfifo(desk.models / ".partial" / "aaaaaaaaaaaa.json")
    async with asyncio.timeout(10):
        await desk.start(WHAT)
    assert (await desk.ended()).state == "done"


async def test_a_note_of_names_that_cannot_be_holds_up_nothing_else(desk: Desk) -> None:
    desk.hub.add("owner/name", {FILE: Generated(3 * MIB)})
    first = desk.manager()
    await first.open()
    record = records.Record(
        id="aaaaaaaaaaaa", model=await desk.origins.resolve(WHAT, None), added="2026", wanted="pause"
    )
    outside = msgspec.structs.replace(record.model, folder="../..")
    first._around.notes.save(msgspec.structs.replace(record, model=outside))
    desk.manager()
    await desk.start(WHAT)
    states = sorted(view.state for view in desk.last.views())
    assert states in (["paused", "queued"], ["paused", "running"])


@pytest.mark.parametrize("size", [-7, 1 << 80])
async def test_a_note_of_sizes_that_cannot_be_is_none(desk: Desk, size: int) -> None:
    desk.hub.add("owner/name", {FILE: Generated(3 * MIB)})
    notes = records.Notes(desk.models / ".partial")
    model = await desk.origins.resolve(WHAT, None)
    notes.save(records.Record(id="aaaaaaaaaaaa", model=model, added="2026", wanted="pause"))
    note = notes.folder / "aaaaaaaaaaaa.json"
    assert len(notes.load()) == 1
    note.write_text(note.read_text().replace(f'"size":{3 * MIB}', f'"size":{size}'))
    assert notes.load() == []


async def test_two_hosts_with_one_models_folder_do_not_write_into_one_part(
    slow: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_file, "LET_GO_S", 0.1)
    first = await begun(slow)
    other = slow.manager()
    await other.open()
    refused = await slow.ended()
    assert (refused.id, refused.state) == (first.id, "failed") and "another host" in refused.error
    slow.managers.reverse()
    slow.hub.knobs.rate = None
    assert (await slow.ended()).state == "done"
    slow.managers.reverse()
    await slow.change(refused, "resume")
    assert (await slow.ended()).state == "done"
    assert slow.hub.twice(FILE) == 0 and list(slow.files()) == [WHAT]


async def test_what_another_host_has_just_installed_is_not_opened(tmp_path: Path) -> None:
    first = part_file.PartFile(tmp_path / "part")
    second = part_file.PartFile(tmp_path / "part")
    first.open()

    def moved() -> None:
        (tmp_path / "part").rename(tmp_path / "model.gguf")
        first.close()

    timer = threading.Timer(0.2, moved)
    timer.start()
    with pytest.raises(KenshoError, match="another host"):
        await asyncio.to_thread(second.open)
    timer.join()
    assert not (tmp_path / "part").exists()


async def test_a_part_that_is_removed_while_it_comes_is_said(slow: Desk) -> None:
    download = await begun(slow)
    (slow.models / ".partial" / f"{download.id}.1.part").unlink()
    slow.hub.knobs.rate = None
    failed = await slow.ended()
    assert failed.state == "failed" and "was removed" in failed.error
    await slow.change(failed, "resume")
    assert (await slow.ended()).state == "done" and list(slow.files()) == [WHAT]
