"""A year of generations: how long its figures take.

A database of 100,000 generations over 365 days, of twelve models with two settings each, is asked through a
real host. Milliseconds from the call to its reply, as the front end has it:

* models: medians and spread of every model and setting; with a trend of every day of all models; one model
  with its trend; 7 days
* page: the last 100 generations; the last page of a model that ran a year ago only; the 100 with the longest
  TTFT of all, and of one model those that failed
* command: `kensho-tui metrics --json`, the process and its imports included
* turn: what keeping a generation's settings adds to the begin of a turn, medians with and without

Goal: models, and one model with its trend, at most 200 ms (median of the rounds; the first is told too).

    python benchmarks/history.py [--generations 100000] [--rounds 9]
"""

import argparse
import asyncio
import contextlib
import json
import random
import sqlite3
import statistics
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from common import KENSHO, home, option_parser, report, stop_host

from kensho_tui.client.facade import Kensho
from kensho_tui.config.paths import find_paths
from kensho_tui.core.metrics_contract import (
    GENERATIONS,
    MODEL_METRICS,
    ListGenerations,
    ListModelMetrics,
)
from kensho_tui.storage.chats import Chats, ModelIdentity, Outcome, Started
from kensho_tui.storage.database import open_database
from kensho_tui.storage.generations import Setup, keep_setup

MODELS = 12
PER_CHAT = 20
SETTINGS = {
    "sampling": {"temperature": 0.7, "top_k": 40, "top_p": 0.95, "min_p": 0.05, "seed": 1},
    "context": 8192, "device": "CPU", "build": "llama-cpp-python 0.3.36", "threads": 3, "threads_batch": 4,
    "gpu_layers": -1, "kv_type": "f16", "batch": 256, "flash": "on",
    "quantisation": "Q4_K_M", "active_weights": 10**9, "memory": 1 << 30,
    "memory_host": 0,
}  # fmt: skip
COLUMNS = (
    "id", "message_id", "model", "model_path", "model_size", "model_mtime", "settings", "state",
    "stop_reason", "prompt_tokens", "cached_tokens", "completion_tokens", "queue_s", "load_s", "prefill_s",
    "ttft_s", "prompt_tok_s", "decode_tok_s", "total_s", "created", "started", "ended", "setup",
    "day", "memory", "memory_host",
)  # fmt: skip


def name_of(number: int) -> str:
    return f"model-{number % MODELS:02}"


async def make(path: Path) -> list[int]:
    """An empty database with the settings; their numbers."""
    database = (await open_database(path)).database
    async with database.transaction("no settings") as work:
        numbers = [
            await keep_setup(work, Setup.of(name_of(model), {**SETTINGS, "threads": threads}))
            for model in range(MODELS)
            for threads in (3, 4)
        ]
    await database.close()
    return numbers


def rows(count: int, setups: list[int], end: datetime) -> Iterator[tuple[object, ...]]:
    """Values of a generation: some cold, some short, some that failed; speeds scatter by some per cent."""
    chance = random.Random(6)
    settings = json.dumps(SETTINGS)
    for number in range(count):
        date = (end - timedelta(days=365) * (1 - number / count)).isoformat(timespec="milliseconds")
        date = date.replace("+00:00", "Z")
        setup = setups[0] if number < 50 else chance.choice(setups[2:])
        prompt, out = chance.randrange(20, 4000), chance.randrange(1, 600)
        cached = chance.randrange(prompt)
        load = chance.lognormvariate(0.5, 0.4) if chance.random() < 0.1 else 0.0
        prompt_speed, speed = chance.gauss(900, 60) + setup, chance.gauss(80, 3) + setup
        prefill = (prompt - cached) / prompt_speed
        state = "failed" if chance.random() < 0.02 else "complete"
        yield (
            f"g{number}", f"m{number}", name_of((setup - setups[0]) // 2), "/models/some.gguf", 10**9, 1.7e9,
            settings, state, "end", prompt, cached, out, 0.005, load, prefill, load + prefill, prompt_speed,
            speed, load + prefill + out / speed, date, date, date, setup, date[:10], 1 << 30, 0,
        )  # fmt: skip


def fill(path: Path, count: int, setups: list[int]) -> None:
    end = datetime.now(UTC) - timedelta(minutes=1)
    stamp = end.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO chats (id, title, created, updated) VALUES (?, 'a chat', ?, ?)",
            ((f"c{number}", stamp, stamp) for number in range(count // PER_CHAT + 1)),
        )
        connection.executemany(
            "INSERT INTO messages (id, chat_id, role, state, content, created, updated)"
            " VALUES (?, ?, 'assistant', 'complete', ?, ?, ?)",
            ((f"m{n}", f"c{n // PER_CHAT}", "An answer. " * 40, stamp, stamp) for n in range(count)),
        )
        connection.executemany(
            f"INSERT INTO generations ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})",  # noqa: S608
            rows(count, setups, end),
        )
        connection.execute("COMMIT")


@contextlib.contextmanager
def year(count: int) -> Iterator[Path]:
    """A home with so many generations; the path of its database."""
    with home():
        path = find_paths().ensure().database
        fill(path, count, asyncio.run(make(path)))
        yield path


def year_parser(description: str | None) -> argparse.ArgumentParser:
    """The options of a benchmark over a `year`."""
    parser = option_parser(description)
    parser.add_argument("--generations", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=9)
    return parser


async def timed(rounds: int, call: Callable[[], Awaitable[object]]) -> dict[str, float]:
    """Milliseconds of a call, made once and then so many times."""
    took = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        await call()
        took.append((time.perf_counter() - started) * 1000)
    return summed_up(took)


def summed_up(took: Sequence[float]) -> dict[str, float]:
    return {"first": took[0], "median": statistics.median(took[1:]), "most": max(took[1:])}


async def calls(rounds: int) -> dict[str, dict[str, float]]:
    week = (datetime.now(UTC) - timedelta(days=7)).isoformat()
    models = {
        "models": ListModelMetrics(),
        "models with all trends": ListModelMetrics(days=366),
        "one model with its trend": ListModelMetrics(model=name_of(3), days=366),
        "models of 7 days": ListModelMetrics(since=week),
    }
    pages = {
        "page": ListGenerations(),
        "last page": ListGenerations(model=name_of(0)),
        "page by TTFT": ListGenerations(order="ttft_s"),
        "failed by TTFT": ListGenerations(model=name_of(3), order="ttft_s", ended="failed"),
    }
    found = {}
    async with Kensho() as kensho:
        for what, request in models.items():
            found[what] = await timed(rounds, lambda asked=request: kensho.call(MODEL_METRICS, asked))
        for what, page in pages.items():
            found[what] = await timed(rounds, lambda asked=page: kensho.call(GENERATIONS, asked))
    return found


def command(rounds: int) -> float:
    took = []
    for _ in range(rounds):
        started = time.perf_counter()
        subprocess.run([*KENSHO, "metrics", "--json"], stdout=subprocess.DEVNULL, check=True)
        took.append((time.perf_counter() - started) * 1000)
    return statistics.median(took)


async def beginnings(path: Path, rounds: int) -> tuple[float, float]:
    """Milliseconds of `start_generation` with its settings kept, and without (an answer given again)."""
    database = (await open_database(path)).database
    chats, took = Chats(database), {False: list[float](), True: list[float]()}
    for number in range(rounds * 2):
        again = bool(number % 2)
        row = await chats.begin_turn(None, "a question", name_of(1), None, "streaming")
        started = time.perf_counter()
        await chats.start_generation(row, Started(name_of(1), ModelIdentity("/m", 1, 1.0), SETTINGS, again))
        took[again].append((time.perf_counter() - started) * 1000)
        await chats.finish(row, "an answer", Outcome("complete", "end"))
    await database.close()
    return statistics.median(took[False]), statistics.median(took[True])


def main() -> None:
    arguments = year_parser(__doc__).parse_args()
    with year(arguments.generations) as path:
        megabytes = path.stat().st_size / 1e6
        figures = asyncio.run(calls(arguments.rounds))
        whole = command(arguments.rounds)
        stop_host()
        kept, bare = asyncio.run(beginnings(path, 50))
    report(
        f"a year of {arguments.generations:,} generations, ms",
        **figures,
        command=whole,
        turn_with_settings=kept,
        turn_without=bare,
        megabytes=megabytes,
    )


if __name__ == "__main__":
    main()
