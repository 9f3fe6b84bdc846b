"""The serving end of the front link: methods by name, and one `Peer` per connection."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import msgspec

from kensho_tui.bus.codec import FrameDecoder, encode, pack
from kensho_tui.bus.peer import same_user
from kensho_tui.bus.reading import read_payload
from kensho_tui.core.contract import READ, STATUS, WATCH, Method
from kensho_tui.core.errors import HostGoneError, KenshoError, ProtocolError, UsageError
from kensho_tui.core.frames import Call, Failure, FrontFrame, Hello, Reply, Welcome
from kensho_tui.core.tasks import start_in

log = logging.getLogger(__name__)

HELLO_TIMEOUT_S = 5.0
MAX_CALLS_PER_PEER = 64
# What is still answered while the host ends: readers see how their streams ended.
LAST_METHODS = frozenset({READ.name, WATCH.name, STATUS.name})

Req = TypeVar("Req")
Ans = TypeVar("Ans")
Handler = Callable[[Req, "Peer"], Awaitable[Ans]]


class Peer:
    """One accepted connection. `on_close` callbacks run once, when it is gone."""

    def __init__(self, writer: asyncio.StreamWriter, hello: Hello) -> None:
        self.front_end = hello.front_end
        self.calls: set[asyncio.Task[None]] = set()
        self._writer = writer
        self._gone = False
        self._on_close: list[Callable[[], object]] = []

    def on_close(self, callback: Callable[[], object]) -> None:
        """Run `callback` when the connection is gone; at once when it is gone already."""
        if self._gone:
            callback()
        else:
            self._on_close.append(callback)

    async def send(self, frame: object) -> None:
        """Write one frame; a peer that went away meanwhile is not an error here."""
        if self._writer.is_closing():
            return
        self._writer.write(encode(frame))
        try:
            await self._writer.drain()
        except ConnectionError:
            self._writer.close()

    def closed(self) -> None:
        for call in self.calls:
            call.cancel()
        self._gone = True
        callbacks, self._on_close = self._on_close, []
        for callback in callbacks:
            callback()


class _Bound(Generic[Req, Ans]):
    """A method with its handler and the decoder of its request."""

    def __init__(self, method: Method[Req, Ans], handler: Handler[Req, Ans]) -> None:
        self._decoder = msgspec.msgpack.Decoder(method.request)
        self._handler = handler

    async def __call__(self, body: msgspec.Raw, peer: Peer) -> msgspec.Raw:
        try:
            request = self._decoder.decode(body)
        except msgspec.DecodeError as error:
            raise UsageError(f"the request is not of the method's form: {error}") from None
        return pack(await self._handler(request, peer))


class Endpoint:
    """Accepts connections, greets, and answers calls side by side.

    `greet` decides about a `Hello`; a refused peer gets its `Welcome` and is closed.
    """

    def __init__(self, greet: Callable[[Hello], Welcome]) -> None:
        self._greet = greet
        self._methods: dict[str, Callable[[msgspec.Raw, Peer], Awaitable[msgspec.Raw]]] = {}
        self._decoder: FrameDecoder[FrontFrame] = FrameDecoder(FrontFrame)
        self.peers: set[Peer] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self.peers_changed: Callable[[], None] = lambda: None
        self.ending = False

    def register(self, method: Method[Req, Ans], handler: Handler[Req, Ans]) -> None:
        self._methods[method.name] = _Bound(method, handler)

    def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The callback of a listening server: takes the connection over."""
        start_in(self._serving, self._serve(reader, writer))

    async def close(self) -> None:
        """Hang up on every peer."""
        serving = list(self._serving)
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection from hello to end. Whatever arrives, only this connection can suffer."""
        peer: Peer | None = None
        try:
            if not same_user(writer.get_extra_info("socket")):
                raise ProtocolError("a process of another user")
            peer = await self._welcome(reader, writer)
            if peer is not None:
                self.peers.add(peer)
                self.peers_changed()
                await self._answer_calls(reader, peer)
        except ProtocolError as error:
            log.warning("connection closed: %s", error.message)
        finally:
            if peer is not None:
                self.peers.discard(peer)
                peer.closed()
                self.peers_changed()
            writer.close()

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Peer | None:
        try:
            async with asyncio.timeout(HELLO_TIMEOUT_S):
                payload = await read_payload(reader)
        except TimeoutError:
            raise ProtocolError("no hello in time") from None
        if payload is None:
            return None
        hello = self._decoder.decode(payload)
        if not isinstance(hello, Hello):
            raise ProtocolError("the first frame was not a hello")
        welcome = self._greet(hello)
        peer = Peer(writer, hello)
        await peer.send(welcome)
        return peer if welcome.accepted else None

    async def _answer_calls(self, reader: asyncio.StreamReader, peer: Peer) -> None:
        while (payload := await read_payload(reader)) is not None:
            frame = self._decoder.decode(payload)
            if not isinstance(frame, Call):
                raise ProtocolError("only calls may follow the hello")
            if len(peer.calls) >= MAX_CALLS_PER_PEER:
                raise ProtocolError("too many calls at once")
            start_in(peer.calls, self._answer(frame, peer))

    async def _answer(self, call: Call, peer: Peer) -> None:
        started = time.monotonic()
        try:
            if self.ending and call.method not in LAST_METHODS:
                raise HostGoneError(
                    "the host is ending; nothing was begun", hint="Ask again: a new one starts"
                )
            bound = self._methods.get(call.method)
            if bound is None:
                raise UsageError(f"this host has no method {call.method[:80]!r}")
            reply: Reply | Failure = Reply(id=call.id, body=await bound(call.body, peer))
        except KenshoError as error:
            reply = Failure(id=call.id, code=error.code, message=error.message, hint=error.hint)
        except Exception as error:
            log.exception("method %s failed, trace %s", call.method[:80], call.trace)
            reply = Failure(
                id=call.id,
                code="failed",
                message=f"an error inside the host: {type(error).__name__}: {error}",
            )
        log.debug("%s %.1f ms trace %s", call.method, (time.monotonic() - started) * 1e3, call.trace)
        try:
            await peer.send(reply)
        except ProtocolError as error:
            await peer.send(Failure(id=call.id, code=error.code, message=error.message))
