"""The worker's end of its socket: frames out of any thread, frames in for one.

Writing never waits for the sake of text that is not final: `try_send` gives up when the pipe is full, and
the caller sends more the next time.
"""

import socket
import threading

from kensho_tui.bus.codec import HEADER, FrameDecoder, encode, payload_size
from kensho_tui.core.errors import ProtocolError
from kensho_tui.core.frames import FromWorker, ToWorker


class Link:
    """Frames over a connected stream socket. Writes are locked; only one thread may receive."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(True)
        self._sock = sock
        self._lock = threading.Lock()
        self._rest = b""  # of a frame that the pipe took in part
        self._decoder: FrameDecoder[ToWorker] = FrameDecoder(ToWorker)

    def fileno(self) -> int:
        return self._sock.fileno()

    def send(self, frame: FromWorker) -> None:
        """Write `frame` whole, waiting as long as that takes. Raises `OSError` when the host is gone."""
        data = encode(frame)
        with self._lock:
            data, self._rest = self._rest + data, b""
            self._sock.sendall(data)

    def try_send(self, frame: FromWorker) -> bool:
        """Write `frame` unless that would wait; False when nothing of it was taken."""
        if not self._lock.acquire(blocking=False):
            return False
        try:
            if self._rest:
                self._rest = self._rest[self._push(self._rest) :]
                if self._rest:
                    return False
            data = encode(frame)
            taken = self._push(data)
            if taken == 0:
                return False
            self._rest = data[taken:]
            return True
        finally:
            self._lock.release()

    def _push(self, data: bytes) -> int:
        try:
            return self._sock.send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0

    def receive(self) -> ToWorker | None:
        """The next frame, or None when the host closed. Raises `ProtocolError` for what is not a frame."""
        header = self._exactly(HEADER.size, at_start=True)
        if header is None:
            return None
        payload = self._exactly(payload_size(header))
        return None if payload is None else self._decoder.decode(payload)

    def _exactly(self, size: int, at_start: bool = False) -> bytes | None:
        data = bytearray()
        while len(data) < size:
            try:
                part = self._sock.recv(min(size - len(data), 1 << 20))
            except ConnectionError:
                return None
            if not part:
                if data or not at_start:
                    raise ProtocolError("the connection ended inside a frame")
                return None
            data += part
        return bytes(data)
