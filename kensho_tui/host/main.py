"""The life of a host: lock, socket, ready, serve, end."""

import asyncio
import contextlib
import json
import logging
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

from kensho_tui import __version__
from kensho_tui.config.paths import Paths, find_paths
from kensho_tui.core.errors import KenshoError
from kensho_tui.host.lock import AlreadyRunningError, HostLock
from kensho_tui.host.logs import start_logging
from kensho_tui.host.rooms import Host
from kensho_tui.models.ahead import Spare
from kensho_tui.models.spawn import WORKER_COMMAND

log = logging.getLogger(__name__)


def run(ready: int | None = None, spare: Spare | None = None, command: Sequence[str] = WORKER_COMMAND) -> int:
    """Serve until stopped or idle for the linger time. Returns the process's exit status."""
    os.umask(0o077)
    try:
        paths = find_paths().ensure()
        start_logging(paths.logs)
        with HostLock(paths.lock):
            log.info("host %s starts, pid %d", __version__, os.getpid())
            asyncio.run(_serve(paths, ready, spare, command))
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
    if ready is None:
        return
    said = {} if error is None else {"code": error.code, "message": error.message, "hint": error.hint}
    with contextlib.suppress(OSError):
        os.write(ready, json.dumps(said).encode())
        os.close(ready)


async def _serve(paths: Paths, ready: int | None, spare: Spare | None, command: Sequence[str]) -> None:
    host = await Host.build(paths, command, spare)
    try:
        with _socket_path(paths.socket) as path:
            server = await asyncio.start_unix_server(host.endpoint.serve, path=path, backlog=64)
            os.chmod(path, 0o600)  # noqa: PTH101 - a local call on a path of ours
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, host.stop)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            _tell(ready, None)
            await host.stopped.wait()
            server.close()
    finally:
        await host.close()


@contextlib.contextmanager
def _socket_path(path: Path) -> Iterator[str]:
    """A free path: we hold the lock, so a socket that lies there is a dead host's."""
    path.unlink(missing_ok=True)
    try:
        yield str(path)
    finally:
        path.unlink(missing_ok=True)
