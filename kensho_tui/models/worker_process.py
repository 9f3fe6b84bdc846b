"""One worker process as the host sees it: frames in, frames out, its last words, and its end."""

import asyncio
import contextlib
import logging
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable

from kensho_tui.bus.codec import FrameDecoder, encode
from kensho_tui.bus.reading import read_payload
from kensho_tui.core.errors import ProtocolError, WorkerDiedError
from kensho_tui.core.frames import Close, FromWorker, ToWorker
from kensho_tui.models.reasons import explain_exit
from kensho_tui.models.spawn import Spawned

log = logging.getLogger(__name__)
output_log = logging.getLogger("kensho_tui.worker_output")

TAIL_LINES = 60
CLOSE_S, TERM_S = 2.0, 3.0


class WorkerProcess:
    """Adopts a spawned worker. `on_frame` gets every frame in order; `on_end` runs once."""

    def __init__(self, spawned: Spawned) -> None:
        self.pid = spawned.process.pid
        self.started = time.monotonic()
        self.last_sign = self.started
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self.ended = asyncio.Event()
        self.on_frame: Callable[[FromWorker], None] = lambda frame: None
        self.on_end: Callable[[], None] = lambda: None
        self._process = spawned.process
        self._link = spawned.link
        self._writer: asyncio.StreamWriter | None = None
        self._decoder: FrameDecoder[FromWorker] = FrameDecoder(FromWorker)
        self._opened = asyncio.Event()
        self._returncode: int | None = None
        self._task = asyncio.create_task(self._run())

    async def send(self, frame: ToWorker) -> None:
        """Raises `WorkerDiedError` when the worker is gone."""
        await self._opened.wait()
        if self.ended.is_set() or self._writer is None or self._writer.is_closing():
            raise await self._known_death()
        self._writer.write(encode(frame))
        try:
            await self._writer.drain()
        except ConnectionError:
            raise await self._known_death() from None

    async def _known_death(self) -> WorkerDiedError:
        """The link breaks a moment before the exit status is known."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self.ended.wait()
        return self.death()

    def death(self) -> WorkerDiedError:
        """Why the worker ended, as an error for whoever was waiting for it."""
        reason, hint = explain_exit(self._returncode, list(self.tail))
        return WorkerDiedError(f"the model's worker ended: {reason}", hint=hint)

    async def close(self) -> None:
        """End the worker: ask, then SIGTERM, then SIGKILL. Its memory is really free when this returns."""
        if not self.ended.is_set():
            try:
                async with asyncio.timeout(CLOSE_S):
                    await self.send(Close())
                    await self.ended.wait()
            except (TimeoutError, WorkerDiedError):
                pass
        await self._kill_ladder()
        # Whoever waits here may be cancelled; that the process is reaped may not.
        await asyncio.shield(self._task)

    def kill(self) -> None:
        """SIGKILL, now."""
        if self._process.poll() is None:
            self._process.kill()

    async def _kill_ladder(self) -> None:
        if self.ended.is_set() or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(TERM_S):
                await self.ended.wait()
        except TimeoutError:
            self.kill()
            await self.ended.wait()

    async def _run(self) -> None:
        drain = threading.Thread(target=self._drain_output, name=f"worker-{self.pid}-output", daemon=True)
        drain.start()
        reader, self._writer = await asyncio.open_connection(sock=self._link)
        self._opened.set()
        try:
            await self._receive(reader)
        finally:
            self._writer.close()
            self._returncode = await asyncio.to_thread(self._reap)
            await asyncio.to_thread(drain.join, 1.0)
            log.info("worker %d ended with status %s", self.pid, self._returncode)
            self.ended.set()
            self.on_end()

    async def _receive(self, reader: asyncio.StreamReader) -> None:
        try:
            while (payload := await read_payload(reader)) is not None:
                self.last_sign = time.monotonic()
                self.on_frame(self._decoder.decode(payload))
        except ProtocolError as error:
            log.error("worker %d is ended: %s", self.pid, error.message)
            self.tail.append(f"error: {error.message}")
            self.kill()

    def _reap(self) -> int:
        """The link is closed, so the process is ending; one that hangs in a driver is killed."""
        try:
            return self._process.wait(CLOSE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _drain_output(self) -> None:
        """Always read what llama.cpp prints: a full pipe would block it in the middle of a token."""
        output = self._process.stdout
        if output is None:
            return
        with output:
            for raw in output:
                line = raw[:2000].decode("utf-8", "replace").rstrip()
                if line:
                    self.tail.append(line)
                    output_log.info("%d %s", self.pid, line)
