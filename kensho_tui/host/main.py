"""The life of a host: lock, socket, ready, serve, end."""

import asyncio
import contextlib
import json
import logging
import os
import signal
from collections.abc import Callable, Sequence

from kensho_tui import __version__
from kensho_tui.bus.endpoint import Endpoint
from kensho_tui.config.paths import Paths, find_paths
from kensho_tui.core.errors import KenshoError
from kensho_tui.host.lock import AlreadyRunningError, HostLock
from kensho_tui.host.logs import start_logging
from kensho_tui.host.rooms import Host
from kensho_tui.models.ahead import Spare
from kensho_tui.models.spawn import WORKER_COMMAND

log = logging.getLogger(__name__)

LOOK_S = 5.0
_told: set[int] = set()


def run(ready: int | None = None, spare: Spare | None = None, command: Sequence[str] = WORKER_COMMAND) -> int:
    """Serve until stopped or idle for the linger time. Returns the process's exit status."""
    os.umask(0o077)
    try:
        paths = find_paths().ensure()
        start_logging(paths.logs)
        with HostLock(paths.lock, paths.socket) as lock:
            log.info("host %s starts, pid %d", __version__, os.getpid())
            asyncio.run(_serve(paths, ready, spare, command, lock.say))
            log.info("host ended")
        return 0
    except AlreadyRunningError:
        _tell(ready, None)
        return 0
    except (KenshoError, OSError) as error:
        log.exception("the host cannot start")
        known = error if isinstance(error, KenshoError) else KenshoError(f"the host cannot start: {error}")
        _tell(ready, known)
        return known.exit_code
    finally:
        if spare is not None:
            spare.end()


def _tell(ready: int | None, error: KenshoError | None) -> None:
    """Report once: later the number may be another file's."""
    if ready is None or ready in _told:
        return
    _told.add(ready)
    said = {} if error is None else {"code": error.code, "message": error.message, "hint": error.hint}
    with contextlib.suppress(OSError):
        os.write(ready, json.dumps(said).encode())
        os.close(ready)


async def _serve(
    paths: Paths,
    ready: int | None,
    spare: Spare | None,
    command: Sequence[str],
    told: Callable[[str], None],
) -> None:
    host = await Host.build(paths, command, spare, told)
    try:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, host.stop)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        listener = Listener(paths, host.endpoint)
        await listener.listen()
        _tell(ready, None)
        try:
            while not await _happens(host.stopped, LOOK_S):
                await listener.listen()
        finally:
            listener.close()
    finally:
        await host.close()


async def _happens(event: asyncio.Event, seconds: float) -> bool:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


class Listener:
    """The socket clients connect to. Runtime folders are cleared at log-out: it is made again then."""

    def __init__(self, paths: Paths, endpoint: Endpoint) -> None:
        self._paths = paths
        self._endpoint = endpoint
        self._server: asyncio.Server | None = None

    async def listen(self) -> None:
        """Listen, unless our socket is where it should be."""
        path = self._paths.socket
        if self._server is not None and path.exists():
            return
        try:
            self._paths.ensure()
            # We hold the lock, so a socket that lies there is a dead host's.
            path.unlink(missing_ok=True)
            server = await asyncio.start_unix_server(self._endpoint.serve, path=str(path), backlog=64)
            path.chmod(0o600)
        except (OSError, KenshoError) as error:
            if self._server is None:
                raise
            log.warning("the socket %s is gone and cannot be made again: %s", path, error)
            return
        self.close_server()
        self._server = server

    def close_server(self) -> None:
        if self._server is not None:
            self._server.close()

    def close(self) -> None:
        self.close_server()
        self._paths.socket.unlink(missing_ok=True)
