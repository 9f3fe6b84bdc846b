"""The other process of a shared machine: keeps a core busy while it is wanted."""

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from kensho_tui.core.errors import EngineError
from kensho_tui.models.child import child

SPIN_COMMAND = (sys.executable, "-P", "-m", "kensho_tui.models.bench.spin")


@asynccontextmanager
async def neighbour(*, wanted: bool, command: Sequence[str] = SPIN_COMMAND) -> AsyncIterator[None]:
    """At work when this is entered, gone when it is left, however that happens.

    Raises `EngineError` where it ends at once: without it nothing would be measured but a quiet machine.
    """
    if not wanted:
        yield
        return
    async with child(command) as busy:
        if not await busy.stdout.readline():
            raise EngineError("no process can be started that keeps a core busy, as on a shared machine")
        yield
