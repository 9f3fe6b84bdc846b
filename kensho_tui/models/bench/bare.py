"""llama.cpp alone, as the host sees it: a child that measures what is asked for, line by line."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from kensho_tui.core.errors import EngineError
from kensho_tui.core.frames import Load
from kensho_tui.core.text import one_line

BARE_COMMAND = (sys.executable, "-P", "-m", "kensho_tui.worker.bare")
LOAD_S, RUN_S = 300.0, 600.0


class BareLoop:
    """One loaded model. `run` gives tok/s of reading and of writing."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def load(self, load: Load, text: str) -> None:
        """Raises `EngineError`."""
        names = ("path", "context", "kv_type", "batch", "flash", "gpu_layers", "threads", "threads_batch")
        await self._ask({**{name: getattr(load, name) for name in names}, "text": text}, LOAD_S)

    async def run(self, threads: int, prompt: int, answer: int) -> tuple[float, float]:
        """Raises `EngineError`."""
        said = await self._ask({"threads": threads, "prompt": prompt, "answer": answer}, RUN_S)
        try:
            return float(said["prompt_tok_s"]), float(said["decode_tok_s"])
        except (KeyError, TypeError, ValueError):
            raise EngineError("llama.cpp alone gave no figures") from None

    async def _ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("the child was started without pipes")
        try:
            stdin.write(json.dumps(request).encode() + b"\n")
            await stdin.drain()
            async with asyncio.timeout(seconds):
                said = json.loads(await stdout.readline())
        except (OSError, ValueError, TimeoutError):
            raise EngineError("llama.cpp alone did not answer") from None
        if not isinstance(said, dict) or "message" in said:
            raise EngineError(one_line(str(said["message"])) if isinstance(said, dict) else "no document")
        return said


@asynccontextmanager
async def bare_loop(command: Sequence[str] = BARE_COMMAND) -> AsyncIterator[BareLoop]:
    """The child is gone when this is left, however that happens."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd="/",
        env={**os.environ, "GGML_NO_BACKTRACE": "1"},
    )
    try:
        yield BareLoop(process)
    finally:
        if process.returncode is None:
            process.kill()
        await asyncio.shield(process.wait())
