"""A connection that one thread reads from, and any other may end at any moment."""

import contextlib
import socket
import threading
from typing import Any


class Line:
    """One request after another. Hand `trace` to httpx2 as the extension "trace"."""

    def __init__(self) -> None:
        self._cut = threading.Event()
        self._socket: socket.socket | None = None

    def cut(self) -> None:
        """What waits for this connection, now or later, fails at once."""
        self._cut.set()
        connected = self._socket
        if connected is not None:
            with contextlib.suppress(OSError):
                # The descriptor and not the TLS object over it, which is not made to be closed from here.
                socket.socket.shutdown(connected, socket.SHUT_RDWR)

    def is_cut(self) -> bool:
        return self._cut.is_set()

    def wait(self, seconds: float) -> None:
        """Returns after so long, or when it is cut."""
        self._cut.wait(seconds)

    def trace(self, event: str, info: dict[str, Any]) -> None:
        """httpcore tells of its steps: the only way to a connection before its answer begins."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._socket = info["return_value"].get_extra_info("socket")
            if self.is_cut():
                self.cut()
