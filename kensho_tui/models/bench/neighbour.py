"""The other process of a shared machine: keeps a core busy while it is wanted."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from kensho_tui.core.errors import EngineError

SPIN_COMMAND = (sys.executable, "-P", "-m", "kensho_tui.models.bench.spin")


@asynccontextmanager
async def neighbour(*, wanted: bool, command: Sequence[str] = SPIN_COMMAND) -> AsyncIterator[None]:
    """At work when this is entered, gone when it is left, however that happens.

    Raises `EngineError` where it ends at once: without it nothing would be measured but a quiet machine.
    """
    if not wanted:
        yield
        return
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd="/",
    )
    try:
        if process.stdout is None or not await process.stdout.readline():
            raise EngineError("no process can be started that keeps a core busy, as on a shared machine")
        yield
    finally:
        if process.returncode is None:
            process.kill()
        await asyncio.shield(process.wait())
