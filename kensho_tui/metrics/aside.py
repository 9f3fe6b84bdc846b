"""Blocking work off the event loop that may never come back."""

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")


class Aside(Generic[T]):
    """One piece of work at a time, in a daemon thread of its own.

    The loop's own threads would not do: one that hangs in a driver takes a place of theirs for good, and they
    are waited for at the end of the process.
    """

    def __init__(self, name: str) -> None:
        self.busy = False
        self._name = name

    def start(self, work: Callable[[], T], done: Callable[[T | None], None]) -> bool:
        """Begin, unless the last one goes on or there is no thread to be had; whether it began.

        `done` gets the result on the loop, None after an error.
        """
        if self.busy:
            return False
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

        try:
            threading.Thread(target=run, name=self._name, daemon=True).start()
        except RuntimeError as error:  # the system has no more threads: maybe it has a second later
            log.warning("%s: %s", self._name, error)
            return False
        self.busy = True
        return True
