"""Questions to drivers of GPUs, which may never be answered."""

import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")

LATE_S = 2.0
"""A question that is open for longer is one to a driver that hangs."""


class Drivers:
    """Asks one question at a time, each in a daemon thread, which nobody has to wait for."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._late = math.inf

    def ask(self, question: Callable[[], T]) -> T | None:
        """The answer; None where the question, or the one before it, is late. While one hangs that is so at
        once.
        """
        if not self._turn.acquire(timeout=max(min(self._late - time.monotonic(), LATE_S), 0.0)):
            return None
        self._late = time.monotonic() + LATE_S
        answer: Future[T] = Future()

        def run() -> None:
            try:
                answer.set_result(question())
            except BaseException as error:
                answer.set_exception(error)
            finally:
                self._release()

        try:
            threading.Thread(target=run, name="a question to drivers", daemon=True).start()
        except RuntimeError:  # the system has no more threads
            self._release()
            return None
        try:
            return answer.result(LATE_S)
        except TimeoutError:
            return None

    def _release(self) -> None:
        self._late = math.inf
        self._turn.release()


drivers = Drivers()
"""Those of this machine."""
