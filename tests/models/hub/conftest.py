"""The hub with real parts: a stage's library and verdicts, the library's client, a hub over sockets."""

import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import pytest

from kensho_tui.hardware.pools import Pool
from kensho_tui.models.hub.hub import Hub
from tests.models.stage import Stage, stage
from tests.support.gguf import TINY, Hyper, write_model
from tests.support.loopback_content import OnDisk
from tests.support.loopback_hub import LoopbackHub

GB = 1 << 30


class Sparse(OnDisk):
    """A model whose tensors are a hole: nobody wants to hash all of it."""

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.path.name.encode()).hexdigest()


@dataclass
class Place:
    """A machine with a stage's memory, and `hub`, which asks the loopback hub `far`."""

    hub: Hub
    far: LoopbackHub
    stage: Stage
    folder: Path

    def asked(self) -> list[str]:
        """What was asked of the network, as paths."""
        return [request.path for request in (*self.far.requests, *self.far.cdn.requests)]

    def made(self, quantisation: str, of: str | Hyper = TINY, **more: Any) -> Sparse:
        """A model's file; its size is what the quantisation makes of it."""
        path = self.folder / f"{quantisation}-{len(list(self.folder.iterdir()))}.gguf"
        return Sparse(write_model(path, of, quantisation=quantisation, **more))

    def install(self, repo: str, name: str, content: OnDisk) -> None:
        """The file is here, where a download of it would have put it."""
        path = self.stage.paths.models / repo / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.hardlink_to(content.path)


class Machine(Protocol):
    def __call__(self, ram: int = ...) -> AbstractAsyncContextManager[Place]: ...


@pytest.fixture
def machine(tmp_path: Path, loopback_hub: LoopbackHub, no_starter: None) -> Machine:
    """A place with so many bytes of RAM."""

    @asynccontextmanager
    async def on(ram: int = 64 * GB) -> AsyncIterator[Place]:
        folder = tmp_path / "made"
        folder.mkdir()
        async with stage(tmp_path, pools=(Pool("RAM", "RAM", "CPU", ram, ram, 0),)) as here:
            yield Place(Hub(here.library, here.fitting), loopback_hub, here, folder)

    return on


@pytest.fixture
async def place(machine: Machine) -> AsyncIterator[Place]:
    async with machine() as here:
        yield here


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The second try comes at once."""
    from kensho_tui.models.hub import wire

    monkeypatch.setattr(wire, "AGAIN_AFTER_S", 0.0)
    yield
