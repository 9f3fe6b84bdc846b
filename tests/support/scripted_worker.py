"""The one fake: a worker without llama.cpp that speaks the real frames over the real socket.

What it does is written in the last prompt, as JSON (fields of `Script`); any other prompt is echoed. A
model whose file name contains "slow" loads for a second, "broken" does not load, "fatal" dies loading. How a
model behaves otherwise is written in its file: see `Shape`.
"""

import asyncio
import json
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
    Buffers,
    Chunk,
    Close,
    End,
    Error,
    Generate,
    Load,
    Loaded,
    Prefetch,
    Progress,
    Save,
    Saved,
    ToWorker,
)

KV_SHARE = {"f16": 1.0, "q8_0": 17 / 32, "q4_0": 9 / 32}
MARK = b"#scripted "


class Shape(msgspec.Struct):
    """What a model file says of itself: JSON behind ``GGUF ``, or behind ``#scripted `` in its first MiB.

    Memory in bytes, reported as `Loaded.buffers`: ``kv`` in all, ``kv_token`` for each token of the context
    with f16. A load takes ``load_s``, saving ``save_s``. Loading fails with the code ``fail`` for the first
    ``times`` loads of this file (counted in a file beside it, over all processes; 0: always), or only with a
    context above ``fail_above``. A saved cache has ``state_size`` bytes, a token of it spares ``token_s``.

    A measured run says that reading a token took ``read_s`` and writing one ``write_s``, by as many threads,
    and lasts ``run_s`` in truth. A batch of ``refuse_batch`` tokens is said not to fit; a worker that is to
    run with ``deadly`` threads dies, and so does it in the first ``dies`` measured runs of this file. With
    ``hopeless`` threads it reads five tokens and no more.
    """

    weights: int = 0
    kv: int = 0
    kv_token: int = 0
    compute: int = 0
    host: int = 0
    rss: int = 0
    context: int = 4096
    device: str = "CPU"
    load_s: float = 0.0
    fail: str = ""
    times: int = 0
    fail_above: int = 0
    state_size: int = 1000
    save_s: float = 0.0
    token_s: float = 1.0
    read_s: float = 0.001
    write_s: float = 0.01
    run_s: float = 0.0
    refuse_batch: int = 0
    deadly: int = 0
    hopeless: int = 0
    dies: int = 0

    def buffers(self, context: int, kv_type: str) -> Buffers:
        kv = self.kv + int(self.kv_token * context * KV_SHARE[kv_type])
        return Buffers(weights=self.weights, kv=kv, compute=self.compute, host=self.host, rss=self.rss)

    def fails(self, path: Path, context: int) -> bool:
        """Whether this load of `path` shall fail; it is counted."""
        if not self.fail or context <= self.fail_above:
            return False
        if self.times == 0:
            return True
        return counted(path, "failures") < self.times


def counted(path: Path, what: str) -> int:
    """How often this was asked of `path` before, over all processes."""
    counter = path.with_name(f"{path.name}.{what}")
    before = int(counter.read_text()) if counter.exists() else 0
    counter.write_text(str(before + 1))
    return before


def shape_of(path: Path) -> Shape:
    with path.open("rb") as file:
        head = file.read(1 << 20)
    at = head.find(MARK) + len(MARK) if MARK in head else len(b"GGUF ")
    if head[at : at + 1] != b"{":
        return Shape(load_s=1.0 if "slow" in path.name else 0.0)
    found, _ = json.JSONDecoder().raw_decode(head[at:].decode("utf-8", "replace"))
    return msgspec.convert(found, Shape)


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
    turns: bool = False
    """Send what was said before and now, a JSON list of texts, instead of `text`."""
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
        script = msgspec.json.decode(prompt, type=Script)
    except msgspec.DecodeError:
        return Script(text=f"You said: {prompt}")
    if script.turns:
        script.text = json.dumps([turn.content for turn in request.turns])
    return script


class ScriptedWorker:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.decoder: FrameDecoder[ToWorker] = FrameDecoder(ToWorker)
        self.aborted = asyncio.Event()
        self.silent = False
        self.work: asyncio.Task[None] | None = None
        self.shape = Shape()
        self.loaded = Load(path="")
        self.tokens = 0

    async def run(self) -> None:
        beats = asyncio.create_task(self.beat())
        while (payload := await read_payload(self.reader)) is not None:
            match self.decoder.decode(payload):
                case (Load() | Generate() | Save()) as request:
                    await self.begin(request)
                case Prefetch():
                    pass
                case AbortWork():
                    self.aborted.set()
                case Close():
                    break
        beats.cancel()

    async def begin(self, request: Load | Generate | Save) -> None:
        """One job at a time, as in the real worker."""
        if self.work is not None and not self.work.done():
            name = {Load: "", Save: "save"}.get(type(request), getattr(request, "id", ""))
            await self.fail(name, "engine", "the worker is busy")
            return
        self.aborted.clear()
        match request:
            case Load():
                self.work = asyncio.create_task(self.load(request))
            case Generate():
                self.work = asyncio.create_task(self.generate(request))
            case Save():
                self.work = asyncio.create_task(self.save(request))

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
        shape = self.shape = shape_of(Path(load.path))
        self.loaded = load
        if shape.refuse_batch and load.batch == shape.refuse_batch:
            await self.fail("", "no_memory", "that batch does not fit: scripted")
            return
        if "broken" in name:
            await self.fail("", "load", "the model could not be loaded: scripted", "Try another")
            return
        for step in range(1, 11):
            await self.send(Progress(id="", phase="reading", done=step, total=10))
            if await self.pause(shape.load_s / 10):
                await self.fail("", "load", "loading was cancelled")
                return
        if shape.fails(Path(load.path), load.context):
            await self.fail("", shape.fail, f"{name} could not be loaded: scripted", "Use a smaller context")
            return
        context = min(load.context, shape.context)
        await self.send(
            Loaded(
                context=context,
                trained_context=shape.context,
                has_template=True,
                device=shape.device,
                description="scripted",
                build="scripted",
                load_s=shape.load_s,
                buffers=shape.buffers(context, load.kv_type),
            )
        )

    async def fail(self, work: str, code: str, message: str, hint: str = "") -> None:
        await self.send(Error(id=work, code=code, message=message, hint=hint))

    async def save(self, save: Save) -> None:
        """Writes what `restore` reads: whose cache it is and how many tokens, filled up to its size."""
        await self.pause(self.shape.save_s)
        if self.tokens == 0 or self.tokens * self.shape.token_s < save.worth_s:
            await self.send(Saved(tokens=0, size=0))
            return
        content = json.dumps({"key": save.key, "tokens": self.tokens}).ljust(self.shape.state_size)
        Path(save.path).write_text(content, encoding="utf-8")
        await self.send(Saved(tokens=self.tokens, size=len(content)))

    def restore(self, request: Generate) -> tuple[int, str]:
        """Tokens that the file asked for gives, and why it gives none."""
        if not request.restore:
            return 0, ""
        try:
            saved = json.loads(Path(request.restore).read_bytes())
        except (OSError, ValueError) as error:
            return 0, f"scripted: {type(error).__name__}"
        if saved["key"] != request.key:
            return 0, "scripted: another key"
        return saved["tokens"], ""

    async def pause(self, seconds: float) -> bool:
        """Waits; True when an abort came meanwhile."""
        if seconds > 0:
            try:
                async with asyncio.timeout(seconds):
                    await self.aborted.wait()
            except TimeoutError:
                pass
        return self.aborted.is_set()

    async def measured(self, request: Generate) -> None:
        """As if it had computed, with the threads that it was loaded with."""
        shape, load = self.shape, self.loaded
        if shape.deadly and load.threads == load.threads_most == shape.deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        if shape.dies and counted(Path(load.path), "deaths") < shape.dies:
            os.kill(os.getpid(), signal.SIGKILL)
        prompt, answer = len(request.turns[-1].content.split()) + 10, request.sampling.max_tokens
        if shape.hopeless and load.threads == load.threads_most == shape.hopeless:
            await self.send(Progress(id=request.id, phase="prefill", done=5, total=prompt))
            await self.aborted.wait()
            now = time.monotonic()
            await self.end(request, 0, "abort", now, now)
            return
        aborted = await self.pause(shape.run_s)
        await self.send(
            End(
                id=request.id,
                sequence=0,
                stop_reason="abort" if aborted else "length",
                usage=Usage(prompt_tokens=prompt, completion_tokens=answer),
                prefill_s=prompt * shape.read_s / load.threads_batch,
                decode_s=(answer - 1) * shape.write_s / load.threads,
                seed=1,
            )
        )

    async def generate(self, request: Generate) -> None:
        if request.measured:
            await self.measured(request)
            return
        script = script_of(request)
        started = time.monotonic()
        steps = int(script.prefill_s / 0.05)
        for step in range(steps):
            await self.send(Progress(id=request.id, phase="prefill", done=step * 10, total=steps * 10))
            if await self.pause(0.05):
                await self.end(request, 0, "abort", started, time.monotonic())
                return
        if script.error:
            await self.fail(request.id, "engine", script.error, "Ask again")
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
        restored, refused = self.restore(request)
        self.tokens = restored + 12 + sequence
        await self.send(
            End(
                id=request.id,
                sequence=sequence,
                stop_reason=reason,  # type: ignore[arg-type]
                usage=Usage(prompt_tokens=12, cached_tokens=min(restored, 11), completion_tokens=sequence),
                prefill_s=first - started,
                decode_s=now - first,
                seed=1,
                restored=restored,
                refused=refused,
            )
        )


async def main(descriptor: int) -> None:
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=descriptor))
    await ScriptedWorker(reader, writer).run()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[sys.argv.index("--fd") + 1])))
