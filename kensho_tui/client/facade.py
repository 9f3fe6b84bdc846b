"""`Kensho`: what a front end may ask of the host, typed, with the connection kept up."""

import asyncio
from collections.abc import AsyncIterator, Callable

from kensho_tui.client.connection import Connection
from kensho_tui.client.launch import Launched
from kensho_tui.client.spawn import attach, running
from kensho_tui.config.paths import Paths, find_paths
from kensho_tui.core import contract as c
from kensho_tui.core.errors import HostGoneError

FOLLOW_WAIT_S = 20.0


class Kensho:
    """A front end's view of the host.

    Every method may raise a `KenshoError`. `HostGoneError` means that the line was cut: `open()` again
    (it starts a host where none is left) and go on.
    """

    def __init__(
        self,
        paths: Paths | None = None,
        *,
        front_end: bool = False,
        warm: bool = False,
        launched: Launched | None = None,
    ) -> None:
        self.paths = paths or find_paths()
        self.starting = ""
        """What keeps a host that is being started from listening, in words, where that takes long."""
        self.told: Callable[[], None] = lambda: None
        """Called whenever `starting` has changed."""
        self._front_end = front_end
        self._warm = warm
        self._launched = launched
        self._connection: Connection | None = None
        self._opening = asyncio.Lock()

    async def open(self) -> "Kensho":
        """Connect, starting the host when there is none. Does nothing while connected."""
        async with self._opening:
            if self._connection is None or not self._connection.open:
                launched, self._launched = self._launched, None
                try:
                    self._connection = await attach(
                        self.paths,
                        self._starts,
                        front_end=self._front_end,
                        warm=self._warm,
                        launched=launched,
                    )
                finally:
                    self._starts("")
        return self

    def _starts(self, doing: str) -> None:
        if doing != self.starting:
            self.starting = doing
            self.told()

    @classmethod
    async def if_running(cls, paths: Paths | None = None) -> "Kensho | None":
        """Connected to the host that runs, or None: nothing is started."""
        kensho = cls(paths)
        kensho._connection = await running(kensho.paths)
        return kensho if kensho._connection else None

    async def closed(self) -> None:
        """Returns when the host has closed the connection."""
        if self._connection is not None:
            await self._connection.closed()

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()

    async def __aenter__(self) -> "Kensho":
        return await self.open()

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    @property
    def connected(self) -> bool:
        return self._connection is not None and self._connection.open

    @property
    def differs(self) -> tuple[str, ...]:
        """Environment names whose values are not the host's."""
        return self._connection.welcome.differs if self._connection else ()

    @property
    def host_version(self) -> str:
        return self._connection.welcome.version if self._connection else ""

    async def call(self, method: c.Method[c.Request, c.Answer], request: c.Request) -> c.Answer:
        """Any method of the bus, as those of `core.model_contract`."""
        if self._connection is None:
            raise HostGoneError("not connected to the host")
        return await self._connection.call(method, request)

    async def submit(self, request: c.Submit) -> c.Submitted:
        return await self.call(c.SUBMIT, request)

    async def resume(self, message: str) -> c.Submitted:
        """Go on with an answer that is not complete."""
        return await self.call(c.RESUME, c.Resume(message=message))

    async def read(self, stream: str, cursor: int = 0, wait: float = 0.0) -> c.Piece:
        return await self.call(c.READ, c.Read(stream=stream, cursor=cursor, wait=wait))

    async def follow(self, stream: str, cursor: int = 0) -> AsyncIterator[c.Piece]:
        """Every piece of `stream` as it comes; the last one has state "ended"."""
        while True:
            piece = await self.read(stream, cursor, FOLLOW_WAIT_S)
            cursor = piece.cursor
            yield piece
            if piece.state == "ended":
                return

    async def abort(self, stream: str) -> None:
        await self.call(c.ABORT, c.StreamRef(stream))

    async def chats(self) -> tuple[c.ChatSummary, ...]:
        return (await self.call(c.LIST_CHATS, c.ListChats())).chats

    async def chat(self, chat: str | None = None, *, all_branches: bool = False) -> c.Chat:
        """The chat with this id (or unique prefix); None: the last one used."""
        return await self.call(c.SHOW_CHAT, c.ShowChat(chat=chat, all=all_branches))

    async def prompts(self) -> tuple[str, ...]:
        return (await self.call(c.LIST_PROMPTS, c.ListPrompts())).prompts

    async def prepare(self, request: c.Prepare) -> None:
        await self.call(c.PREPARE, request)

    async def models(self) -> tuple[c.ModelInfo, ...]:
        return (await self.call(c.LIST_MODELS, c.Empty())).models

    async def watch(self, seen: dict[str, int], wait: float) -> dict[str, c.Fact]:
        return (await self.call(c.WATCH, c.Watch(seen=seen, wait=wait))).facts

    async def status(self) -> c.HostStatus:
        return await self.call(c.STATUS, c.Empty())

    async def stop_host(self) -> None:
        await self.call(c.STOP, c.Stop())
