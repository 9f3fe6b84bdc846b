"""The exact way to know what a load takes: llama.cpp lays it out without memory, in a child of its own.

A second at most, and never on the way to an answer: asked for when a person looks at one model.
"""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from kensho_tui.core.errors import LoadError, from_code
from kensho_tui.core.frames import Load
from kensho_tui.core.model_info import Footprint
from kensho_tui.core.text import one_line
from kensho_tui.models.child import Child, child
from kensho_tui.models.estimate import DRIVER_CONTEXT, LoadShape, process_overhead, split_weights
from kensho_tui.models.gguf.read import read_shape
from kensho_tui.models.reasons import explain_exit

DRY_RUN_COMMAND = (sys.executable, "-P", "-m", "kensho_tui.worker.dry_run")
TIMEOUT_S = 10.0
MAX_OUTPUT = 1 << 20
KEPT = 256

_Key = tuple[str, int, int, LoadShape, str]
_known: dict[_Key, Footprint] = {}


async def dry_run(
    path: str | Path, load: LoadShape, device: str = "CPU", *, command: Sequence[str] = DRY_RUN_COMMAND
) -> Footprint:
    """As `dry_runs` of one load; remembered as long as the file at `path` is the same.

    ``device`` is where llama.cpp puts layers, in its own words: another one has other buffers.
    """
    try:
        status = await asyncio.to_thread(os.stat, path)
    except OSError as error:
        raise LoadError(f"{path}: {error.strerror}") from None
    key = (str(path), status.st_size, status.st_mtime_ns, load, device)
    if key not in _known:
        (found,) = await dry_runs(path, [load], command=command)
        while len(_known) >= KEPT:
            del _known[next(iter(_known))]
        _known[key] = found
    return _known[key]


async def dry_runs(
    path: str | Path, loads: Sequence[LoadShape], *, command: Sequence[str] = DRY_RUN_COMMAND
) -> list[Footprint]:
    """What llama.cpp itself would allocate for each of `loads`. Raises `LoadError` for a file it refuses,
    for a child that crashes, or one that takes too long.

    The split of the weights between a GPU and RAM is that of the closed form, which is exact.
    """
    shape = await asyncio.to_thread(read_shape, Path(path))
    answer = await _ask(command, _request(path, loads), len(loads))
    found = []
    for load, terms in zip(loads, answer, strict=True):
        on_gpu = load.on_gpu and terms["gpu"]
        compute = terms["compute"] + terms["output"]
        need = Footprint(weights=terms["weights"], kv=terms["kv"], compute=compute, source="dry run")
        if on_gpu:
            weights, beside = split_weights(shape, load)
            host = beside + terms["host"] + process_overhead(shape)
            found.append(msgspec.structs.replace(need, weights=weights, overhead=DRIVER_CONTEXT, host=host))
        else:
            found.append(msgspec.structs.replace(need, overhead=process_overhead(shape)))
    return found


def _request(path: str | Path, loads: Sequence[LoadShape]) -> bytes:
    where = str(Path(path).absolute())
    asked = [
        Load(
            path=where,
            context=load.context,
            kv_type=load.kv_type,
            batch=load.batch,
            flash=None if load.flash else False,
            gpu_layers=load.gpu_layers if load.gpu else 0,
        )
        for load in loads
    ]
    return msgspec.json.encode({"loads": asked})


async def _ask(command: Sequence[str], request: bytes, count: int) -> list[dict[str, int]]:
    async with child(command) as asked:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                output = await _talk(asked, request)
                await asked.process.wait()
        except TimeoutError:
            raise LoadError(
                f"llama.cpp did not say within {TIMEOUT_S:.0f} s what it would allocate",
                hint="The estimate stands; ask again when the machine is less busy",
            ) from None
    return _answer(output, asked.process.returncode, count)


async def _talk(asked: Child, request: bytes) -> bytes:
    """Send `request` and read the answer; one beyond all bounds is cut, and so is none."""
    with contextlib.suppress(ConnectionError):
        asked.stdin.write(request)
        await asked.stdin.drain()
    asked.stdin.close()
    output = bytearray()
    while chunk := await asked.stdout.read(1 << 16):
        output += chunk
        if len(output) > MAX_OUTPUT:
            asked.process.kill()
            break
    return bytes(output)


def _answer(output: bytes, returncode: int | None, count: int) -> list[dict[str, int]]:
    """The child's document. Raises the error that it tells of, or `LoadError` for what is none."""
    try:
        # Drivers may print what they like before it.
        document: dict[str, Any] = json.loads(output[output.rstrip().rfind(b"\n") + 1 :])
        if "message" in document:
            raise from_code(str(document["code"]), one_line(document["message"]), one_line(document["hint"]))
        terms: list[dict[str, int]] = document["terms"]
        if len(terms) == count:
            return terms
    except (ValueError, KeyError, TypeError):
        pass
    reason, _ = explain_exit(returncode, ())
    raise LoadError(f"llama.cpp could not lay the model out: {reason}", hint="The file may be damaged")
