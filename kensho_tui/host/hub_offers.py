"""What the host offers on the bus about the hub and downloads."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from msgspec.structs import replace

from kensho_tui.bus.board import FactBoard
from kensho_tui.bus.endpoint import Endpoint, Peer
from kensho_tui.core import contract as c
from kensho_tui.core import hub_contract as h
from kensho_tui.host.model_rooms import ModelRooms

POST_DELAY_S = 0.05


@dataclass(kw_only=True)
class HubOffers:
    """Handlers of the methods in `core.hub_contract`, and its topic.

    ``changed`` is called when the number of downloads under way is another one.
    """

    rooms: ModelRooms
    board: FactBoard
    changed: Callable[[], None]
    _active: int = 0
    _timer: asyncio.TimerHandle | None = field(default=None)

    def register(self, bus: Endpoint) -> None:
        self.rooms.downloads_changed = self._tell
        bus.register(h.SEARCH_HUB, self._search)
        bus.register(h.HUB_FILES, self._files)
        bus.register(h.HUB_DETAILS, self._details)
        bus.register(h.START_DOWNLOAD, self._start)
        bus.register(h.CHANGE_DOWNLOAD, self._change)
        bus.register(h.LIST_DOWNLOADS, self._list)

    def _tell(self) -> None:
        """Many changes are posted as one."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(POST_DELAY_S, self._post)

    def _post(self) -> None:
        self._timer = None
        downloads = self.rooms.downloads
        self.board.post(h.TOPIC_DOWNLOADS, h.Downloads(downloads.views()))
        if downloads.active != self._active:
            self._active = downloads.active
            self.changed()

    async def _search(self, request: h.SearchHub, peer: Peer) -> h.HubRepos:
        return await self.rooms.hub.search(request)

    async def _files(self, request: h.RepoRef, peer: Peer) -> h.HubFiles:
        found = await self.rooms.hub.files(request.repo, request.revision)
        files = tuple(self._with_download(found.repo.repo, file) for file in found.files)
        return replace(found, files=files)

    async def _details(self, request: h.HubFileRef, peer: Peer) -> h.HubDetails:
        found = await self.rooms.hub.details(request.repo, request.file, request.revision)
        return replace(found, file=self._with_download(request.repo, found.file))

    def _with_download(self, repo: str, file: h.HubFile) -> h.HubFile:
        download = self.rooms.downloads.of(repo, file.name)
        return replace(file, download=download) if download else file

    async def _start(self, request: h.StartDownload, peer: Peer) -> h.Download:
        return await self.rooms.downloads.start(request)

    async def _change(self, request: h.ChangeDownload, peer: Peer) -> h.Download:
        return await self.rooms.downloads.change(request)

    async def _list(self, request: c.Empty, peer: Peer) -> h.Downloads:
        await self.rooms.downloads.open()
        return h.Downloads(self.rooms.downloads.views())
