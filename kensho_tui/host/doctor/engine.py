"""llama.cpp as doctor meets it: in worker processes of its own, never in this one."""

import asyncio
import json
import subprocess
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from kensho_tui.core.contract import ModelInfo, Sampling
from kensho_tui.core.errors import EngineError, LoadError
from kensho_tui.core.frames import Chunk, End, Generate, Load, Loaded, Progress, Turn
from kensho_tui.hardware.cpu import decode_threads, most_decode_threads, prefill_threads, usable_cores
from kensho_tui.models.catalogue import check_file
from kensho_tui.models.reasons import explain_exit
from kensho_tui.models.resident import Resident
from kensho_tui.models.spawn import WORKER_COMMAND, Spawned, spawn_worker
from kensho_tui.models.worker_process import WorkerProcess

Result = TypeVar("Result")

PROBE_S = 30.0
LOAD_S = 180.0
ANSWER_S = 60.0

QUESTION = "What is the capital of France? Answer in one short sentence."
EXPECTED = "Paris"
_CONTEXT = 512
_GREEDY = Sampling(temperature=0.0, seed=1, max_tokens=32)


@dataclass(frozen=True)
class Answer:
    """A real generation. Seconds, and tokens per second of decode."""

    text: str
    loaded: Loaded
    start_s: float
    first_token_s: float
    decode_tok_s: float


@dataclass
class Engine:
    """Starts workers and ends them. `close` may be called from any thread, at any time."""

    command: Sequence[str] = WORKER_COMMAND
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _build: dict[str, Any] | None = None
    device: str = ""
    """What the model of the last `ask` ran on; empty before that."""

    def build(self) -> dict[str, Any]:
        """What the worker says about its llama.cpp; asked once. Raises `EngineError`."""
        if self._build is None:
            self._build = self._probe()
        return self._build

    def _probe(self) -> dict[str, Any]:
        process = subprocess.Popen(
            [*self.command, "--probe"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",
        )
        self._processes.append(process)
        try:
            said, errors = process.communicate(timeout=PROBE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise EngineError(
                f"llama.cpp did not start within {PROBE_S:.0f} s",
                hint="Often a GPU driver hangs: try it alone",
            ) from None
        if not said:
            reason, hint = explain_exit(process.returncode, errors.decode("utf-8", "replace").splitlines())
            raise EngineError(f"the worker cannot start: {reason}", hint=hint)
        found: dict[str, Any] = json.loads(said)
        if not found["ok"]:
            raise EngineError(found["message"], hint=found["hint"])
        return found

    def ask(self, model: ModelInfo) -> Answer:
        """Load ``model`` and put the `QUESTION` at temperature 0. Raises `EngineError`."""
        check_file(model)
        return asyncio.run(self._ask(model))

    async def _ask(self, model: ModelInfo) -> Answer:
        began = time.monotonic()
        spawned = self._spawn()
        resident = Resident(WorkerProcess(spawned), model, lambda: None)
        try:
            loaded = await _within(LOAD_S, resident.load(_load_request(model)), "the model was not loaded")
            start_s = time.monotonic() - began - loaded.load_s
            self.device = loaded.device
            return await _within(ANSWER_S, _answer(resident, loaded, start_s), "there was no answer")
        finally:
            await resident.close()

    def _spawn(self) -> Spawned:
        spawned = spawn_worker(self.command)
        self._processes.append(spawned.process)
        return spawned

    def close(self) -> None:
        """Kill what still runs: doctor was interrupted, or a worker hangs."""
        for process in self._processes:
            if process.poll() is None:
                process.kill()
                process.wait()


def _load_request(model: ModelInfo) -> Load:
    cores = usable_cores()
    return Load(
        path=model.path,
        context=_CONTEXT,
        threads=decode_threads(cores),
        threads_most=most_decode_threads(cores),
        threads_batch=prefill_threads(cores),
    )


async def _answer(resident: Resident, loaded: Loaded, start_s: float) -> Answer:
    text: list[str] = []
    first: list[float] = []

    def take(frame: Chunk | Progress) -> None:
        if isinstance(frame, Chunk) and frame.text:
            first.append(time.monotonic())
            text.append(frame.text)

    asked = time.monotonic()
    request = Generate(id="doctor", turns=(Turn("user", QUESTION),), sampling=_GREEDY)
    end: End = await resident.generate(request, take)
    tokens = end.usage.completion_tokens - 1
    return Answer(
        text="".join(text).strip(),
        loaded=loaded,
        start_s=max(0.0, start_s),
        first_token_s=(first[0] if first else time.monotonic()) - asked,
        decode_tok_s=tokens / end.decode_s if end.decode_s > 0 and tokens > 0 else 0.0,
    )


async def _within(seconds: float, work: Awaitable[Result], what: str) -> Result:
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError:
        raise LoadError(
            f"{what} within {seconds:.0f} s", hint="Try a smaller model, or see the logs"
        ) from None
