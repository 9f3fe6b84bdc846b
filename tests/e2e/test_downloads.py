"""The host is killed over and over while it fetches: it goes on, fetches next to nothing twice, and installs
what is whole and nothing else.
"""

import asyncio
import hashlib
import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from kensho_tui.client.facade import Kensho
from kensho_tui.core.contract import Empty
from kensho_tui.core.errors import HostError
from kensho_tui.core.hub_contract import LIST_DOWNLOADS, START_DOWNLOAD, Download, StartDownload
from tests.support.gguf import write_model
from tests.support.home import Home
from tests.support.loopback_hub import MIB, Generated, LoopbackHub

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

REPO, NAME = "owner/large-GGUF", "large-Q4_K_M.gguf"
KILLS = 50
SIZE = 48 * MIB
RATE = 24e6
SEED = 20260405


class Killed:
    """A host that is killed, with all that it may never do."""

    def __init__(self, home: Home, hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = home
        self.hub = hub
        self.chance = random.Random(SEED)
        self.models = home.paths.models
        self.temporary = home.root / "temporary"
        self.temporary.mkdir()
        monkeypatch.setenv("TMPDIR", str(self.temporary))

    async def life(self, moment: Callable[[Kensho], object]) -> None:
        """A host starts, goes on with what there is, and is killed when `moment` has come."""
        async with Kensho(self.home.paths) as kensho:
            # Asked for, it goes on at once and not a second later.
            await kensho.call(LIST_DOWNLOADS, Empty())
            pid = (await kensho.status()).pid
            outcome = moment(kensho)
            if asyncio.iscoroutine(outcome):
                await outcome
            os.kill(pid, signal.SIGKILL)
            with suppress(HostError):
                await kensho.closed()
        self.nothing_outside()

    async def until_done(self, kensho: Kensho, what: str) -> Download:
        started = await kensho.call(START_DOWNLOAD, StartDownload(what=what))
        async with asyncio.timeout(30):
            while True:
                told = (await kensho.call(LIST_DOWNLOADS, Empty())).downloads
                found = next((one for one in told if one.id == started.id), started)
                if not found.active:
                    assert found.state == "done", found
                    return found
                await asyncio.sleep(0.02)

    def listed(self) -> list[Path]:
        """What a scan of the models folder finds."""
        found = (path for path in self.models.rglob("*") if not path.is_dir())
        return sorted(path for path in found if ".partial" not in path.relative_to(self.models).parts)

    def nothing_outside(self) -> None:
        """The host's own files stay small; none of them holds a model or a part of one."""
        assert [path for path in self.temporary.rglob("*") if path.is_file()] == []
        for path in self.home.root.rglob("*"):
            if path.is_file() and not path.is_relative_to(self.models):
                assert path.stat().st_size < MIB, path
                assert path.suffix not in (".part", ".gguf"), path


@pytest.fixture
def killed(home: Home, loopback_hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> Killed:
    return Killed(home, loopback_hub, monkeypatch)


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def test_a_download_whose_host_is_killed_fifty_times(killed: Killed) -> None:
    hub, chance = killed.hub, killed.chance
    content = Generated(SIZE)
    hub.add(REPO, {NAME: content})
    hub.knobs.rate, hub.knobs.redirect = RATE, True
    what = f"{REPO}/{NAME}"

    async def some_time_in(kensho: Kensho) -> None:
        """Killed as it starts, or after some bytes; never later than a few seconds."""
        if not (await kensho.call(LIST_DOWNLOADS, Empty())).downloads:
            await kensho.call(START_DOWNLOAD, StartDownload(what=what))
        assert "large" not in " ".join(model.name for model in await kensho.models())
        assert killed.listed() == []
        if chance.random() < 0.2:
            await asyncio.sleep(chance.uniform(0, 0.1))
            return
        wanted = hub.sent(NAME) + int(chance.uniform(0, 1.2 * MIB))
        deadline = time.monotonic() + 5
        while hub.sent(NAME) < wanted:
            assert time.monotonic() < deadline, await kensho.call(LIST_DOWNLOADS, Empty())
            await asyncio.sleep(0.001)

    again = []
    for _ in range(KILLS):
        before = hub.twice(NAME)
        await killed.life(some_time_in)
        again.append(hub.twice(NAME) - before)
    assert max(again) <= MIB, again
    assert hub.sent(NAME) - hub.twice(NAME) < SIZE, "the moments must lie within the download"
    hub.knobs.rate = None
    async with Kensho(killed.home.paths) as kensho:
        done = await killed.until_done(kensho, what)
        assert sha256(Path(done.path)) == content.sha256
        assert done.model in [model.name for model in await kensho.models()]
        await kensho.stop_host()
    assert killed.listed() == [Path(done.path)]
    assert list(killed.models.joinpath(".partial").glob("*.*")) == []
    assert hub.twice(NAME) <= KILLS * MIB / 4, again  # as a rule next to nothing
    killed.nothing_outside()


@pytest.mark.parametrize("number", range(6))
async def test_a_host_killed_as_it_checks_and_installs(
    killed: Killed, tmp_path_factory: pytest.TempPathFactory, number: int
) -> None:
    hub, parts = killed.hub, 3 if number % 2 else 1
    folder = tmp_path_factory.mktemp("made")
    first = write_model(folder / "split-Q4_K_M.gguf", vocabulary=60_000, embedding=256, parts=parts)
    files = {path.name: path for path in sorted(folder.iterdir())}
    hub.add(REPO, files)
    sizes = {path.name: path.stat().st_size for path in files.values()}
    killed.chance.seed(number)

    async def near_the_end(kensho: Kensho) -> None:
        await kensho.call(START_DOWNLOAD, StartDownload(what=f"{REPO}/{first.name}"))
        while sum(map(hub.sent, files)) < sum(sizes.values()):
            await asyncio.sleep(0.001)
        await asyncio.sleep(killed.chance.uniform(0, 0.03))

    await killed.life(near_the_end)
    names = [path.name for path in killed.listed()]
    if first.name in names:  # what a model is listed by comes last
        assert names == sorted(files)
    async with Kensho(killed.home.paths) as kensho:
        done = await killed.until_done(kensho, f"{REPO}/{first.name}")
        await kensho.stop_host()
    assert Path(done.path).name == first.name
    assert {path.name: path.read_bytes() == files[path.name].read_bytes() for path in killed.listed()} == (
        dict.fromkeys(files, True)
    )
    # What was sent last may still be on its way when the host is killed.
    assert sum(map(hub.twice, files)) <= MIB
    killed.nothing_outside()
