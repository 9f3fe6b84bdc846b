"""One question to a hub as both sides see it: the loop that waits, and the thread that speaks to the hub."""

import contextlib
import socket
import threading
from typing import Any

from kensho_tui.core.errors import HubError


class Watch:
    """One request, or several in a row: for whom it is, how much may come, and how to end it.

    ``origin`` is the hub's scheme and host: a token goes nowhere else. ``most``: bytes of a reply.
    """

    def __init__(self, origin: str, most: int) -> None:
        self.origin = origin
        self.most = most
        self._ended = threading.Event()
        self._line: socket.socket | None = None

    def end(self) -> None:
        """The thread's requests fail soon."""
        self._ended.set()
        line = self._line
        if line is not None:
            with contextlib.suppress(OSError):
                # The descriptor and not the TLS object over it, which is not made to be closed from here.
                socket.socket.shutdown(line, socket.SHUT_RDWR)

    def check(self) -> None:
        """Raises `HubError` when nobody waits any more."""
        if self._ended.is_set():
            raise HubError("nobody waits for this any more")

    def pause(self, seconds: float) -> None:
        self._ended.wait(seconds)
        self.check()

    def trace(self, event: str, info: dict[str, Any]) -> None:
        """httpcore's extension "trace": the only way to a connection before its answer begins."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._line = info["return_value"].get_extra_info("socket")
            self.check()
