"""The one fake: a worker without llama.cpp that speaks the real frames over the real socket.

What it does is written in the last prompt, as JSON (fields of `Script`); any other prompt is echoed. A
model whose file name contains "slow" loads for a second, "broken" does not load, "fatal" dies loading.
"""

import asyncio
import math
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import TextIO

import msgspec

from kensho_tui.bus.codec import FrameDecoder, encode
from kensho_tui.bus.reading import read_payload
from kensho_tui.core.contract import Usage
from kensho_tui.core.frames import (
    AbortWork,
    Beat,
    Chunk,
    Close,
    End,
    Error,
    Generate,
    Load,
    Loaded,
    Progress,
    ToWorker,
)


class Script(msgspec.Struct):
    """`text` is sent `repeat` times in pieces of `piece` characters, `rate` pieces a second (0: at once).

    `piece` may be a fraction: 3.6 makes pieces of three and of four characters.
    """

    text: str = ""
    repeat: int = 1
    piece: float = 4
    rate: float = 0.0
    file: str = ""
    """Path of a file that holds the text: for one that is too long for a prompt."""
    head: int = 0
    """So many first pieces come at once, then nothing for `settle_s`, then the others at `rate`."""
    settle_s: float = 0.0
    log: str = ""
    """Path of a file that gets the monotonic clock at each sending, one line a piece."""
    prefill_s: float = 0.0
    stop_reason: str = "end"
    die_after: int = -1
    hang_after: int = -1
    garbage_after: int = -1
    error: str = ""
    stamp: int = 0
    """Send this many pieces that are monotonic clock readings, one to a line."""

    def pieces(self) -> list[str]:
        """What is sent, in order, but for the clock readings of `stamp`."""
        text = Path(self.file).read_text(encoding="utf-8") if self.file else self.text * self.repeat
        count = math.ceil(len(text) / self.piece)
        return [text[int(at * self.piece) : int((at + 1) * self.piece)] for at in range(count)]

    def journal(self) -> TextIO:
        """Where the times of sending go."""
        return Path(self.log or os.devnull).open("w", buffering=1, encoding="utf-8")

    def due(self, number: int) -> float:
        """Seconds from the first piece to piece `number`."""
        if number < self.head:
            return 0.0
        return self.settle_s + ((number - self.head) / self.rate if self.rate else 0.0)


def script_of(request: Generate) -> Script:
    prompt = request.turns[-1].content
    try:
        return msgspec.json.decode(prompt, type=Script)
    except msgspec.DecodeError:
        return Script(text=f"You said: {prompt}")


class ScriptedWorker:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.decoder: FrameDecoder[ToWorker] = FrameDecoder(ToWorker)
        self.aborted = asyncio.Event()
        self.silent = False
        self.work: asyncio.Task[None] | None = None

    async def run(self) -> None:
        beats = asyncio.create_task(self.beat())
        while (payload := await read_payload(self.reader)) is not None:
            match self.decoder.decode(payload):
                case Load() as load:
                    self.work = asyncio.create_task(self.load(load))
                case Generate() as request:
                    self.aborted.clear()
                    self.work = asyncio.create_task(self.generate(request))
                case AbortWork():
                    self.aborted.set()
                case Close():
                    break
        beats.cancel()

    async def send(self, frame: object) -> None:
        self.writer.write(encode(frame))
        await self.writer.drain()

    async def beat(self) -> None:
        while True:
            await asyncio.sleep(1)
            if not self.silent:
                await self.send(Beat(busy=True))

    async def load(self, load: Load) -> None:
        name = Path(load.path).name
        if "fatal" in name:
            sys.stderr.write("ggml: fatal error: GGML_ASSERT(scripted) failed\n")
            sys.stderr.flush()
            os.abort()
        if "broken" in name:
            await self.send(
                Error(
                    id="", code="load", message="the model could not be loaded: scripted", hint="Try another"
                )
            )
            return
        for step in range(1, 11):
            await self.send(Progress(id="", phase="reading", done=step, total=10))
            if "slow" in name:
                await asyncio.sleep(0.1)
        await self.send(
            Loaded(
                context=4096,
                trained_context=4096,
                has_template=True,
                device="CPU",
                description="scripted",
                build="scripted",
                load_s=0.0,
            )
        )

    async def pause(self, seconds: float) -> bool:
        """Waits; True when an abort came meanwhile."""
        if seconds > 0:
            try:
                async with asyncio.timeout(seconds):
                    await self.aborted.wait()
            except TimeoutError:
                pass
        return self.aborted.is_set()

    async def generate(self, request: Generate) -> None:
        script = script_of(request)
        started = time.monotonic()
        steps = int(script.prefill_s / 0.05)
        for step in range(steps):
            await self.send(Progress(id=request.id, phase="prefill", done=step * 10, total=steps * 10))
            if await self.pause(0.05):
                await self.end(request, 0, "abort", started, started)
                return
        if script.error:
            await self.send(Error(id=request.id, code="engine", message=script.error, hint="Ask again"))
            return
        await self.stream(request, script, started)

    async def stream(self, request: Generate, script: Script, started: float) -> None:
        pieces = script.pieces()
        count = script.stamp or len(pieces)
        first = time.monotonic()
        with script.journal() as log:
            for number in range(count):
                if self.aborted.is_set():
                    await self.end(request, number, "abort", started, first)
                    return
                await self.misbehave(script, number)
                now = f"{time.monotonic():.6f}\n"
                log.write(now)
                piece = now if script.stamp else pieces[number]
                await self.send(
                    Chunk(id=request.id, sequence=number, text=piece, tokens=number + 1, prompt_tokens=12)
                )
                if script.rate:
                    await self.pause(first + script.due(number + 1) - time.monotonic())
        await self.end(request, count, script.stop_reason, started, first)

    async def misbehave(self, script: Script, number: int) -> None:
        if number == script.die_after:
            os.kill(os.getpid(), signal.SIGKILL)
        if number == script.hang_after:
            self.silent = True
            await self.aborted.wait()
        if number == script.garbage_after:
            self.writer.write(b"\x00\x00\x00\x03\xc1\xc1\xc1")
            await self.writer.drain()

    async def end(self, request: Generate, sequence: int, reason: str, started: float, first: float) -> None:
        now = time.monotonic()
        await self.send(
            End(
                id=request.id,
                sequence=sequence,
                stop_reason=reason,  # type: ignore[arg-type]
                usage=Usage(prompt_tokens=12, cached_tokens=0, completion_tokens=sequence),
                prefill_s=first - started,
                decode_s=now - first,
                seed=1,
            )
        )


async def main(descriptor: int) -> None:
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=descriptor))
    await ScriptedWorker(reader, writer).run()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[sys.argv.index("--fd") + 1])))
