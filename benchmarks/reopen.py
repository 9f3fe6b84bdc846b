"""A chat of 1,500 tokens that goes on after its model was unloaded, over the same without its saved cache.

TTFT without `load_s`, of a prompt that adds about 24 tokens, SmolLM2-135M and Gemma-3-270M; and whether the
24 tokens of the greedy answer are the same. Goal: at most 0.06.

* `worker`: read from workers' sockets, a new process for each answer.
* `host`: `ask --chat` with a new host for each answer, after `host stop` has saved the cache; and after
  `host unload` (`unloaded`). The home is copied before each answer, for the cold ones without ``cache/kv``.

    python benchmarks/reopen.py [--rounds 5] [--level worker|host|both]
"""

import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common import KENSHO, ask, gemma, home, median_ratio, option_parser, report, starter, stop_host
from worker_decode import Worker

from kensho_tui.core.contract import Sampling
from kensho_tui.core.frames import Chunk, End, Error, Generate, Save, Saved, Turn

STORY = "".join(
    f"Person {number} has {number * 7} apples and {number + 3} pears.\n" for number in range(1, 86)
)
FOLLOW_UP = "Now say once more how many apples and pears the first persons of the list have:"
SAMPLING = Sampling(temperature=0.0, max_tokens=24)
THREADS = os.cpu_count() or 1

Answer = tuple[str, float, int]
"""Text, seconds to the first token without loading, tokens of the prompt that were kept."""


# --- worker -----------------------------------------------------------------------------------------


def generate(worker: Worker, turns: list[Turn], saved: Path | None = None) -> Answer:
    worker.send(
        Generate(
            id="a", turns=tuple(turns), sampling=SAMPLING, restore=str(saved) if saved else "", key="key"
        )
    )
    started, first, text = time.perf_counter(), 0.0, ""
    while not isinstance(frame := worker.next(), End):
        if isinstance(frame, Error):
            raise SystemExit(frame.message)
        if isinstance(frame, Chunk):
            first = first or time.perf_counter() - started
            text += frame.text
    if frame.refused:
        raise SystemExit(frame.refused)
    return text, first, frame.usage.cached_tokens


def in_workers(model: Path, rounds: int) -> dict[str, object]:
    warm: list[Answer] = []
    cold: list[Answer] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "chat.kv")
        worker = Worker(model, THREADS)
        turns = [Turn("user", STORY)]
        text, _, _ = generate(worker, turns)
        started = time.perf_counter()
        worker.send(Save(path=str(path), key="key"))
        saved = worker.until(Saved)
        took = time.perf_counter() - started
        worker.close()
        turns += [Turn("assistant", text), Turn("user", FOLLOW_UP)]
        for number in range(rounds * 2):
            worker = Worker(model, THREADS)
            (cold if number % 2 else warm).append(generate(worker, turns, None if number % 2 else path))
            worker.close()
    return {**compared(warm, cold), "saved_bytes": saved.size, "save_s": took}


# --- host -------------------------------------------------------------------------------------------


def answer(chat: str, model: str) -> Answer:
    said = ask(
        "--chat", chat, "-m", model, "--temperature", "0", "--max-tokens", str(SAMPLING.max_tokens), FOLLOW_UP
    )
    timings, usage = said["timings"], said["usage"]
    if not isinstance(timings, dict) or not isinstance(usage, dict):
        raise TypeError("not the document of ask")
    return str(said["text"]), timings["ttft_s"] - timings["load_s"], usage["cached_tokens"]


@contextmanager
def copied(folder: Path) -> Iterator[Path]:
    """A home with the content of that in `folder`."""
    with home() as copy:
        shutil.copytree(folder, copy, dirs_exist_ok=True, symlinks=True)
        yield copy


def in_hosts(model: Path, rounds: int) -> dict[str, object]:
    warm: list[Answer] = []
    cold: list[Answer] = []
    unloaded: list[Answer] = []
    with home("context = 4096\n") as folder:
        said = ask("-m", str(model), "--temperature", "0", "--max-tokens", str(SAMPLING.max_tokens), STORY)
        chat = str(said["conversation_id"])
        stop_host(str(folder))
        for number in range(rounds * 2):
            with copied(folder) as copy:
                if number % 2:
                    shutil.rmtree(copy / "cache" / "kv")
                    cold.append(answer(chat, str(model)))
                else:
                    warm.append(answer(chat, str(model)))
                    subprocess.run([*KENSHO, "host", "unload"], stdout=subprocess.DEVNULL, check=True)
                    unloaded.append(answer(chat, str(model)))
    return {
        **compared(warm, cold),
        "unloaded_ratio": median_ratio([one[1] for one in unloaded], [one[1] for one in cold]),
        "unloaded_kept_tokens": sorted({kept for _, _, kept in unloaded}),
    }


def compared(warm: list[Answer], cold: list[Answer]) -> dict[str, object]:
    return {
        "ratio": median_ratio([one[1] for one in warm], [one[1] for one in cold]),
        "warm_s": statistics.median(one[1] for one in warm),
        "cold_s": statistics.median(one[1] for one in cold),
        "kept_tokens": sorted({kept for _, _, kept in warm}),
        "equal": len({text for text, _, _ in [*warm, *cold]}) == 1,
    }


def main() -> None:
    parser = option_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--level", choices=("worker", "host", "both"), default="both")
    arguments = parser.parse_args()
    figures: dict[str, object] = {}
    with gemma() as path:
        for name, model in (("smollm2", starter()), ("gemma", path)):
            if arguments.level != "host":
                figures[f"{name}_worker"] = in_workers(model, arguments.rounds)
            if arguments.level != "worker":
                figures[f"{name}_host"] = in_hosts(model, arguments.rounds)
    report("TTFT of a reopened chat over its cold prefill", **figures)


if __name__ == "__main__":
    main()
