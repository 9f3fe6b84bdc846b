"""The real rooms for hub and downloads against the loopback hub, and what must hold whatever happens."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from kensho_tui.core.errors import KenshoError
from kensho_tui.core.hub_contract import ChangeDownload, Download, DownloadAction, StartDownload
from kensho_tui.models.downloads.manager import Downloads
from kensho_tui.models.downloads.origins import AllOrigins
from kensho_tui.models.downloads.patience import Patience
from kensho_tui.models.hub.hub import Hub
from kensho_tui.models.sources import Elsewhere
from tests.models.stage import Stage, stage
from tests.support.loopback_content import Content
from tests.support.loopback_hub import MIB, Generated, LoopbackHub
from tests.support.loopback_repos import File

REPO, NAME = "owner/tiny-GGUF", "tiny-Q4_K_M.gguf"
WHAT = f"{REPO}/{NAME}"
SIZE = 3 * MIB
QUICK = Patience(
    first_s=0.01, most_s=0.02, stall_s=0.3, connect_s=2.0, give_up_s=1.0, asked_most_s=5.0, fruitless=4
)


class Rig:
    """The real rooms for hub and downloads on a home of their own, and the loopback hub with one file."""

    def __init__(self, here: Stage, hub: LoopbackHub) -> None:
        self.models = here.paths.models
        self.history = here.paths.data / "arrived"
        self.root = here.paths.config.parent
        self.hub = hub
        self.rooms = Hub(here.library, here.fitting)
        self.origins = AllOrigins(lambda: self.rooms, self.models, Elsewhere())
        self.file: File = hub.add(REPO, {NAME: Generated(SIZE)})[NAME]
        self.installed: list[Path] = []
        self.managers = [self.manager()]
        self.before = self.outside()

    @property
    def downloads(self) -> Downloads:
        return self.managers[-1]

    def manager(self) -> Downloads:
        return Downloads(self.models, self.history, self.origins, 3, self._name, QUICK)

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

    async def fetch(self, what: str = WHAT) -> Download | KenshoError:
        """Start it, and wait until it goes on by itself no longer. An error: it was not even begun."""
        try:
            first = await self.start(what)
        except KenshoError as error:
            return error
        return await self.until(lambda seen: not seen.active) if first.active else first

    async def again(self, action: DownloadAction = "resume") -> Download:
        return await self.downloads.change(ChangeDownload(id=self.downloads.views()[0].id, action=action))

    async def ended(self) -> Download:
        return await self.until(lambda seen: not seen.active)

    def outside(self) -> dict[Path, int]:
        """Files that are not in the models folder, with their sizes; but for notes of what has arrived."""
        ours = (self.models, self.history)
        every = (path for path in self.root.rglob("*") if not any(map(path.is_relative_to, ours)))
        return {path: path.stat().st_size for path in every if path.is_file() and ".db" not in path.name}

    def consistent(self) -> None:
        """What a scan of the models folder would list is installed, and nothing lies outside."""
        assert self.outside() == self.before
        for path in self.listed():
            assert sha256(path) in self.known(), path

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

    def right(self, seen: Download | KenshoError, content: Content | None = None) -> None:
        """It is here, whole, and nothing else is."""
        assert isinstance(seen, Download), seen
        assert (seen.state, seen.error) == ("done", ""), seen
        content = content or self.file.content
        assert Path(seen.path).stat().st_size == content.size == seen.done
        assert sha256(Path(seen.path)) == content.sha256
        assert self.installed == [Path(seen.path)]
        assert self.left() == []
        assert self.listed() == [Path(seen.path)]

    def refused(self, seen: Download | KenshoError, *codes: str) -> None:
        """It failed clearly and nothing is listed."""
        if isinstance(seen, KenshoError):
            code, error, hint = seen.code, seen.message, seen.hint
        else:
            assert seen.state == "failed", seen
            code, error, hint = seen.code, seen.error, seen.hint
        assert code in codes, (code, error)
        assert hint and error.isprintable() and len(error) < 400, (error, hint)
        assert self.listed() == [] and self.installed == []

    def sound(self, seen: Download | KenshoError, *codes: str) -> bool:
        """The right bytes, or a clear error; which of them."""
        done = isinstance(seen, Download) and seen.state == "done"
        self.right(seen) if done else self.refused(seen, *codes)
        return done


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@asynccontextmanager
async def rigged(root: Path, hub: LoopbackHub) -> AsyncIterator[Rig]:
    async with stage(root) as here:
        rig = Rig(here, hub)
        await rig.downloads.open()
        yield rig
        for manager in rig.managers:
            await manager.close()
        rig.consistent()
