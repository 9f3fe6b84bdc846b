"""A worker as a real process, spoken to over its socket."""

import socket
import subprocess
import sys
import threading
from collections import deque
from pathlib import Path
from typing import Any

from kensho_tui.bus.codec import HEADER, FrameDecoder, encode, payload_size
from kensho_tui.core.contract import Sampling
from kensho_tui.core.frames import (
    Chunk,
    End,
    Error,
    FromWorker,
    Generate,
    Load,
    Loaded,
    Save,
    Saved,
    Turn,
)  # fmt: skip

GREEDY = Sampling(temperature=0.0, max_tokens=24)


class WorkerProcess:
    """Starts a worker and reads its frames as they are asked for."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self.sock = ours
        self.sock.settimeout(60)
        command = [sys.executable, "-P", "-m", "kensho_tui.worker", "--fd", str(theirs.fileno())]
        self.process = subprocess.Popen(
            command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        theirs.close()
        self.stderr: deque[bytes] = deque(maxlen=200)
        self._drain = threading.Thread(target=self._read_stderr)
        self._drain.start()
        self._decoder: FrameDecoder[FromWorker] = FrameDecoder(FromWorker)
        self._generations = 0

    def _read_stderr(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as pipe:
            self.stderr.extend(pipe)

    def send(self, frame: object) -> None:
        self.sock.sendall(encode(frame))

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self.sock.recv(size - len(data))
            if not part:
                raise EOFError("the worker closed its socket")
            data += part
        return data

    def next(self) -> FromWorker:
        return self._decoder.decode(self._exactly(payload_size(self._exactly(HEADER.size))))

    def until(self, *kinds: type, seen: list[FromWorker] | None = None) -> Any:
        """The next frame of `kinds`; those before it go into `seen`."""
        while not isinstance(frame := self.next(), kinds):
            if seen is not None:
                seen.append(frame)
        return frame

    def load(self, path: Path | str, **options: Any) -> Loaded:
        self.send(Load(path=str(path), **options))
        frame = self.until(Loaded, Error)
        assert isinstance(frame, Loaded), frame
        return frame

    def start(self, turns: Any, sampling: Sampling = GREEDY, prefix: str = "", **saved: str) -> str:
        """Begin a generation; `saved` are the ``restore`` and ``key`` of a saved cache."""
        self._generations += 1
        name = f"g{self._generations}"
        if isinstance(turns, str):
            turns = [("user", turns)]
        frame = Generate(
            id=name, turns=tuple(Turn(*turn) for turn in turns), sampling=sampling, prefix=prefix, **saved
        )
        self.send(frame)
        return name

    def finish(self, name: str) -> tuple[str, End]:
        """Text and end of generation `name`; sequence numbers and ids are checked."""
        text, count = "", 0
        while True:
            frame = self.until(Chunk, End, Error, seen=None)
            assert frame.id == name
            assert not isinstance(frame, Error), frame
            if isinstance(frame, End):
                assert frame.sequence == count
                return text, frame
            assert frame.sequence == count
            text, count = text + frame.text, count + 1

    def ask(self, turns: Any, sampling: Sampling = GREEDY, prefix: str = "", **saved: str) -> tuple[str, End]:
        return self.finish(self.start(turns, sampling, prefix, **saved))

    def save(self, path: Path, key: str = "key", **options: Any) -> Saved | Error:
        self.send(Save(path=str(path), key=key, **options))
        frame: Saved | Error = self.until(Saved, Error)
        return frame

    def fail(self, turns: Any, sampling: Sampling = GREEDY, prefix: str = "") -> Error:
        name = self.start(turns, sampling, prefix)
        frame = self.until(Error, End)
        assert isinstance(frame, Error)
        assert frame.id == name
        return frame

    def wait(self) -> int:
        """The exit code, once it ended by itself."""
        return self.process.wait(timeout=20)

    def close(self) -> None:
        self.sock.close()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self._drain.join()
