"""Child processes that are asked over stdin and answer on stdout: a dry run, llama.cpp alone, a busy core."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple


class Child(NamedTuple):
    process: asyncio.subprocess.Process
    stdin: asyncio.StreamWriter
    stdout: asyncio.StreamReader


@asynccontextmanager
async def child(command: Sequence[str]) -> AsyncIterator[Child]:
    """It is gone when this is left, however that happens. What it prints to stderr is dropped."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd="/",
        # A failed assertion must not fork a debugger for a backtrace.
        env={**os.environ, "GGML_NO_BACKTRACE": "1"},
    )
    try:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the child was started without pipes")
        yield Child(process, process.stdin, process.stdout)
    finally:
        if process.returncode is None:
            process.kill()
        await asyncio.shield(process.wait())
