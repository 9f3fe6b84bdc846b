"""A manager of downloads on a folder of its own, against the loopback hub."""

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from kensho_tui.core.hub_contract import ChangeDownload, Download, DownloadAction, StartDownload
from kensho_tui.models.downloads.manager import Downloads
from kensho_tui.models.downloads.patience import Patience
from kensho_tui.models.downloads.space import Space
from kensho_tui.models.hub.remote import RemoteModel, RemotePart
from tests.support.loopback_hub import LoopbackHub

QUICK = Patience(first_s=0.02, most_s=0.05, stall_s=0.5, connect_s=1.0, give_up_s=2.0, fruitless=4)


@pytest.fixture
def hub() -> Iterator[LoopbackHub]:
    with LoopbackHub() as hub:
        yield hub


class HubOrigins:
    """The loopback hub's files as it tells them, by ``owner/name/file`` (several files: ``+`` between)."""

    def __init__(self, hub: LoopbackHub) -> None:
        self.hub = hub
        self.asked: list[str] = []
        self.elsewhere = ""
        """Another address than the hub's for the bytes."""

    async def resolve(self, what: str, revision: str | None) -> RemoteModel:
        self.asked.append(what)
        owner, name, files = what.split("/", 2)
        repo = self.hub.repos[f"{owner}/{name}"]
        return RemoteModel(
            what=what,
            name=files.partition("+")[0].removesuffix(".gguf"),
            origin=f"{owner}/{name}",
            folder=f"{owner}/{name}",
            revision=repo.sha,
            parts=tuple(
                RemotePart(
                    url=f"{self.elsewhere or self.hub.url}/{owner}/{name}/resolve/{repo.sha}/{file}",
                    name=file,
                    size=repo[file].content.size,
                    sha256=repo[file].knobs.told_sha256 or repo[file].content.sha256,
                )
                for file in files.split("+")
            ),
        )

    def headers(self, url: str) -> dict[str, str]:
        return {}


class Desk:
    """What tests ask of a manager, and of what it left behind."""

    def __init__(self, models: Path, hub: LoopbackHub, patience: Patience = QUICK) -> None:
        self.models = models
        self.hub = hub
        self.origins = HubOrigins(hub)
        self.patience = patience
        self.managers: list[Downloads] = []
        self.installed: list[Path] = []

    def manager(self, *, at_once: int = 3, space: Space | None = None) -> Downloads:
        async def named(path: Path) -> str:
            self.installed.append(path)
            return path.stem

        self.managers.append(
            Downloads(
                self.models,
                self.models.parent / "arrived",
                self.origins,
                at_once,
                named,
                patience=self.patience,
                space=space,
            )
        )
        return self.managers[-1]

    @property
    def last(self) -> Downloads:
        return self.managers[-1] if self.managers else self.manager()

    async def start(self, what: str) -> Download:
        return await self.last.start(StartDownload(what=what))

    async def change(self, download: Download, action: DownloadAction) -> Download:
        return await self.last.change(ChangeDownload(id=download.id, action=action))

    async def until(self, seen: Callable[[Download], bool], seconds: float = 20.0) -> Download:
        """The first download once it looks so."""
        async with asyncio.timeout(seconds):
            while not (self.last.views() and seen(self.last.views()[0])):
                await asyncio.sleep(0.005)
        return self.last.views()[0]

    async def ended(self) -> Download:
        """The first download once nothing of it runs any more."""
        view = await self.until(lambda view: not view.active)
        await self.last._jobs[view.id].ended()
        return self.last.views()[0]

    def files(self) -> dict[str, int]:
        """Everything in the models folder, with sizes; what goes while it is looked at is not there."""
        found = {}
        for path in sorted(self.models.rglob("*")):
            with suppress(FileNotFoundError):
                if path.is_file():
                    found[str(path.relative_to(self.models))] = path.stat().st_size
        return found

    def sha256(self, path: str) -> str:
        return hashlib.sha256((self.models / path).read_bytes()).hexdigest()


@pytest.fixture
async def desk(tmp_path: Path, hub: LoopbackHub):  # type: ignore[no-untyped-def]
    models = tmp_path / "models"
    models.mkdir()
    desk = Desk(models, hub)
    yield desk
    for manager in desk.managers:
        await manager.close()
