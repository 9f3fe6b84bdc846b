"""llama.cpp alone, as the host sees it: a child that measures what is asked for, line by line."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from kensho_tui.core.errors import EngineError
from kensho_tui.core.frames import Load
from kensho_tui.core.text import one_line
from kensho_tui.models.child import Child, child

BARE_COMMAND = (sys.executable, "-P", "-m", "kensho_tui.worker.bare")
LOAD_S, RUN_S = 300.0, 600.0


class BareProcess:
    """One loaded model. `run` gives tok/s of reading and of writing."""

    def __init__(self, child: Child) -> None:
        self._child = child

    async def load(self, load: Load, text: str) -> None:
        """``text`` is what it reads from then on. Raises `EngineError`."""
        await self._ask({"load": load, "text": text}, LOAD_S)

    async def run(self, threads: int, prompt: int, answer: int) -> tuple[float, float]:
        """Read ``prompt`` tokens, write ``answer``. Raises `EngineError`."""
        said = await self._ask({"threads": threads, "prompt": prompt, "answer": answer}, RUN_S)
        try:
            return float(said["prompt_tok_s"]), float(said["decode_tok_s"])
        except (KeyError, TypeError, ValueError):
            raise EngineError("llama.cpp alone gave no figures") from None

    async def _ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        try:
            self._child.stdin.write(msgspec.json.encode(request) + b"\n")
            await self._child.stdin.drain()
            async with asyncio.timeout(seconds):
                said = msgspec.json.decode(await self._child.stdout.readline(), type=dict[str, Any])
        except (OSError, ValueError, TimeoutError):
            raise EngineError("llama.cpp alone did not answer") from None
        if "message" in said:
            raise EngineError(one_line(str(said["message"])))
        return said


@asynccontextmanager
async def bare_process(command: Sequence[str] = BARE_COMMAND) -> AsyncIterator[BareProcess]:
    """The child is gone when this is left, however that happens."""
    async with child(command) as process:
        yield BareProcess(process)
