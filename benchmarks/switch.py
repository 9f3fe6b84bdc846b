"""Switching models, through the real host and real workers: SmolLM2-135M and Gemma-3-270M.

* ``resident``: seconds to the first text after a turn with the other model, over those after one with the
  same; both models are in memory.
* ``cold``: from the wish to the warm model, its file out of the page cache, over a bare process that starts,
  imports llama_cpp, loads the same file and computes a token. With a limit that holds one model the
  other is unloaded on the way.
* ``prefetched``: the same with the row highlighted for two seconds before, over the cold one of this run.

    python benchmarks/switch.py [--rounds 5]
"""

import argparse
import asyncio
import os
import statistics
import time
from pathlib import Path

import floor
from common import gemma, home, median_ratio, report, starter

from kensho_tui.client.facade import Kensho
from kensho_tui.core import contract as c
from kensho_tui.core import model_contract as m

HIGHLIGHTED_S = 2.0
CONTEXT = 2048
ONE = 0.45
PROMPT = "Say hello."
SMOL, GEMMA = "SmolLM2-135M-Instruct.Q4_1", "gemma"


def forget(path: Path) -> None:
    """Take the file's pages out of the page cache; works only while nobody maps them."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


async def switch(kensho: Kensho, name: str) -> float:
    started = time.perf_counter()
    await kensho.prepare(c.Prepare(model=name, switch=True))
    return time.perf_counter() - started


async def first_text(kensho: Kensho, chat: str | None, model: str) -> tuple[str, float]:
    """The chat, and the seconds from the prompt to the first text."""
    started = time.perf_counter()
    sampling = c.Sampling(temperature=0.0, max_tokens=8)
    asked = await kensho.submit(c.Submit(prompt=PROMPT, chat=chat, model=model, sampling=sampling))
    took = 0.0
    async for piece in kensho.follow(asked.stream):
        if piece.text and not took:
            took = time.perf_counter() - started
    return asked.chat, took


async def resident(kensho: Kensho, rounds: int) -> tuple[list[float], list[float]]:
    """First text with and without a switch before it."""
    one, _ = await first_text(kensho, None, SMOL)
    other, _ = await first_text(kensho, None, GEMMA)
    changed: list[float] = []
    same: list[float] = []
    for _ in range(rounds):
        _, took = await first_text(kensho, one, SMOL)
        changed.append(took)
        _, took = await first_text(kensho, one, SMOL)
        same.append(took)
        await first_text(kensho, other, GEMMA)
    return changed, same


async def cold(kensho: Kensho, path: Path, *, prefetched: bool) -> float:
    await kensho.call(m.UNLOAD, m.Unload(model=GEMMA))
    await switch(kensho, SMOL)
    forget(path)
    if prefetched:
        await kensho.call(m.PREFETCH, m.ModelRef(model=GEMMA))
        await asyncio.sleep(HIGHLIGHTED_S)
    return await switch(kensho, GEMMA)


async def measure(path: Path, rounds: int, limit: float) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {"bare": [], "cold": [], "prefetched": [], "changed": [], "same": []}
    settings = f"context = {CONTEXT}\nmemory_limit = {limit}\n"
    with home(settings) as folder:
        folder.joinpath("data/models").mkdir(parents=True)
        folder.joinpath("data/models/gemma.gguf").symlink_to(path)
        async with Kensho(front_end=True) as kensho:
            for number in range(-1, rounds):
                forget(path)
                bare = floor.run(path, 1, 1, "a", threads_batch=2, context=CONTEXT)["first_s"]
                took = await cold(kensho, path, prefetched=False)
                ahead = await cold(kensho, path, prefetched=True) if not limit else 0.0
                if number >= 0:  # the first round learns what the models need
                    found["bare"].append(bare)
                    found["cold"].append(took)
                    found["prefetched"].append(ahead)
            if not limit:
                found["changed"], found["same"] = await resident(kensho, rounds * 3)
    return found


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    starter()
    with gemma() as path:
        both = await measure(path, rounds, 0.0)
        one = await measure(path, rounds, ONE)
    report(
        "switching between two models",
        resident_later_s=statistics.median(both["changed"]) - statistics.median(both["same"]),
        resident_s=statistics.median(both["changed"]),
        bare_s=statistics.median(both["bare"]),
        cold_s=statistics.median(both["cold"]),
        cold_over_bare=median_ratio(both["cold"], both["bare"]),
        prefetched_s=statistics.median(both["prefetched"]),
        prefetched_over_cold=median_ratio(both["prefetched"], both["cold"]),
        cold_with_eviction_s=statistics.median(one["cold"]),
        cold_with_eviction_over_bare=median_ratio(one["cold"], one["bare"]),
    )


if __name__ == "__main__":
    asyncio.run(main())
