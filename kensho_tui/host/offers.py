"""What the host offers on the bus: each method, and the room that answers it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from kensho_tui.bus.board import FactBoard
from kensho_tui.bus.endpoint import Endpoint, Peer
from kensho_tui.bus.hub import StreamHub
from kensho_tui.core import contract as c
from kensho_tui.dialogue.service import Dialogue
from kensho_tui.storage.chats import Chats

# Longer prompts are pasted documents: nobody steps through them, and two hundred would not fit a frame.
HISTORY_CHARACTERS = 20_000


@dataclass(frozen=True, kw_only=True)
class Offers:
    """Handlers of the front link's methods; `register` puts them on an endpoint."""

    dialogue: Dialogue
    chats: Chats
    hub: StreamHub
    board: FactBoard
    status: Callable[[], Awaitable[c.HostStatus]]
    stop: Callable[[], None]
    abort_with: Callable[[Peer, str], None]

    def register(self, bus: Endpoint) -> None:
        bus.register(c.SUBMIT, self._submit)
        bus.register(c.RESUME, self._resume)
        bus.register(c.READ, self._read)
        bus.register(c.ABORT, self._abort)
        bus.register(c.LIST_CHATS, self._list_chats)
        bus.register(c.SHOW_CHAT, self._show_chat)
        bus.register(c.LIST_PROMPTS, self._list_prompts)
        bus.register(c.PREPARE, self._prepare)
        bus.register(c.WATCH, self._watch)
        bus.register(c.STATUS, self._status)
        bus.register(c.STOP, self._stop)

    async def _submit(self, request: c.Submit, peer: Peer) -> c.Submitted:
        async def begin() -> c.Submitted:
            submitted = await self.dialogue.submit(request)
            if request.attached:
                self.abort_with(peer, submitted.stream)
            return submitted

        return await self.dialogue.whole(begin())

    async def _resume(self, request: c.Resume, peer: Peer) -> c.Submitted:
        return await self.dialogue.whole(self.dialogue.resume(request))

    async def _read(self, request: c.Read, peer: Peer) -> c.Piece:
        return await self.hub.get(request.stream).read(request.cursor, request.wait)

    async def _abort(self, request: c.StreamRef, peer: Peer) -> c.Empty:
        await self.dialogue.abort(request.stream)
        return c.Empty()

    async def _list_chats(self, request: c.ListChats, peer: Peer) -> c.ChatList:
        return c.ChatList(await self.chats.list(request.limit))

    async def _show_chat(self, request: c.ShowChat, peer: Peer) -> c.Chat:
        return await self.dialogue.show(request.chat, request.all)

    async def _list_prompts(self, request: c.ListPrompts, peer: Peer) -> c.PromptList:
        prompts = await self.chats.prompts(request.limit)
        return c.PromptList(tuple(prompt for prompt in prompts if len(prompt) <= HISTORY_CHARACTERS))

    async def _prepare(self, request: c.Prepare, peer: Peer) -> c.Empty:
        await self.dialogue.prepare(request)
        return c.Empty()

    async def _watch(self, request: c.Watch, peer: Peer) -> c.Facts:
        return await self.board.watch(request.seen, request.wait)

    async def _status(self, request: c.Empty, peer: Peer) -> c.HostStatus:
        return await self.status()

    async def _stop(self, request: c.Stop, peer: Peer) -> c.Empty:
        asyncio.get_running_loop().call_soon(self.stop)
        return c.Empty()
