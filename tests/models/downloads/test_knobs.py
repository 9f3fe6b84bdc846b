"""Whatever goes wrong on the way: the right bytes in the end or a clear error, and nothing half-installed."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from kensho_tui.core.hub_contract import ChangeDownload, Download, StartDownload
from kensho_tui.models.downloads.manager import Downloads
from kensho_tui.models.downloads.patience import Patience
from kensho_tui.models.hub.remote import RemoteModel, RemotePart
from tests.support.gguf import write_model
from tests.support.loopback_content import Content
from tests.support.loopback_hub import MIB, Cut, Failure, Generated, LoopbackHub, Stall
from tests.support.loopback_repos import File

REPO, NAME = "owner/tiny-GGUF", "tiny-Q4_K_M.gguf"
WHAT = f"{REPO}/{NAME}"
SIZE = 3 * MIB
KIB = 1 << 10
QUICK = Patience(
    first_s=0.01, most_s=0.02, stall_s=0.3, connect_s=2.0, give_up_s=2.5, asked_most_s=5.0, fruitless=4
)


class FromLoopback:
    """What the loopback hub has, as the real client tells it; the token goes to the hub's port alone."""

    def __init__(self, hub: LoopbackHub) -> None:
        self.hub = hub
        self.token = ""

    async def resolve(self, what: str, revision: str | None) -> RemoteModel:
        if what.startswith(self.hub.url):
            name = what.rpartition("/")[2]
            return RemoteModel(
                what=what, name=name, origin=what, folder="", parts=(RemotePart(url=what, name=name),)
            )
        return await asyncio.to_thread(self._of_repository, what, revision)

    def _of_repository(self, what: str, revision: str | None) -> RemoteModel:
        from huggingface_hub import HfApi

        owner, name, file = what.split("/", 2)
        repo = f"{owner}/{name}"
        api = HfApi(endpoint=self.hub.url, token=self.token or False)
        info = api.model_info(repo, revision=revision, files_metadata=True)
        told = {each.rfilename: each for each in info.siblings or ()}
        names = [file] if file in told else [each for each in told if each.startswith(file)]
        parts = tuple(
            RemotePart(
                url=f"{self.hub.url}/{repo}/resolve/{info.sha}/{quote(each)}",
                name=each,
                size=told[each].size or 0,
                sha256=lfs.sha256 if (lfs := told[each].lfs) else "",
            )
            for each in names
        )
        return RemoteModel(
            what=what,
            name=file.removesuffix(".gguf"),
            origin=repo,
            folder=repo,
            parts=parts,
            revision=info.sha or "",
        )

    def headers(self, url: str) -> dict[str, str]:
        ours = url.startswith(self.hub.url + "/")
        return {"Authorization": f"Bearer {self.token}"} if self.token and ours else {}


class Rig:
    """A models folder with something beside it, the hub with one file, and the room's manager."""

    def __init__(self, root: Path, hub: LoopbackHub) -> None:
        self.root = root / "home"
        self.models = self.root / "models"
        self.models.mkdir(parents=True)
        self.root.joinpath("beside.txt").write_text("mine", encoding="utf-8")
        self.hub = hub
        self.origins = FromLoopback(hub)
        self.file: File = hub.add(REPO, {NAME: Generated(SIZE)})[NAME]
        self.installed: list[Path] = []
        self.downloads = self.manager()

    def manager(self) -> Downloads:
        return Downloads(self.models, self.origins, 3, self._name, QUICK)

    async def _name(self, path: Path) -> str:
        self.installed.append(path)
        return path.stem

    async def start(self, what: str = WHAT) -> Download:
        return await self.downloads.start(StartDownload(what=what))

    async def until(self, true: Callable[[Download], bool]) -> Download:
        """The first download, once `true` of it; its bytes never become fewer without a word."""
        most = 0
        async with asyncio.timeout(15):
            while True:
                seen = self.downloads.views()[0]
                self.consistent()
                assert seen.done >= most or seen.note or seen.code == "damaged", (seen, most)
                most = seen.done
                if true(seen):
                    return seen
                await asyncio.sleep(0.01)

    async def fetch(self, what: str = WHAT) -> Download:
        """Start it, and wait until it goes on by itself no longer."""
        first = await self.start(what)
        return await self.until(lambda seen: not seen.active) if first.active else first

    def consistent(self) -> None:
        """What a scan of the models folder would list is installed, and nothing lies outside."""
        assert sorted(path.name for path in self.root.iterdir()) == ["beside.txt", "models"]
        assert self.root.joinpath("beside.txt").read_text(encoding="utf-8") == "mine"
        for path in self.listed():
            assert _sha256(path) in self.known(), path

    def listed(self) -> list[Path]:
        found = (path for path in self.models.rglob("*") if not path.is_dir())
        return sorted(path for path in found if ".partial" not in path.relative_to(self.models).parts)

    def left(self) -> list[str]:
        """What lies among the unfinished."""
        folder = self.models / ".partial"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    def known(self) -> set[str]:
        """The hashes of all that the hub has."""
        files = [
            file
            for repo in self.hub.repos.values()
            for each in repo.commits.values()
            for file in each.values()
        ]
        return {file.content.sha256 for file in (*files, *self.hub.addresses.values())}

    def right(self, seen: Download, content: Content | None = None) -> None:
        """It is here, whole, and nothing else is."""
        assert (seen.state, seen.error) == ("done", ""), seen
        content = content or self.file.content
        assert Path(seen.path).stat().st_size == content.size == seen.done
        assert _sha256(Path(seen.path)) == content.sha256
        assert self.installed == [Path(seen.path)]
        assert self.left() == []
        assert self.listed() == [Path(seen.path)]

    def refused(self, seen: Download, code: str) -> None:
        """It failed clearly and nothing is listed."""
        assert (seen.state, seen.code) == ("failed", code), seen
        assert seen.error and seen.error == " ".join(seen.error.split()) and len(seen.error) < 400
        assert self.listed() == [] and self.installed == []


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@pytest.fixture
async def rig(tmp_path: Path, loopback_hub: LoopbackHub) -> AsyncIterator[Rig]:
    rig = Rig(tmp_path, loopback_hub)
    await rig.downloads.open()
    yield rig
    await rig.downloads.close()
    rig.consistent()


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
    await rig.downloads.change(ChangeDownload(id=rig.downloads.views()[0].id, action="resume"))
    rig.right(await rig.until(lambda seen: not seen.active))


@pytest.mark.parametrize("date", [False, True])
async def test_it_waits_as_long_as_it_is_asked_to(rig: Rig, date: bool) -> None:
    rig.file.knobs.failure = Failure(status=429, times=1, retry_after=2, date=date)
    rig.right(await rig.fetch())
    first, second = (one.at for one in rig.hub.requests if "/resolve/" in one.path)
    assert second - first >= 0.95  # a date counts whole seconds


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (Failure(status=500), "offline"),
        (Failure(status=503, retry_after=3600), "offline"),
        (Failure(status=404), "not_found"),
        (Failure(status=410), "not_found"),
        (Failure(status=429, retry_after=3600), "hub"),
        (Failure(status=429), "hub"),
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
    await rig.downloads.change(ChangeDownload(id=rig.downloads.views()[0].id, action="resume"))
    seen = await rig.until(lambda one: not one.active)
    assert rig.listed() == ([Path(seen.path)] if seen.state == "done" else [])


@pytest.mark.parametrize("off", [-1000, 1000])
async def test_a_wrong_size_told_by_the_hub(rig: Rig, off: int) -> None:
    rig.file.knobs.told_size = SIZE + off
    rig.refused(await rig.fetch(), "damaged")


async def test_an_answer_longer_than_its_length(rig: Rig) -> None:
    rig.file.knobs.length_off = -100_000
    seen = await rig.fetch()
    rig.right(seen) if seen.state == "done" else rig.refused(seen, "damaged")


async def test_an_answer_shorter_than_its_length(rig: Rig) -> None:
    rig.file.knobs.length_off = 100_000
    seen = await rig.fetch()
    rig.right(seen) if seen.state == "done" else rig.refused(seen, "damaged")


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
    rig.right(await rig.until(lambda seen: not seen.active))


async def test_a_new_commit_does_not_disturb(rig: Rig) -> None:
    """What was begun is pinned."""
    rig.hub.knobs.rate = 8e6
    await rig.start()
    await rig.until(lambda seen: seen.done > 0)
    rig.file.knobs.cut = Cut(after=MIB, times=1)
    rig.hub.repos[REPO].commit({NAME: Generated(SIZE, seed=8)})
    rig.right(await rig.until(lambda seen: not seen.active))


# --- who may ---------------------------------------------------------------------------------------------


async def test_gated_files_need_a_token_that_goes_nowhere_else(rig: Rig) -> None:
    repo = rig.hub.repos[REPO]
    rig.hub.tokens = {"hf_reader": {REPO}, "hf_other": set()}
    repo.gated = "manual"
    for token in ("", "hf_other"):
        rig.origins.token = token
        rig.refused(await rig.fetch(), "gated")
    rig.file.knobs.redirect, rig.file.knobs.cut = True, Cut(after=MIB)
    rig.origins.token = "hf_reader"
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
    seen = await rig.fetch()
    assert seen.state == "failed", seen
    rig.refused(seen, seen.code)


async def test_nobody_answers(rig: Rig) -> None:
    rig.file.knobs.redirect_to = "http://127.0.0.1:9/nobody"
    rig.refused(await rig.fetch(), "offline")


# --- addresses outside of repositories -------------------------------------------------------------------


@pytest.fixture
def address(rig: Rig) -> str:
    return rig.hub.serve("/any/address.gguf", Generated(SIZE, seed=3))


async def test_an_address_that_is_cut(rig: Rig, address: str) -> None:
    file = rig.hub.file("/any/address.gguf")
    file.knobs.cut = Cut(after=MIB)
    rig.right(await rig.fetch(address), file.content)
    assert rig.hub.twice("address.gguf") == 0


async def test_an_address_with_other_bytes_by_now(rig: Rig, address: str) -> None:
    file = rig.hub.file("/any/address.gguf")
    file.knobs.stall = Stall(after=MIB, times=1)
    await rig.start(address)
    await rig.until(lambda seen: seen.done == MIB)
    file.change(Generated(2 * MIB, seed=4))
    async with asyncio.timeout(10):
        while rig.downloads.views()[0].active:
            await asyncio.sleep(0.01)
    rig.right(rig.downloads.views()[0], file.content)


async def test_an_address_without_length_that_ends_early(rig: Rig, tmp_path: Path) -> None:
    """Nothing tells how long it should be but the model itself."""
    model = write_model(tmp_path / "whole.gguf", vocabulary=20_000)
    url = rig.hub.serve("/early.gguf", model.read_bytes()[:-5000])
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
        await rig.until(lambda seen: not seen.active)
    assert rig.listed() == []
    await rig.downloads.change(ChangeDownload(id=begun.id, action="resume"))
    rig.right(await rig.until(lambda seen: not seen.active))
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
    rig.downloads = rig.manager()
    await rig.downloads.open()
    rig.right(await rig.until(lambda seen: not seen.active))
    assert rig.hub.twice(NAME) == 0


async def test_several_parts_of_which_one_breaks(rig: Rig, tmp_path: Path) -> None:
    first = write_model(tmp_path / "split.gguf", vocabulary=20_000, parts=3)
    paths = sorted(first.parent.glob("split-*.gguf"))
    repo = rig.hub.add("owner/split", {path.name: path for path in paths})
    second = repo[paths[1].name]
    second.knobs.cut, second.knobs.told_sha256 = Cut(after=100 * KIB), "cd" * 32
    rig.refused(await rig.fetch("owner/split/split"), "damaged")
    second.knobs.told_sha256 = None
    view = rig.downloads.views()[0]
    await rig.downloads.change(ChangeDownload(id=view.id, action="cancel"))
    await rig.downloads.change(ChangeDownload(id=view.id, action="remove"))
    seen = await rig.fetch("owner/split/split")
    assert (seen.state, Path(seen.path).name) == ("done", paths[0].name), seen
    assert [path.name for path in rig.listed()] == [path.name for path in paths]
    assert [path.read_bytes() for path in rig.listed()] == [path.read_bytes() for path in paths]
    for path in paths:
        path.unlink()
