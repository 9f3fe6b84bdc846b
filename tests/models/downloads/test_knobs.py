"""Whatever goes wrong on the way: the right bytes in the end or a clear error, and nothing half-installed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from kensho_tui.core.hub_contract import ChangeDownload, Download
from tests.models.downloads.rig import NAME, REPO, SIZE, Rig, rigged
from tests.support.gguf import write_model
from tests.support.loopback_hub import MIB, Cut, Failure, Generated, LoopbackHub, Stall


@pytest.fixture
async def rig(tmp_path: Path, loopback_hub: LoopbackHub, no_starter: None) -> AsyncIterator[Rig]:
    async with rigged(tmp_path / "home", loopback_hub) as rig:
        yield rig


KIB = 1 << 10


def lines_cut(rig: Rig) -> None:
    rig.file.knobs.cut = Cut(after=700 * KIB)


def lines_reset(rig: Rig) -> None:
    rig.file.knobs.cut = Cut(after=700 * KIB, reset=True)


def cut_and_no_etag(rig: Rig) -> None:
    rig.file.knobs.cut, rig.file.knobs.etag = Cut(after=700 * KIB), ""


def cut_and_weak_etag(rig: Rig) -> None:
    rig.file.knobs.cut, rig.file.knobs.etag = Cut(after=700 * KIB), 'W/"weak"'


def cut_and_redirected(rig: Rig) -> None:
    rig.file.knobs.cut, rig.file.knobs.redirect, rig.file.knobs.redirect_uses = Cut(after=700 * KIB), True, 1


def cut_and_chunked(rig: Rig) -> None:
    rig.file.knobs.cut, rig.file.knobs.chunked = Cut(after=700 * KIB), True


def cut_and_until_close(rig: Rig) -> None:
    rig.file.knobs.cut, rig.file.knobs.until_close = Cut(after=700 * KIB), True


def dripping(rig: Rig) -> None:
    rig.file.knobs.drip = (200 * KIB, 0.02)


def limited(rig: Rig) -> None:
    rig.hub.knobs.rate = 20e6


def stalling(rig: Rig) -> None:
    rig.file.knobs.stall = Stall(after=MIB, times=2)


def asked_too_often(rig: Rig) -> None:
    rig.file.knobs.failure = Failure(status=429, times=3)


def failing_at_first(rig: Rig) -> None:
    rig.file.knobs.failure = Failure(status=503, times=3)


def no_commit_told(rig: Rig) -> None:
    rig.file.knobs.no_commit = True


@pytest.mark.parametrize(
    "trouble",
    [
        lines_cut,
        lines_reset,
        cut_and_no_etag,
        cut_and_weak_etag,
        cut_and_redirected,
        cut_and_chunked,
        cut_and_until_close,
        dripping,
        limited,
        stalling,
        asked_too_often,
        failing_at_first,
        no_commit_told,
    ],
)
async def test_the_right_bytes_come_in_the_end(rig: Rig, trouble: Callable[[Rig], None]) -> None:
    trouble(rig)
    rig.right(await rig.fetch())
    assert rig.hub.twice(NAME) <= MIB


async def test_a_server_without_ranges_sends_it_all_again(rig: Rig) -> None:
    rig.file.knobs.cut, rig.file.knobs.ignore_range = Cut(after=2 * MIB, times=2), True
    rig.right(await rig.fetch())
    assert [(one.start, one.sent) for one in rig.hub.fetched(NAME)] == [(0, 2 * MIB), (0, 2 * MIB), (0, SIZE)]


async def test_a_server_that_sends_another_range(rig: Rig) -> None:
    rig.file.knobs.cut, rig.file.knobs.shift_range = Cut(after=MIB), 5
    rig.refused(await rig.fetch(), "hub")
    rig.file.knobs.shift_range = None
    await rig.again()
    rig.right(await rig.ended())


@pytest.mark.parametrize("date", [False, True])
async def test_it_waits_as_long_as_it_is_asked_to(rig: Rig, date: bool) -> None:
    rig.file.knobs.failure = Failure(status=429, times=1, retry_after=2, date=date)
    rig.right(await rig.fetch())
    first, second = (one.at for one in rig.hub.requests if "/resolve/" in one.path)
    assert second - first >= 0.95  # a date counts whole seconds


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (Failure(status=500), "hub"),
        (Failure(status=503, retry_after=3600), "hub"),
        (Failure(status=404), "not_found"),
        (Failure(status=410), "not_found"),
        (Failure(status=429, retry_after=3600), "limited"),
        (Failure(status=429), "limited"),
        (Failure(status=418), "hub"),
        (Failure(status=204), "hub"),
        (Failure(status=304), "hub"),
    ],
)
async def test_a_server_that_goes_on_refusing(rig: Rig, failure: Failure, code: str) -> None:
    rig.file.knobs.failure = failure
    rig.refused(await rig.fetch(), code)


# --- other bytes than were promised ---------------------------------------------------------------------


async def test_a_wrong_hash_keeps_nothing(rig: Rig) -> None:
    rig.file.knobs.told_sha256 = "ab" * 32
    rig.refused(await rig.fetch(), "damaged")
    assert [name for name in rig.left() if name.endswith(".part")] == []
    rig.file.knobs.told_sha256 = None
    # What it was told then is what it was asked for: resuming it cannot make the bytes right.
    await rig.again()
    seen = await rig.ended()
    assert rig.listed() == ([Path(seen.path)] if seen.state == "done" else [])


@pytest.mark.parametrize("off", [-1000, 1000])
async def test_a_wrong_size_told_by_the_hub(rig: Rig, off: int) -> None:
    rig.file.knobs.told_size = SIZE + off
    rig.refused(await rig.fetch(), "damaged")


async def test_an_answer_longer_than_its_length(rig: Rig) -> None:
    rig.file.knobs.length_off = -100_000
    seen = await rig.fetch()
    rig.sound(seen, "damaged")


async def test_an_answer_shorter_than_its_length(rig: Rig) -> None:
    rig.file.knobs.length_off = 100_000
    seen = await rig.fetch()
    rig.sound(seen, "damaged")


async def test_a_file_that_is_no_model(rig: Rig) -> None:
    rig.file.change(Generated(SIZE, model=False))
    rig.refused(await rig.fetch(), "damaged")
    assert [name for name in rig.left() if name.endswith(".part")] == []


async def test_a_new_version_at_the_hub_is_fetched_from_its_start(rig: Rig) -> None:
    rig.file.knobs.cut = Cut(after=MIB, times=1)
    rig.file.knobs.stall = Stall(after=MIB // 2, seconds=0.2)
    await rig.start()
    await rig.until(lambda seen: seen.done >= MIB // 2)
    rig.file.change(Generated(SIZE - 5000, seed=7))
    rig.right(await rig.ended())


async def test_a_new_commit_does_not_disturb(rig: Rig) -> None:
    """What was begun is pinned."""
    rig.hub.knobs.rate = 8e6
    await rig.start()
    await rig.until(lambda seen: seen.done > 0)
    rig.file.knobs.cut = Cut(after=MIB, times=1)
    rig.hub.repos[REPO].commit({NAME: Generated(SIZE, seed=8)})
    rig.right(await rig.ended())


# --- who may ---------------------------------------------------------------------------------------------


async def test_gated_files_need_a_token_that_goes_nowhere_else(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = rig.hub.repos[REPO]
    rig.hub.tokens = {"hf_reader": {REPO}, "hf_other": set()}
    repo.gated = "manual"
    for token in ("", "hf_other"):
        monkeypatch.setenv("HF_TOKEN", token)
        rig.refused(await rig.fetch(), "gated")
    rig.file.knobs.redirect, rig.file.knobs.cut = True, Cut(after=MIB)
    monkeypatch.setenv("HF_TOKEN", "hf_reader")
    rig.right(await rig.fetch())
    assert "hf_reader" in {one.token for one in rig.hub.requests}
    assert [one.headers.get("authorization") for one in rig.hub.cdn.requests] == [None] * 3


@pytest.mark.parametrize(
    "leads_to", ["/cycle", "file:///etc/passwd", "ftp://127.0.0.1/x", "http://", "http://[", "//"]
)
async def test_redirects_to_nowhere(rig: Rig, leads_to: str) -> None:
    rig.file.knobs.redirect_to = leads_to
    if leads_to == "/cycle":
        rig.hub.answer("/cycle", b"", 302, Location="/cycle")
    rig.refused(await rig.fetch(), "failed", "offline", "hub", "usage", "not_found")


async def test_private_and_missing_repositories(rig: Rig) -> None:
    rig.hub.repos[REPO].private = True
    rig.refused(await rig.fetch(), "not_found")
    rig.refused(await rig.fetch(f"owner/missing/{NAME}"), "not_found")
    rig.hub.repos[REPO].private = False
    rig.refused(await rig.fetch(f"{REPO}/missing.gguf"), "not_found", "usage")


async def test_nobody_answers(rig: Rig) -> None:
    rig.file.knobs.redirect_to = "http://127.0.0.1:9/nobody"
    rig.refused(await rig.fetch(), "offline")


# --- addresses outside of repositories -------------------------------------------------------------------


@pytest.fixture
def address(rig: Rig) -> str:
    rig.hub.serve("/any/address.gguf", Generated(SIZE, seed=3))
    return rig.hub.cdn.url + "/any/address.gguf"


async def test_an_address_that_is_cut(rig: Rig, address: str) -> None:
    file = rig.hub.file("/any/address.gguf")
    file.knobs.cut = Cut(after=MIB)
    rig.right(await rig.fetch(address), file.content)
    assert rig.hub.twice("address.gguf") == 1  # it was asked how large it is


async def test_an_address_with_other_bytes_by_now(rig: Rig, address: str) -> None:
    file = rig.hub.file("/any/address.gguf")
    file.knobs.stall = Stall(after=MIB, times=1)
    await rig.start(address)
    await rig.until(lambda seen: seen.done == MIB)
    file.change(Generated(2 * MIB, seed=4))
    rig.right(await rig.ended(), file.content)


async def test_an_address_without_length_that_ends_early(rig: Rig, tmp_path: Path) -> None:
    """Nothing tells how long it should be but the model itself."""
    model = write_model(tmp_path / "whole.gguf", vocabulary=20_000)
    rig.hub.serve("/early.gguf", model.read_bytes()[:-5000])
    url = rig.hub.cdn.url + "/early.gguf"
    rig.hub.file("/early.gguf").knobs.until_close = True
    rig.refused(await rig.fetch(url), "damaged")
    rig.hub.file("/early.gguf").change(model.read_bytes())
    model.unlink()
    seen = await rig.fetch(url)
    rig.right(seen, rig.hub.file("/early.gguf").content)


# --- a person in between ---------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["pause", "cancel"])
async def test_it_stops_at_once_while_nothing_comes(rig: Rig, action: str) -> None:
    rig.file.knobs.stall = Stall(after=MIB, times=1)
    begun = await rig.start()
    await rig.until(lambda seen: seen.done == MIB)
    async with asyncio.timeout(0.25):  # less than the patience for a silent line
        await rig.downloads.change(ChangeDownload(id=begun.id, action=action))  # type: ignore[arg-type]
        await rig.ended()
    assert rig.listed() == []
    await rig.downloads.change(ChangeDownload(id=begun.id, action="resume"))
    rig.right(await rig.ended())
    assert rig.hub.twice(NAME) == 0


async def test_a_removed_one_leaves_nothing(rig: Rig) -> None:
    rig.file.knobs.stall = Stall(after=MIB)
    begun = await rig.start()
    await rig.until(lambda seen: seen.done == MIB)
    for action in ("cancel", "remove"):
        await rig.downloads.change(ChangeDownload(id=begun.id, action=action))
    assert (rig.downloads.views(), rig.left(), rig.listed()) == ((), [], [])


async def test_another_host_goes_on(rig: Rig) -> None:
    rig.file.knobs.stall = Stall(after=MIB, times=1)
    await rig.start()
    await rig.until(lambda seen: seen.done == MIB)
    await rig.downloads.close()
    rig.managers.append(rig.manager())
    await rig.downloads.open()
    rig.right(await rig.ended())
    assert rig.hub.twice(NAME) == 0


async def test_several_parts_of_which_one_breaks(rig: Rig, tmp_path: Path) -> None:
    first = write_model(tmp_path / "split.gguf", vocabulary=20_000, parts=3)
    paths = sorted(first.parent.glob("split-*.gguf"))
    repo = rig.hub.add("owner/split", {path.name: path for path in paths})
    second = repo[paths[1].name]
    second.knobs.cut, second.knobs.told_sha256 = Cut(after=100 * KIB), "cd" * 32
    rig.refused(await rig.fetch(f"owner/split/{paths[0].name}"), "damaged")
    second.knobs.told_sha256 = None
    view = rig.downloads.views()[0]
    await rig.downloads.change(ChangeDownload(id=view.id, action="cancel"))
    await rig.downloads.change(ChangeDownload(id=view.id, action="remove"))
    seen = await rig.fetch(f"owner/split/{paths[0].name}")
    assert isinstance(seen, Download) and seen.state == "done", seen
    assert Path(seen.path).name == paths[0].name
    assert [path.name for path in rig.listed()] == [path.name for path in paths]
    assert [path.read_bytes() for path in rig.listed()] == [path.read_bytes() for path in paths]
    for path in paths:
        path.unlink()


async def test_a_part_that_vanishes_between_two_hosts(rig: Rig, tmp_path: Path) -> None:
    first = write_model(tmp_path / "split.gguf", vocabulary=20_000, parts=2)
    paths = sorted(first.parent.glob("split-*.gguf"))
    repo = rig.hub.add("owner/split", {path.name: path for path in paths})
    repo[paths[1].name].knobs.stall = Stall(after=1000, times=1)
    await rig.start(f"owner/split/{paths[0].name}")
    await rig.until(lambda seen: seen.part == 2 and seen.done > paths[0].stat().st_size)
    await rig.again("pause")
    await rig.downloads.close()
    next(rig.models.joinpath(".partial").glob("*.1.part")).unlink()
    rig.managers.append(rig.manager())
    await rig.downloads.open()
    await rig.again()
    seen = await rig.ended()
    assert seen.state == "done", seen
    assert [path.read_bytes() for path in rig.listed()] == [path.read_bytes() for path in paths]
