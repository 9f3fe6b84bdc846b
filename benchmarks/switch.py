"""Switching models, through the real host and real workers: SmolLM2-135M and Gemma-3-270M.

* ``resident``: seconds to the first text after a turn with the other model, over those after one with the
  same; both models are in memory.
* ``cold``: from the wish to the warm model, its file out of the page cache, over a bare process that starts,
  imports llama_cpp, loads the same file and computes a token. With a limit that holds one model the
  other is unloaded on the way.
* ``prefetched``: the same with the row highlighted for two seconds before, over the cold one of this run.

    python benchmarks/switch.py [--rounds 5]
"""

import asyncio
import os
import statistics
import time
from pathlib import Path

import floor
from common import gemma, home, median_ratio, option_parser, report, starter

from kensho_tui.client.facade import Kensho
from kensho_tui.core import contract as c
from kensho_tui.core import model_contract as m

HIGHLIGHTED_S = 2.0
CONTEXT = 2048
ONE = 0.4
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
    request = c.Submit(prompt=PROMPT, chat=chat, model=model, sampling=sampling, fresh=True)
    asked = await kensho.submit(request)
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


async def cold(kensho: Kensho, target: str, path: Path, *, prefetched: bool) -> float:
    await kensho.call(m.UNLOAD, m.Unload(model=target))
    await switch(kensho, GEMMA if target == SMOL else SMOL)
    forget(path)
    if prefetched:
        await kensho.call(m.PREFETCH, m.ModelRef(model=target))
        await asyncio.sleep(HIGHLIGHTED_S)
    return await switch(kensho, target)


async def switches(kensho: Kensho, target: str, path: Path, rounds: int, ahead: bool) -> dict[str, float]:
    """Medians and ratios of cold switches to `target`."""
    bare: list[float] = []
    unread: list[float] = []
    prefetched: list[float] = []
    for number in range(-1, rounds):
        forget(path)
        floor_s = floor.run(path, 1, 1, "a", threads_batch=2, context=CONTEXT)["first_s"]
        cold_s = await cold(kensho, target, path, prefetched=False)
        ahead_s = await cold(kensho, target, path, prefetched=True) if ahead else cold_s
        if number >= 0:  # the first round learns what the models need
            bare.append(floor_s)
            unread.append(cold_s)
            prefetched.append(ahead_s)
    found = {
        "bare_s": statistics.median(bare),
        "cold_s": statistics.median(unread),
        "cold_over_bare": median_ratio(unread, bare),
    }
    if ahead:
        found["prefetched_s"] = statistics.median(prefetched)
        found["prefetched_over_cold"] = median_ratio(prefetched, unread)
    return found


async def measure(gemma_path: Path, rounds: int, limit: float) -> dict[str, object]:
    settings = f"context = {CONTEXT}\nmemory_limit = {limit}\n"
    found: dict[str, object] = {}
    with home(settings) as folder:
        folder.joinpath("data/models").mkdir(parents=True)
        folder.joinpath("data/models/gemma.gguf").symlink_to(gemma_path)
        async with Kensho(front_end=True) as kensho:
            for target, path in ((GEMMA, gemma_path), (SMOL, starter())):
                found[target] = await switches(kensho, target, path, rounds, ahead=not limit)
            if not limit:
                changed, same = await resident(kensho, rounds * 3)
                found["first_text_s"] = statistics.median(changed)
                found["first_text_later_s"] = statistics.median(changed) - statistics.median(same)
    return found


async def main() -> None:
    parser = option_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with gemma() as path:
        report("room for both models", **await measure(path, rounds, 0.0))
        report("room for one: the other is unloaded on the way", **await measure(path, rounds, ONE))


if __name__ == "__main__":
    asyncio.run(main())
