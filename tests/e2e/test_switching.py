"""Two real models take turns: under a limit that holds one of them, and under one that holds both."""

import statistics
from pathlib import Path

import psutil
import pytest

from kensho_tui.client.facade import Kensho
from kensho_tui.core import contract as c
from kensho_tui.core import model_contract as m
from tests.support.home import Home, wait_until
from tests.support.turns import read_to_end

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

SMOL, GEMMA = "SmolLM2-135M-Instruct.Q4_1", "gemma"
PROMPT = "The capital of France is"
SWITCHES = 50
SETTINGS = "context = 1024\nkv_files = 0\n"
ONE, BOTH = 0.36, 1.2


def settle(home: Home, limit: float, gemma: Path) -> None:
    home.settings(f"{SETTINGS}memory_limit = {limit}\n")
    home.paths.models.joinpath("gemma.gguf").symlink_to(gemma)


async def answer(kensho: Kensho, model: str, chat: str | None = None) -> tuple[str, c.Message, str]:
    sampling = c.Sampling(temperature=0.0, max_tokens=6)
    asked = await kensho.submit(
        c.Submit(prompt=PROMPT, chat=chat, model=model, sampling=sampling, fresh=True)
    )
    text, message = await read_to_end(kensho, asked.stream)
    return text, message, asked.chat


async def references(kensho: Kensho) -> dict[str, str]:
    return {name: (await answer(kensho, name))[0] for name in (SMOL, GEMMA)}


def workers(status: c.HostStatus) -> list[tuple[str, int]]:
    return [(worker.model, worker.pid) for worker in status.workers]


async def test_a_limit_that_holds_one(home: Home, gemma: Path) -> None:
    settle(home, ONE, gemma)
    async with Kensho(front_end=True) as kensho:
        expected = await references(kensho)
        assert expected[SMOL] != expected[GEMMA]
        host = psutil.Process((await kensho.status()).pid)
        sizes: list[int] = []
        for number in range(SWITCHES):
            name = (SMOL, GEMMA)[number % 2]
            text, message, _ = await answer(kensho, name)
            assert (text, message.model, message.state) == (expected[name], name, "complete")
            assert [model for model, _ in workers(await kensho.status())] == [name]
            sizes.append(host.memory_info().rss)
        assert len(home.named("kensho_tui.worker")) == 1
        # The first switches fill caches and pools.
        early, late = max(sizes[:10]), sizes[-1]
        assert late < early * 1.1 + (4 << 20), (early, late)
        assert host.num_fds() < 60


async def test_a_limit_that_holds_both(home: Home, gemma: Path) -> None:
    settle(home, BOTH, gemma)
    async with Kensho(front_end=True) as kensho:
        expected = await references(kensho)
        before = sorted(workers(await kensho.status()))
        assert [model for model, _ in before] == [SMOL, GEMMA]
        loads: list[float] = []
        for number in range(SWITCHES):
            name = (SMOL, GEMMA)[number % 2]
            text, message, _ = await answer(kensho, name)
            assert text == expected[name] and message.timings is not None
            loads.append(message.timings.load_s)
        # A busy machine may keep one of them waiting, but not most of them.
        assert statistics.median(loads) < 0.05, loads
        assert sorted(workers(await kensho.status())) == before


async def test_one_chat_with_both_says_who_answered(home: Home, gemma: Path) -> None:
    settle(home, BOTH, gemma)
    async with Kensho(front_end=True) as kensho:
        _, first, chat = await answer(kensho, SMOL)
        _, second, _ = await answer(kensho, GEMMA, chat)
        assert (first.model, second.model) == (SMOL, GEMMA)
        shown = await kensho.chat(chat)
        assert [message.model for message in shown.messages if message.role == "assistant"] == [SMOL, GEMMA]
        assert shown.model == GEMMA


async def test_one_key_frees_the_memory(home: Home, gemma: Path) -> None:
    settle(home, BOTH, gemma)
    async with Kensho(front_end=True) as kensho:
        await references(kensho)
        gone = await kensho.call(m.UNLOAD, m.Unload(model="smol"))
        assert gone.models == (SMOL,) and gone.freed > 50 << 20
        gone = await kensho.call(m.UNLOAD, m.Unload())
        assert gone.models == (GEMMA,)
        assert (await kensho.status()).workers == ()
        wait_until(lambda: not home.named("kensho_tui.worker"), 5, "for the workers to end")
