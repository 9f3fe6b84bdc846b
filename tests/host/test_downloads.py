"""Downloads and the life of their host: it stays for them, keeps them out of what may be freed, goes on."""

import asyncio
from collections.abc import Iterator

import pytest

from kensho_tui.client.facade import Kensho
from kensho_tui.core import hub_contract as h
from kensho_tui.core.contract import Empty
from kensho_tui.core.errors import UsageError
from kensho_tui.core.model_contract import DISK_USE, FREE_DISK, FreeDisk
from tests.support.home import Home
from tests.support.loopback_hub import MIB, Generated, LoopbackHub


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    with LoopbackHub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")  # its addresses are not the hub's own
        yield hub


async def until(kensho: Kensho, *states: str) -> h.Download:
    async with asyncio.timeout(20):
        while True:
            found = (await kensho.call(h.LIST_DOWNLOADS, Empty())).downloads
            if found and found[0].state in states:
                return found[0]
            await asyncio.sleep(0.01)


async def test_a_host_that_nobody_needs_stays_until_what_it_fetches_is_here(
    home: Home, hub: LoopbackHub
) -> None:
    home.settings('model = "scripted"\nlinger = 0\n')
    home.start_scripted_host()
    hub.knobs.rate = 3e6
    address = hub.serve("/models/tiny.gguf", Generated(3 * MIB))
    async with Kensho() as kensho:
        started = await kensho.call(h.START_DOWNLOAD, h.StartDownload(what=address))
        assert started.state in ("queued", "running") and started.total == 3 * MIB
        while not (await kensho.status()).downloads:
            await asyncio.sleep(0.01)
    home.wait_empty()
    assert (home.paths.models / "tiny.gguf").stat().st_size == 3 * MIB


async def test_progress_is_a_fact_that_is_told_while_there_is_some(home: Home, hub: LoopbackHub) -> None:
    home.start_scripted_host()
    hub.knobs.rate = 3e6
    address = hub.serve("/models/tiny.gguf", Generated(3 * MIB))
    seen: list[h.Download] = []
    async with Kensho() as kensho, asyncio.timeout(20):
        await kensho.call(h.START_DOWNLOAD, h.StartDownload(what=address))
        version = 0
        while not seen or seen[-1].state != "done":
            facts = await kensho.watch({h.TOPIC_DOWNLOADS: version}, 5.0)
            for fact in facts.values():
                version = fact.version
                seen += _decoded(bytes(fact.body))
        assert "tiny" in {model.name for model in await kensho.models()}
    assert len(seen) >= 4
    done = [download.done for download in seen]
    assert done == sorted(done) and seen[-1].model == "tiny"


def _decoded(body: bytes) -> tuple[h.Download, ...]:
    import msgspec

    return msgspec.msgpack.decode(body, type=h.Downloads).downloads


async def test_what_is_wanted_is_not_freed(home: Home, hub: LoopbackHub) -> None:
    import os

    home.start_scripted_host()
    hub.knobs.rate = 3e6
    address = hub.serve("/models/tiny.gguf", Generated(3 * MIB))
    async with Kensho() as kensho:
        started = await kensho.call(h.START_DOWNLOAD, h.StartDownload(what=address))
        while (await until(kensho, "running", "checking")).done < MIB:
            await asyncio.sleep(0.01)
        await kensho.call(h.CHANGE_DOWNLOAD, h.ChangeDownload(id=started.id, action="pause"))
        await until(kensho, "paused")
        await asyncio.sleep(0.2)
        for path in (home.paths.models / ".partial").iterdir():
            os.utime(path, (0, 0))
        freed = await kensho.call(FREE_DISK, FreeDisk(("partial",)))
        assert freed.size == 0
        await kensho.call(h.CHANGE_DOWNLOAD, h.ChangeDownload(id=started.id, action="cancel"))
        for path in (home.paths.models / ".partial").iterdir():
            os.utime(path, (0, 0))
        stores = {store.name: store for store in (await kensho.call(DISK_USE, Empty())).stores}
        assert stores["partial"].freeable >= MIB
        await kensho.call(FREE_DISK, FreeDisk(("partial",)))
        assert (await kensho.call(h.LIST_DOWNLOADS, Empty())).downloads == ()


async def test_what_nobody_can_fetch_is_refused_at_once(home: Home, hub: LoopbackHub) -> None:
    home.start_scripted_host()
    async with Kensho() as kensho:
        with pytest.raises(UsageError):
            await kensho.call(h.START_DOWNLOAD, h.StartDownload(what="no such thing at all"))
        assert hub.requests == []
