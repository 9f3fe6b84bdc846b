"""One connection to the host: calls side by side, each with its own reply."""

import asyncio
import itertools
import os
from pathlib import Path
from typing import TypeVar

import msgspec

from kensho_tui import __version__
from kensho_tui.bus.codec import FrameDecoder, encode, pack
from kensho_tui.bus.peer import same_user
from kensho_tui.bus.reading import read_payload
from kensho_tui.config.environment import digests
from kensho_tui.core.contract import PROTOCOL, Method
from kensho_tui.core.errors import HostGoneError, KenshoError, ProtocolError, from_code
from kensho_tui.core.frames import Call, Failure, FrontFrame, Hello, Reply, Welcome

Req = TypeVar("Req")
Ans = TypeVar("Ans")

HELLO_TIMEOUT_S = 10.0


def _gone() -> HostGoneError:
    return HostGoneError(
        "the connection to the host was lost; everything it had saved is kept", hint="It is started again"
    )


class Connection:
    """An open, greeted connection. Made by `connect`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, welcome: Welcome) -> None:
        self.welcome = welcome
        self._writer = writer
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[msgspec.Raw]] = {}
        self._decoder: FrameDecoder[FrontFrame] = FrameDecoder(FrontFrame)
        self._broken = False
        self._trace = os.urandom(4).hex()
        self._receiver = asyncio.create_task(self._receive(reader))

    @property
    def open(self) -> bool:
        return not self._broken and not self._receiver.done()

    async def call(self, method: Method[Req, Ans], request: Req) -> Ans:
        """The host's reply, or the `KenshoError` it sent; `HostGoneError` when the line is cut."""
        if not self.open:
            raise _gone()
        number = next(self._ids)
        reply: asyncio.Future[msgspec.Raw] = asyncio.get_running_loop().create_future()
        self._waiting[number] = reply
        trace = f"{self._trace}-{number}"
        try:
            call = Call(id=number, method=method.name, body=pack(request), trace=trace)
            self._writer.write(encode(call))
            await self._writer.drain()
            body = await reply
        except ConnectionError:
            # A write may fail before the receiver has seen the end.
            self._broken = True
            raise _gone() from None
        finally:
            self._waiting.pop(number, None)
        try:
            return msgspec.msgpack.decode(body, type=method.answer)
        except msgspec.DecodeError as error:
            raise ProtocolError(f"the host's reply could not be understood: {error}") from None

    async def _receive(self, reader: asyncio.StreamReader) -> None:
        try:
            while (payload := await read_payload(reader)) is not None:
                self._deliver(self._decoder.decode(payload))
        except (ProtocolError, OSError):
            pass
        finally:
            self._writer.close()
            for waiter in self._waiting.values():
                if not waiter.done():
                    waiter.set_exception(_gone())

    def _deliver(self, frame: FrontFrame) -> None:
        if not isinstance(frame, Reply | Failure):
            raise ProtocolError("the host sent a frame that is no reply")
        waiter = self._waiting.get(frame.id)
        if waiter is None or waiter.done():
            return
        if isinstance(frame, Reply):
            waiter.set_result(frame.body)
        else:
            waiter.set_exception(from_code(frame.code, frame.message, frame.hint))

    async def closed(self) -> None:
        """Returns when the other end is gone."""
        await asyncio.wait([self._receiver])

    async def close(self) -> None:
        self._receiver.cancel()
        self._writer.close()
        try:
            await self._receiver
        except (asyncio.CancelledError, KenshoError):
            pass


async def connect(socket: Path, *, front_end: bool = False, replace: bool = False) -> Connection | Welcome:
    """Connect and greet. A host that refuses answers with its `Welcome` instead of a connection.

    Raises OSError (nobody listens) or `ProtocolError` (somebody else does).
    """
    reader, writer = await asyncio.open_unix_connection(str(socket))
    hello = Hello(
        protocol=PROTOCOL,
        version=__version__,
        environment=digests(),
        front_end=front_end,
        replace=replace,
    )
    decoder: FrameDecoder[FrontFrame] = FrameDecoder(FrontFrame)
    try:
        if not same_user(writer.get_extra_info("socket")):
            raise ProtocolError(f"the host at {socket} belongs to another user")
        writer.write(encode(hello))
        async with asyncio.timeout(HELLO_TIMEOUT_S):
            payload = await read_payload(reader)
        if payload is None:
            raise ConnectionResetError("the host closed the connection")
        welcome = decoder.decode(payload)
        if not isinstance(welcome, Welcome):
            raise ProtocolError("the host did not answer the hello")
    except BaseException:
        writer.close()
        raise
    if not welcome.accepted:
        writer.close()
        return welcome
    return Connection(reader, writer, welcome)
