"""Blocking work off the event loop that may never come back."""

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")


class Aside(Generic[T]):
    """One piece of work at a time, in a daemon thread that lasts until `rest`.

    The loop's own threads would not do: one that hangs in a driver takes a place of theirs for good, and they
    are waited for at the end of the process. A thread for each piece would cost more than most of the work.
    """

    def __init__(self, name: str) -> None:
        self.busy = False
        self._name = name
        self._work: SimpleQueue[Callable[[], None] | None] | None = None

    def start(self, work: Callable[[], T], done: Callable[[T | None], None]) -> bool:
        """Begin, unless the last one goes on or there is no thread to be had; whether it began.

        `done` gets the result on the loop, None after an error.
        """
        if self.busy or (queue := self._queue()) is None:
            return False
        self.busy = True
        loop = asyncio.get_running_loop()

        def finished(result: T | None) -> None:
            self.busy = False
            done(result)

        def run() -> None:
            result: T | None = None
            try:
                result = work()
            except Exception:
                log.exception("%s failed", self._name)
            with suppress(RuntimeError):  # the loop is closed: nobody wants it any more
                loop.call_soon_threadsafe(finished, result)

        queue.put(run)
        return True

    def rest(self) -> None:
        """Let the thread go, once it is done."""
        if self._work is not None:
            self._work.put(None)
            self._work = None

    def _queue(self) -> "SimpleQueue[Callable[[], None] | None] | None":
        """Where the thread looks for work; None: there is no thread to be had."""
        if self._work is not None:
            return self._work
        work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

        def serve() -> None:
            while (run := work.get()) is not None:
                run()

        try:
            threading.Thread(target=serve, name=self._name, daemon=True).start()
        except RuntimeError as error:  # the system has no more threads: maybe it has a second later
            log.warning("%s: %s", self._name, error)
            return None
        self._work = work
        return work
