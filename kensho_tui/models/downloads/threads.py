"""Work in a thread of its own: it may wait long for a server, and must hold up neither others nor the end."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")
F = TypeVar("F", bound="asyncio.Future[Any]")


def in_thread(work: Callable[[], T]) -> "asyncio.Future[T]":
    """The result of `work`, run in a daemon thread. Cancelling does not end the thread."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def tell(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, failed = None, None
        try:
            result = work()
        except BaseException as error:  # whoever waits gets it
            failed = error
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(tell, result, failed)

    threading.Thread(target=run, daemon=True, name="download").start()
    return future


class UnderWay:
    """Tasks and threads of one download. Who waits for one may be cancelled: it counts until its own end."""

    def __init__(self) -> None:
        self._all: set[asyncio.Future[Any]] = set()

    def add(self, work: F) -> F:
        self._all.add(work)
        work.add_done_callback(self._over)
        return work

    def _over(self, work: "asyncio.Future[Any]") -> None:
        self._all.discard(work)
        if not work.cancelled():
            work.exception()  # perhaps nobody waits for it any more

    def now(self) -> "frozenset[asyncio.Future[Any]]":
        return frozenset(self._all)

    async def thread(self, work: Callable[[], T]) -> T:
        """The result of `work`, run in a daemon thread."""
        return await asyncio.shield(self.add(in_thread(work)))

    async def whole(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`, which goes on although the caller is cancelled."""
        return await asyncio.shield(self.add(asyncio.create_task(work)))

    async def ended(self) -> None:
        """Returns when nothing is under way; not for one of the tasks themselves."""
        while self._all:
            await asyncio.wait(self._all)
