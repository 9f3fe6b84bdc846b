"""A host that only knows of downloads: a test says how they go. The bus is the real one."""

import asyncio
import os
from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from kensho_tui import __version__
from kensho_tui.bus.board import FactBoard
from kensho_tui.bus.endpoint import Endpoint, Peer
from kensho_tui.config.paths import Paths
from kensho_tui.core import contract as c
from kensho_tui.core import hub_contract as h
from kensho_tui.core.frames import Hello, Welcome

MIB = 1 << 20
NAME = "Qwen3-4B-Q4_K_M"
START = h.Download(
    id="0123456789ab", model=NAME, origin="Qwen/Qwen3-4B-GGUF", state="running", done=0, total=100 * MIB
)


class DownloadsHost:
    """``starting`` makes the reply to each StartDownload, ``pausing`` that to a change; ``started`` and
    ``changed`` are what was asked for.
    """

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._board = FactBoard()
        self._server: asyncio.Server | None = None
        self._bus = self._endpoint()
        self.differs: tuple[str, ...] = ()
        self.notices: tuple[str, ...] = ()
        self.downloads: dict[str, h.Download] = {}
        self.starting: Callable[[h.StartDownload], Awaitable[h.Download]] = self._start
        self.started: list[h.StartDownload] = []
        self.changed: list[h.ChangeDownload] = []
        self.pausing: Callable[[], h.Download] | None = None
        self.looked = 0
        """How often the facts were asked for."""

    async def __aenter__(self) -> "DownloadsHost":
        self._server = await asyncio.start_unix_server(self._serve, path=str(self._paths.socket))
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._bus.close()

    async def die(self) -> None:
        """Hang up on everybody, and know nothing of facts any more: the next one connects to another host."""
        old, self._board, self._bus = self._bus, FactBoard(), self._endpoint()
        await old.close()

    def put(self, download: h.Download) -> None:
        self.downloads[download.id] = download
        self.tell()

    def tell(self) -> None:
        self._board.post(h.TOPIC_DOWNLOADS, h.Downloads(tuple(self.downloads.values())))

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.01)

    async def watched(self) -> None:
        """Returns when somebody has seen all that was told until now."""
        seen = self.looked
        await self.until(lambda: self.looked > seen + 1)

    def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._bus.serve(reader, writer)

    def _endpoint(self) -> Endpoint:
        bus = Endpoint(self._greet)
        bus.register(c.STATUS, self._status)
        bus.register(c.WATCH, self._watch)
        bus.register(h.START_DOWNLOAD, self._begin)
        bus.register(h.CHANGE_DOWNLOAD, self._change)
        bus.register(h.LIST_DOWNLOADS, self._list)
        return bus

    def _greet(self, hello: Hello) -> Welcome:
        return Welcome(
            accepted=True,
            protocol=c.PROTOCOL,
            version=__version__,
            pid=os.getpid(),
            busy=False,
            differs=self.differs,
        )

    async def _status(self, request: c.Empty, peer: Peer) -> c.HostStatus:
        return c.HostStatus(
            running=True, pid=os.getpid(), version=__version__, front_ends=0, streams=0,
            downloads=sum(one.active for one in self.downloads.values()), workers=(), notices=self.notices,
        )  # fmt: skip

    async def _watch(self, request: c.Watch, peer: Peer) -> c.Facts:
        self.looked += 1
        return await self._board.watch(request.seen, min(request.wait, 0.2))

    async def _list(self, request: c.Empty, peer: Peer) -> h.Downloads:
        return h.Downloads(tuple(self.downloads.values()))

    async def _begin(self, request: h.StartDownload, peer: Peer) -> h.Download:
        self.started.append(request)
        return await self.starting(request)

    async def _start(self, request: h.StartDownload) -> h.Download:
        before = self.downloads.get(START.id, START)
        self.put(before if before.active else replace(before, state="running"))
        return self.downloads[START.id]

    async def _change(self, request: h.ChangeDownload, peer: Peer) -> h.Download:
        self.changed.append(request)
        if self.pausing is not None:
            return self.pausing()
        self.put(replace(self.downloads[request.id], state="paused"))
        return self.downloads[request.id]
