"""When a host begins to sample by itself, without one being run."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kensho_tui.core.sample_contract import ReadSamples
from kensho_tui.dialogue.tally import Tally
from kensho_tui.host import sample_offers
from kensho_tui.host.sample_offers import SampleOffers
from kensho_tui.storage.database import open_database


class Rooms:
    """What a host counts."""

    def __init__(self) -> None:
        self.streams = 0
        self.downloading = 0
        measured = SimpleNamespace(written=0, read=0)
        self.manager = SimpleNamespace(loading=None, workers=lambda: (), measured=measured)
        self.downloads = SimpleNamespace(views=lambda: (SimpleNamespace(rate=3.0), SimpleNamespace(rate=4.5)))
        self.hits, self.misses = 1, 3

    def tally(self) -> Tally:
        return Tally(self.streams, 0, 0, 0)


@pytest.fixture
def rooms() -> Rooms:
    return Rooms()


@pytest.fixture
async def offers(
    rooms: Rooms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[SampleOffers]:
    monkeypatch.setattr(sample_offers, "BEGIN_AFTER_S", 0.0)
    database = (await open_database(tmp_path / "kensho.db")).database
    anything: Any = rooms
    offers = SampleOffers(dialogue=anything, rooms=anything, responses=anything, database=database, days=1)
    yield offers
    await offers.close()
    await database.close()


def timers() -> int:
    loop: Any = asyncio.get_running_loop()
    return sum(not timer.cancelled() for timer in loop._scheduled)


async def until_told() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_an_idle_host_has_no_sampler_and_no_timer(offers: SampleOffers) -> None:
    before = timers()
    for _ in range(5):
        offers.changed()
        await until_told()
    assert "_sampler" not in vars(offers) and timers() == before
    assert offers.gpus is None


@pytest.mark.parametrize("what", ["streams", "downloading", "loading"])
async def test_what_runs_is_sampled(offers: SampleOffers, rooms: Rooms, what: str) -> None:
    if what == "loading":
        rooms.manager.loading = object()
    else:
        setattr(rooms, what, 2)
    offers.changed()
    offers.changed()
    assert "_sampler" not in vars(offers)  # not at once: somebody waits for a first word
    await until_told()
    assert offers._sampler.running
    peer: Any = None
    (sample,) = (await offers._samples(ReadSamples(wait=30), peer)).samples
    assert (sample.cache_hits, sample.cache_asked) == (1, 4)
    assert (sample.streams, sample.downloads) == (rooms.streams, rooms.downloading)
    assert sample.download_rate == (7.5 if what == "downloading" else 0.0)
    assert sample.database > 0


async def test_what_ended_meanwhile_is_not(offers: SampleOffers, rooms: Rooms) -> None:
    rooms.streams = 1
    offers.changed()
    rooms.streams = 0
    await until_told()
    assert "_sampler" not in vars(offers)
    rooms.streams = 1
    offers.changed()
    await until_told()
    assert offers._sampler.running


async def test_nothing_begins_any_more_in_a_host_that_ends(offers: SampleOffers, rooms: Rooms) -> None:
    await offers.close()
    rooms.downloading = 1
    before = timers()
    offers.changed()
    assert timers() == before
    await until_told()
    assert "_sampler" not in vars(offers)
