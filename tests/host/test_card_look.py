"""A driver that hangs costs the host's gauge its cards, and nothing else of the host anything."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from kensho_tui.config.paths import Paths
from kensho_tui.core import contract as c
from kensho_tui.hardware import drivers
from kensho_tui.host.rooms import Host
from tests.support.nvml import GIB, Card, ScriptedNvml, installed


class Hanging(ScriptedNvml):
    """A driver that answers only while `answers` is set."""

    def __init__(self, *cards: Card) -> None:
        super().__init__(*cards)
        self.answers, self.asked = threading.Event(), threading.Event()
        self.answers.set()

    def nvmlDeviceGetMemoryInfo(self, handle: int, version: int | None = None) -> Any:
        self.asked.set()
        assert threading.current_thread() is not threading.main_thread()
        assert self.answers.wait(60)
        return super().nvmlDeviceGetMemoryInfo(handle, version)


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hanging]:
    driver = Hanging(Card(used=GIB))
    with installed(monkeypatch, driver):
        yield driver
        driver.answers.set()


@pytest.fixture
async def host(driver: Hanging, tmp_path: Path) -> AsyncIterator[Host]:
    """One whose models live on the driver's card."""
    paths = Paths(*(tmp_path / name for name in ("config", "data", "cache", "logs", "run"))).ensure()
    host = await Host.build(paths, ("false",))
    host._device = "CUDA0"
    yield host
    await host.close()


async def asked(host: Host) -> c.HostStatus:
    """The status as a client gets it."""
    return await host._fresh_status()


async def test_the_gauge_is_of_the_cards_as_they_are_now(host: Host, driver: Hanging) -> None:
    assert (await asked(host)).memory == c.Memory(kind="VRAM", used=GIB, total=80 * GIB)
    driver.cards[0].used = 2 * GIB
    assert (await asked(host)).memory == c.Memory(kind="VRAM", used=2 * GIB, total=80 * GIB)


async def test_a_fact_follows_when_the_cards_were_looked_at(host: Host) -> None:
    host._changed()
    version = 0
    async with asyncio.timeout(30):
        while True:
            fact = (await host._board.watch({c.TOPIC_HOST: version}, 10.0)).facts[c.TOPIC_HOST]
            version = fact.version
            if b"VRAM" in bytes(fact.body):
                return


async def test_a_driver_that_hangs_holds_up_nobody(
    host: Host, driver: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drivers, "LATE_S", 0.05)
    assert (await asked(host)).memory.kind == "VRAM"
    driver.answers.clear()
    driver.asked.clear()
    async with asyncio.timeout(30):
        status = await asked(host)
        assert driver.asked.is_set() and status.running and status.memory.kind == "RAM"
        # It is not asked again meanwhile, and not waited for.
        assert (await asked(host)).memory.kind == "RAM"
        host._changed()
        await host._board.watch({c.TOPIC_HOST: 0}, 10.0)
        driver.answers.set()
        while (await asked(host)).memory.kind != "VRAM":
            await asyncio.sleep(0.01)
