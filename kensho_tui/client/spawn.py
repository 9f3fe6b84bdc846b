"""Finding the host, and starting one where none runs. Starting a process is not an import."""

import asyncio
import itertools
import os
import time
from pathlib import Path

import msgspec

from kensho_tui import __version__
from kensho_tui.client.connection import Connection, connect
from kensho_tui.client.launch import Launched, launch_host
from kensho_tui.config.paths import Paths
from kensho_tui.core.contract import PROTOCOL
from kensho_tui.core.errors import HostBusyError, HostUnavailableError, from_code
from kensho_tui.core.frames import Welcome

START_TIMEOUT_S = 60.0
REACH_TIMEOUT_S = 20.0


async def attach(
    paths: Paths, *, front_end: bool = False, warm: bool = False, launched: Launched | None = None
) -> Connection:
    """A connection to the host of `paths`, which is started when there is none.

    `warm`: a model will be needed at once, so a new host starts a worker before anything else.
    `launched`: a host that is on its way already.
    """
    if launched is not None:
        await finish_launch(launched, paths)
    deadline = time.monotonic() + REACH_TIMEOUT_S
    for attempt in itertools.count():
        connection = await running(paths, front_end=front_end)
        if connection is not None:
            return connection
        if time.monotonic() > deadline:
            break
        # One that ends just now, or lost its socket, holds the lock for a while: a start does nothing then.
        await start_host(paths, warm=warm)
        await asyncio.sleep(min(0.05 * attempt, 1.0))
    raise HostUnavailableError(
        f"the host (process {_holder(paths).get('pid', '?')}) runs but cannot be reached",
        hint=f"See {paths.logs / 'host.log'}, or end that process and try again",
    )


async def running(paths: Paths, *, front_end: bool = False) -> Connection | None:
    """A connection to the running host, or None. An idle host of another version is replaced."""
    paths.ensure()
    for socket in dict.fromkeys((paths.socket, Path(str(_holder(paths).get("socket", paths.socket))))):
        try:
            answer = await connect(socket, front_end=front_end)
            if isinstance(answer, Connection):
                return answer
            if answer.busy:
                raise _busy(answer)
            await connect(socket, replace=True)
        except (OSError, TimeoutError):
            continue
    return None


def _holder(paths: Paths) -> dict[str, object]:
    """What the last host wrote into its lock file: its pid, and where it listens."""
    try:
        return msgspec.json.decode(paths.lock.read_bytes()[:4096], type=dict[str, object])
    except (OSError, msgspec.DecodeError):
        return {}


def _busy(welcome: Welcome) -> HostBusyError:
    return HostBusyError(
        f"a host of version {welcome.version} (protocol {welcome.protocol}) is at work, "
        f"this is {__version__} (protocol {PROTOCOL}); its answers are being kept",
        hint=f"Try again when it is done, or end process {welcome.pid}",
    )


async def start_host(paths: Paths, *, warm: bool = False) -> None:
    """Start a host and wait until it listens or says why it cannot."""
    await finish_launch(launch_host(warm=warm), paths)


async def finish_launch(launched: Launched, paths: Paths) -> None:
    """Wait for the report of a host on its way. Raises what it reports."""
    log = paths.logs / "host.log"
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            report = await _read_all(launched.report)
            await asyncio.to_thread(_reap, launched.pid)
    except TimeoutError:
        raise HostUnavailableError(
            f"the host did not answer within {START_TIMEOUT_S:.0f} s", hint=f"See {log}"
        ) from None
    _raise_report(report, log)


def _reap(pid: int) -> None:
    """The launched process ends as soon as it has forked; with SIGCHLD ignored the system reaps it."""
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        pass


async def _read_all(pipe: int) -> bytes:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(pipe, "rb", buffering=0)
    )
    try:
        return await reader.read(64 * 1024)
    finally:
        transport.close()


def _raise_report(report: bytes, log: Path) -> None:
    """The host writes one JSON object: ``{}`` when it listens (or another one does), else its error."""
    if not report:
        raise HostUnavailableError("the host ended while it started", hint=f"See {log}")
    if said := msgspec.json.decode(report, type=dict[str, str]):
        raise from_code(said["code"], said["message"], said["hint"])
