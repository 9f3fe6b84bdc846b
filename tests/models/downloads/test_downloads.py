"""Downloads as a person meets them: started, joined, paused, gone on with, taken up by the next host."""

import asyncio
import os
import stat

import pytest

from kensho_tui.core.errors import DiskFullError, NotFoundError, OfflineError, UsageError
from kensho_tui.core.hub_contract import ChangeDownload, StartDownload
from kensho_tui.models.downloads.patience import Patience
from kensho_tui.models.downloads.space import Space
from tests.models.downloads.conftest import Desk
from tests.support.gguf import write_model
from tests.support.loopback_hub import MIB, Cut, Failure, Generated, LoopbackHub, Stall

FILE = "tiny-Q4_K_M.gguf"
WHAT = f"owner/name/{FILE}"
PLACE = f"owner/name/{FILE}"


def add(hub: LoopbackHub, size: int = 3 * MIB, seed: int = 0) -> Generated:
    content = Generated(size, seed)
    hub.add("owner/name", {FILE: content})
    return content


async def test_a_file_arrives_whole_and_private_and_nothing_else_stays(desk: Desk) -> None:
    content = add(desk.hub)
    started = await desk.start(WHAT)
    assert started.active and started.total == content.size and started.model == "tiny-Q4_K_M"
    done = await desk.ended()
    assert (done.state, done.error, done.done) == ("done", "", content.size)
    assert desk.files() == {PLACE: content.size}
    assert desk.sha256(PLACE) == content.sha256
    mode = (desk.models / PLACE).stat().st_mode
    assert stat.S_IMODE(mode) == 0o600
    assert desk.installed == [desk.models / PLACE] and done.path == str(desk.models / PLACE)


async def test_one_that_is_known_is_joined_and_one_that_is_here_is_told_as_done(desk: Desk) -> None:
    content = add(desk.hub)
    desk.hub.knobs.rate = 4e6
    first = await desk.start(WHAT)
    again = await desk.start(WHAT)
    assert again.id == first.id and len(desk.last.views()) == 1
    await desk.ended()
    assert (await desk.start(WHAT)).state == "done"
    assert desk.hub.sent(FILE) == content.size
    other = desk.manager()
    told = await other.start(StartDownload(what=WHAT))
    assert told.state == "done" and told.path == str(desk.models / PLACE)
    assert [view.id for view in other.views()] == [first.id]


async def test_what_is_done_is_still_told_by_the_next_host_until_a_person_has_seen_it(desk: Desk) -> None:
    add(desk.hub)
    await desk.start(WHAT)
    done = await desk.ended()
    assert not done.seen
    later = desk.manager()
    await later.open()
    (told,) = later.views()
    assert (told.id, told.state, told.model, told.path) == (done.id, "done", done.model, done.path)
    assert (told.seen, told.done, told.total) == (False, done.total, done.total)
    assert (await desk.change(told, "seen")).seen
    last = desk.manager()
    await last.open()
    assert [view.seen for view in last.views()] == [True]
    await desk.change(told, "remove")
    again = desk.manager()
    await again.open()
    assert again.views() == () and list(desk.files()) == [PLACE]


@pytest.mark.parametrize("how", ["deleted", "old"])
async def test_what_is_done_is_not_told_for_ever(desk: Desk, how: str) -> None:
    add(desk.hub)
    await desk.start(WHAT)
    done = await desk.ended()
    note = desk.models.parent / "arrived" / f"{done.id}.json"
    assert note.exists()
    if how == "deleted":
        (desk.models / PLACE).unlink()
    else:
        os.utime(note, (0, 0))
    later = desk.manager()
    await later.open()
    assert later.views() == () and not note.exists()


async def test_the_same_file_that_came_another_way_ends_the_download(desk: Desk) -> None:
    content = add(desk.hub)
    desk.hub.knobs.rate = 4e6
    await desk.start(WHAT)
    await desk.until(lambda view: view.done > MIB)
    place = desk.models / PLACE
    place.parent.mkdir(parents=True)
    place.write_bytes(content.read(0, content.size))
    done = await desk.ended()
    assert (done.state, done.error) == ("done", "") and desk.files() == {PLACE: content.size}


async def test_another_file_that_came_meanwhile_is_left_alone(desk: Desk) -> None:
    add(desk.hub)
    desk.hub.knobs.rate = 4e6
    await desk.start(WHAT)
    await desk.until(lambda view: view.done > MIB)
    place = desk.models / PLACE
    place.parent.mkdir(parents=True)
    place.write_bytes(Generated(3 * MIB, seed=9).read(0, 3 * MIB))
    failed = await desk.ended()
    assert failed.state == "failed" and "exists already" in failed.error
    assert desk.sha256(PLACE) == Generated(3 * MIB, seed=9).sha256


async def test_a_person_need_not_wait_for_the_next_try(desk: Desk) -> None:
    content = add(desk.hub)
    desk.patience = Patience(first_s=1000.0, most_s=1000.0, give_up_s=1e6)
    desk.hub.knobs.failure = Failure(status=500, times=1, where="files")
    await desk.start(WHAT)
    waiting = await desk.until(lambda view: view.state == "waiting")
    assert waiting.wait_s > 400
    await desk.change(waiting, "resume")
    assert (await desk.ended()).state == "done" and desk.sha256(PLACE) == content.sha256


async def test_a_host_without_a_way_leaves_it_to_the_next_one(desk: Desk) -> None:
    """A switch in the environment, a train through a tunnel: nothing a person has to repair here."""
    content = add(desk.hub)

    def offline(url: str) -> dict[str, str]:
        raise OfflineError("HF_HUB_OFFLINE is set")

    online = desk.origins.headers
    desk.origins.headers = offline  # type: ignore[method-assign]
    await desk.start(WHAT)
    failed = await desk.ended()
    assert (failed.state, failed.code) == ("failed", "offline")
    await desk.last.close()
    desk.origins.headers = online  # type: ignore[method-assign]
    await desk.manager().open()
    assert (await desk.ended()).state == "done" and desk.sha256(PLACE) == content.sha256


async def test_words_that_began_a_download_ask_nobody_again(desk: Desk) -> None:
    add(desk.hub)
    desk.hub.knobs.rate = 2e6
    await desk.start(WHAT)
    await desk.until(lambda view: view.done > 0)
    await desk.change(desk.last.views()[0], "pause")
    await desk.start(WHAT)
    assert desk.origins.asked == [WHAT]
    assert (await desk.ended()).state == "done"


async def test_pause_keeps_what_came_and_resume_fetches_the_rest(desk: Desk) -> None:
    content = add(desk.hub)
    desk.hub.knobs.rate = 4e6
    await desk.start(WHAT)
    view = await desk.until(lambda view: view.done > MIB)
    paused = await desk.change(view, "pause")
    assert paused.state == "paused" and not paused.active
    await asyncio.sleep(0.1)
    kept = desk.last.views()[0].done
    await asyncio.sleep(0.1)
    assert desk.last.views()[0].done == kept >= MIB
    desk.hub.knobs.rate = None
    await desk.change(view, "resume")
    assert (await desk.ended()).state == "done"
    assert desk.sha256(PLACE) == content.sha256
    assert desk.hub.twice(FILE) < MIB


async def test_a_line_that_went_silent_does_not_hold_up_a_pause(desk: Desk) -> None:
    desk.patience = Patience(stall_s=1000.0)
    add(desk.hub)
    desk.hub.knobs.stall = Stall(after=MIB)
    await desk.start(WHAT)
    view = await desk.until(lambda view: view.done >= MIB)
    await desk.change(view, "pause")
    await desk.ended()


async def test_nor_does_a_server_that_never_begins_to_answer(desk: Desk) -> None:
    desk.patience = Patience(stall_s=1000.0)
    add(desk.hub)
    asked = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        desk.origins.elsewhere = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        view = await desk.start(WHAT)
        await asked.wait()
        await desk.change(view, "pause")
        assert (await desk.ended()).state == "paused"


async def test_cancel_can_be_undone_until_it_is_removed(desk: Desk) -> None:
    content = add(desk.hub)
    desk.hub.knobs.rate = 4e6
    await desk.start(WHAT)
    view = await desk.until(lambda view: view.done > MIB)
    assert (await desk.change(view, "cancel")).state == "cancelled"
    await desk.until(lambda view: bool(desk.files()))
    desk.hub.knobs.rate = None
    await desk.change(view, "resume")
    assert (await desk.ended()).state == "done" and desk.sha256(PLACE) == content.sha256
    assert desk.hub.twice(FILE) < MIB


async def test_what_is_removed_leaves_nothing(desk: Desk) -> None:
    add(desk.hub)
    desk.hub.knobs.rate = 4e6
    await desk.start(WHAT)
    view = await desk.until(lambda view: view.done > MIB)
    with pytest.raises(UsageError):
        await desk.change(view, "remove")
    await desk.change(view, "cancel")
    await desk.change(view, "remove")
    assert desk.files() == {} and desk.last.views() == ()
    with pytest.raises(NotFoundError):
        await desk.change(view, "resume")


async def test_the_next_host_goes_on_where_the_last_one_ended(desk: Desk) -> None:
    content = add(desk.hub)
    desk.hub.knobs.rate = 4e6
    await desk.start(WHAT)
    await desk.until(lambda view: view.done > MIB)
    await desk.last.close()
    here = desk.files()[next(name for name in desk.files() if name.endswith(".part"))]
    desk.hub.knobs.rate = None
    second = desk.manager()
    await second.open()
    assert second.views()[0].done == here
    assert (await desk.ended()).state == "done"
    assert desk.sha256(PLACE) == content.sha256 and desk.hub.twice(FILE) < MIB


async def test_what_a_person_paused_stays_paused_in_the_next_host(desk: Desk) -> None:
    add(desk.hub)
    desk.hub.knobs.rate = 4e6
    await desk.start(WHAT)
    view = await desk.until(lambda view: view.done > MIB)
    await desk.change(view, "pause")
    await desk.last.close()
    second = desk.manager()
    await second.open()
    (found,) = second.views()
    assert (found.state, found.id) == ("paused", view.id) and found.done >= MIB
    assert set(second.unfinished()) >= {desk.models / ".partial" / f"{view.id}.json"}


async def test_progress_never_goes_back_while_lines_are_cut(desk: Desk) -> None:
    content = add(desk.hub, 4 * MIB)
    desk.hub.knobs.cut = Cut(after=700_000)
    seen: list[int] = []
    await desk.start(WHAT)
    await desk.until(lambda view: seen.append(view.done) or not view.active)  # type: ignore[func-returns-value]
    assert desk.last.views()[0].state == "done" and desk.sha256(PLACE) == content.sha256
    assert seen == sorted(seen)


async def test_a_new_version_at_the_hub_is_fetched_from_its_beginning(desk: Desk) -> None:
    add(desk.hub)
    desk.hub.knobs.rate = 4e6
    await desk.start(WHAT)
    view = await desk.until(lambda view: view.done > MIB)
    await desk.change(view, "pause")
    await desk.until(lambda _: desk.last._jobs[view.id]._task.done())  # type: ignore[union-attr]
    new = Generated(2 * MIB + 5, seed=7)
    desk.hub.repos["owner/name"][FILE].content = new
    desk.hub.knobs.rate = None
    await desk.change(view, "resume")
    done = await desk.ended()
    assert (done.state, done.error) == ("done", "")
    assert desk.sha256(PLACE) == new.sha256 and desk.files() == {PLACE: new.size}


async def test_a_wrong_hash_keeps_nothing(desk: Desk) -> None:
    add(desk.hub)
    desk.hub.repos["owner/name"][FILE].knobs.told_sha256 = "0" * 64
    await desk.start(WHAT)
    failed = await desk.ended()
    assert failed.state == "failed" and "SHA-256" in failed.error and failed.code == "damaged"
    assert [name for name in desk.files() if not name.endswith(".json")] == []


async def test_bytes_that_the_disk_lost_are_fetched_again(desk: Desk) -> None:
    content = add(desk.hub)
    desk.hub.knobs.rate = 4e6
    await desk.start(WHAT)
    await desk.until(lambda view: view.done > MIB)
    await desk.last.close()
    (part,) = (desk.models / ".partial").glob("*.part")
    with part.open("r+b") as file:  # as a power cut leaves blocks that were never written
        file.seek(4096)
        file.write(bytes(4096))
    desk.hub.knobs.rate = None
    await desk.manager().open()
    assert (await desk.ended()).state == "done"
    assert desk.sha256(PLACE) == content.sha256


async def test_what_is_no_model_is_not_installed(desk: Desk) -> None:
    desk.hub.add("owner/name", {FILE: Generated(MIB, model=False)})
    await desk.start(WHAT)
    failed = await desk.ended()
    assert failed.state == "failed" and failed.code == "damaged" and FILE in failed.error
    assert [name for name in desk.files() if not name.endswith(".json")] == []


async def test_the_parts_of_a_split_model_are_installed_together(desk: Desk) -> None:
    whole = desk.models.parent / "whole"
    whole.mkdir()
    write_model(whole / "big.gguf", parts=3)
    names = sorted(path.name for path in whole.iterdir())
    assert len(names) == 3
    desk.hub.add("owner/name", {name: whole / name for name in names})
    desk.hub.knobs.rate = 1e6
    await desk.start("owner/name/" + "+".join(names))
    listed = set()
    async with asyncio.timeout(20):
        while desk.last.views()[0].active:
            listed.add(tuple(name for name in desk.files() if name.startswith("owner")))
            await asyncio.sleep(0.002)
    done = desk.last.views()[0]
    assert (done.state, done.error, done.parts) == ("done", "", 3)
    assert all(desk.sha256(f"owner/name/{name}") for name in names)
    first = f"owner/name/{names[0]}"
    assert all(len(seen) == 3 for seen in listed if first in seen)


async def test_only_so_many_at_once(desk: Desk) -> None:
    names = [f"m{number}-Q4_0.gguf" for number in range(4)]
    desk.hub.add("owner/name", {name: Generated(MIB, seed=at) for at, name in enumerate(names)})
    desk.hub.knobs.rate = 3e6
    manager = desk.manager(at_once=2)
    for name in names:
        await manager.start(StartDownload(what=f"owner/name/{name}"))
    busiest = 0
    async with asyncio.timeout(20):
        while any(view.active for view in manager.views()):
            busiest = max(busiest, sum(view.state in ("running", "checking") for view in manager.views()))
            await asyncio.sleep(0.005)
    assert busiest == 2
    assert all(view.state == "done" for view in manager.views())


async def test_a_full_disk_is_said_before_anything_is_written(desk: Desk) -> None:
    add(desk.hub)
    desk.manager(space=Space(desk.models, reserve=1 << 60))
    with pytest.raises(DiskFullError, match="do not fit"):
        await desk.start(WHAT)
    assert desk.files() == {}


async def test_the_last_of_the_disk_is_never_taken(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    content = add(desk.hub)
    free = iter([1 << 40, 1 << 40])
    space = Space(desk.models)
    monkeypatch.setattr(space, "free", lambda: next(free, 1000))
    monkeypatch.setattr("kensho_tui.models.downloads.fetch.LOOK_EVERY", MIB)
    desk.manager(space=space)
    await desk.start(WHAT)
    await asyncio.sleep(0)
    failed = await desk.ended()
    assert failed.state == "failed" and failed.code == "disk_full" and 0 < failed.done < content.size
    monkeypatch.setattr(space, "free", lambda: 1 << 40)
    await desk.change(failed, "resume")
    assert (await desk.ended()).state == "done" and desk.sha256(PLACE) == content.sha256


async def test_a_hub_that_is_busy_is_asked_again_when_it_says(desk: Desk) -> None:
    content = add(desk.hub)
    desk.hub.knobs.failure = Failure(status=429, retry_after=1, times=1, where="files")
    await desk.start(WHAT)
    waiting = await desk.until(lambda view: view.state == "waiting")
    assert "limits" in waiting.note and 0 < waiting.wait_s <= 1
    assert (await desk.ended()).state == "done" and desk.sha256(PLACE) == content.sha256


async def test_a_line_that_brings_nothing_is_given_up_and_can_be_resumed(desk: Desk) -> None:
    content = add(desk.hub)
    desk.hub.knobs.stall = Stall(after=MIB)
    desk.hub.knobs.ignore_range = True
    await desk.start(WHAT)
    failed = await desk.ended()
    assert failed.state == "failed" and failed.hint and failed.done >= MIB - 65536
    desk.hub.knobs.stall = None
    await desk.change(failed, "resume")
    assert (await desk.ended()).state == "done" and desk.sha256(PLACE) == content.sha256


async def test_nothing_is_overwritten(desk: Desk) -> None:
    add(desk.hub)
    place = desk.models / PLACE
    place.parent.mkdir(parents=True)
    place.write_bytes(b"mine")
    with pytest.raises(UsageError, match="another version"):
        await desk.start(WHAT)
    assert place.read_bytes() == b"mine"


async def test_a_link_out_of_the_folder_is_not_followed(desk: Desk) -> None:
    add(desk.hub)
    outside = desk.models.parent / "outside"
    outside.mkdir()
    (desk.models / "owner").symlink_to(outside)
    with pytest.raises(UsageError, match="out of the models folder"):
        await desk.start(WHAT)
    assert list(outside.iterdir()) == []


async def test_that_it_came_is_no_news_once_somebody_saw_it(desk: Desk) -> None:
    add(desk.hub)
    desk.hub.knobs.rate = 4e6
    download = await desk.start(WHAT)
    assert not (await desk.change(download, "seen")).seen
    assert desk.last.views()[0].active
    assert not (await desk.ended()).seen
    assert (await desk.change(download, "seen")).seen and desk.last.views()[0].seen


async def test_an_unknown_download_is_said(desk: Desk) -> None:
    with pytest.raises(NotFoundError):
        await desk.last.change(ChangeDownload(id="", action="pause"))


async def test_what_was_cancelled_days_ago_is_gone_with_the_next_host(desk: Desk) -> None:
    add(desk.hub)
    desk.hub.knobs.rate = 4e6
    await desk.start(WHAT)
    view = await desk.until(lambda view: view.done > MIB)
    await desk.change(view, "cancel")
    await desk.last.close()
    fresh = desk.manager()
    await fresh.open()
    assert [found.state for found in fresh.views()] == ["cancelled"]
    note = desk.models / ".partial" / f"{view.id}.json"
    os.utime(note, (0, 0))
    later = desk.manager()
    await later.open()
    assert later.views() == () and desk.files() == {}


@pytest.mark.parametrize(
    "note", [b"", b"{", b"[]", b'{"id": "../../x"}', b"\xff\xfe", b'{"id":"000000000000","added":"x"}']
)
async def test_a_note_that_is_none_is_left_alone(desk: Desk, note: bytes) -> None:
    folder = desk.models / ".partial"
    folder.mkdir()
    (folder / "000000000000.json").write_bytes(note)
    (folder / "mine.json").write_bytes(b"{}")
    await desk.last.open()
    assert desk.last.views() == () and len(desk.files()) == 2


async def test_who_goes_away_while_it_begins_leaves_a_download_that_is_known(desk: Desk) -> None:
    add(desk.hub)
    desk.hub.knobs.rate = 4e6
    for steps in range(12):
        asking = asyncio.create_task(desk.start(f"{WHAT}"))
        for _ in range(steps):
            await asyncio.sleep(0.001)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    await asyncio.sleep(0.05)
    notes = {path.stem for path in (desk.models / ".partial").glob("*.json")}
    assert notes <= {view.id for view in desk.last.views()} and len(desk.last.views()) <= 1
    await desk.start(WHAT)
    assert (await desk.ended()).state == "done"
