"""Finding the host, and starting one where none runs. Starting a process is not an import."""

import asyncio
import itertools
import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from kensho_tui import __version__
from kensho_tui.client.connection import Connection, connect
from kensho_tui.client.launch import Launched, launch_host
from kensho_tui.config.paths import Paths
from kensho_tui.core.contract import PROTOCOL
from kensho_tui.core.errors import HostBusyError, HostUnavailableError, from_code
from kensho_tui.core.frames import Welcome
from kensho_tui.core.text import one_line

START_TIMEOUT_S = 60.0
REACH_TIMEOUT_S = 20.0
LOOK_S = 1.0
"""Between two looks at what a host that starts is doing."""
DOING_LENGTH = 100

Told = Callable[[str], None]
"""Gets in words what keeps a host from listening: its start is waited for as long as there is any."""


async def attach(
    paths: Paths,
    told: Told,
    *,
    front_end: bool = False,
    warm: bool = False,
    launched: Launched | None = None,
) -> Connection:
    """A connection to the host of `paths`, which is started when there is none.

    `warm`: a model will be needed at once, so a new host starts a worker before anything else.
    `launched`: a host that is on its way already.
    """
    if launched is not None:
        await finish_launch(launched, paths, told)
    deadline = time.monotonic() + REACH_TIMEOUT_S

    def at_work(doing: str) -> None:
        nonlocal deadline
        deadline = time.monotonic() + REACH_TIMEOUT_S
        told(doing)

    for attempt in itertools.count():
        connection = await running(paths, front_end=front_end)
        if connection is not None:
            return connection
        if time.monotonic() > deadline:
            break
        # One that ends just now, or lost its socket, holds the lock for a while: a start does nothing then.
        await finish_launch(launch_host(warm=warm), paths, at_work)
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
    """What the last host wrote into its lock file: its pid, where it listens, what it does before."""
    try:
        return msgspec.json.decode(paths.lock.read_bytes()[:4096], type=dict[str, object])
    except (OSError, msgspec.DecodeError):
        return {}


def starting(paths: Paths) -> str:
    """What keeps a living host from listening, in words; empty where nothing does."""
    said = _holder(paths)
    try:
        os.kill(int(str(said["pid"])), 0)
    except (KeyError, ValueError, OverflowError, OSError):
        return ""
    return one_line(str(said.get("doing", "")), DOING_LENGTH)


def _busy(welcome: Welcome) -> HostBusyError:
    return HostBusyError(
        f"a host of version {welcome.version} (protocol {welcome.protocol}) is at work, "
        f"this is {__version__} (protocol {PROTOCOL}); its answers are being kept",
        hint=f"Try again when it is done, or end process {welcome.pid}",
    )


async def finish_launch(launched: Launched, paths: Paths, told: Told) -> None:
    """Wait until a host on its way, or the one that was there before it, listens. Raises what it reports."""
    log = paths.logs / "host.log"
    report = asyncio.create_task(_read_all(launched.report))
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not (await asyncio.wait([report], timeout=LOOK_S))[0]:
            if doing := starting(paths):
                told(doing)
                deadline = time.monotonic() + START_TIMEOUT_S
            elif time.monotonic() > deadline:
                raise HostUnavailableError(
                    f"the host did not answer within {START_TIMEOUT_S:.0f} s", hint=f"See {log}"
                )
    finally:
        report.cancel()
    await asyncio.to_thread(_reap, launched.pid)
    _raise_report(report.result(), log)
    while doing := starting(paths):  # of the one that was there before
        told(doing)
        await asyncio.sleep(LOOK_S)


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
