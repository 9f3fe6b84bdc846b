"""The other process of a shared machine: keeps a core busy while it is wanted."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

SPIN_COMMAND = (sys.executable, "-P", "-m", "kensho_tui.models.bench.spin")


@asynccontextmanager
async def neighbour(*, wanted: bool, command: Sequence[str] = SPIN_COMMAND) -> AsyncIterator[None]:
    """At work when this is entered, gone when it is left, however that happens."""
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
        if process.stdout is not None:
            await process.stdout.readline()
        yield
    finally:
        if process.returncode is None:
            process.kill()
        await asyncio.shield(process.wait())
