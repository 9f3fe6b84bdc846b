"""A chat goes on without prefill after its model was unloaded or its host stopped; the answer is the same."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from kensho_tui.client.facade import Kensho
from kensho_tui.core import contract as c
from kensho_tui.core import model_contract as m
from tests.support.home import Home
from tests.support.turns import read_to_end

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

STORY = " ".join(
    f"On day {day} the keeper of the lighthouse counted {day * 3} ships and wrote: the sea was calm."
    for day in range(1, 45)
)
PROMPTS = (f"{STORY} Remember this.", "What did the keeper count?")


@pytest.fixture(autouse=True)
def one_core() -> Iterator[None]:
    """Hosts and workers of these tests have one: sums of several threads differ in their last bits with the
    number of threads, and answers where two tokens are all but equal. Tests beside this one get another.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = sorted(os.sched_getaffinity(0))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    os.sched_setaffinity(0, {cores[number % len(cores)]})
    yield
    os.sched_setaffinity(0, cores)


async def say(kensho: Kensho, prompt: str, chat: str | None, model: str) -> tuple[str, c.Message, str]:
    sampling = c.Sampling(temperature=0.0, max_tokens=24)
    asked = await kensho.submit(
        c.Submit(prompt=prompt, chat=chat, model=model, sampling=sampling, fresh=True)
    )
    text, message = await read_to_end(kensho, asked.stream)
    return text, message, asked.chat


async def cold(home: Home, model: str) -> tuple[str, c.Message]:
    """Both prompts, the second one evaluated from the first token on."""
    async with Kensho(front_end=True) as kensho:
        _, _, chat = await say(kensho, PROMPTS[0], None, model)
        await free(kensho, home)
        text, message, _ = await say(kensho, PROMPTS[1], chat, model)
        await free(kensho, home)
    return text, message


async def free(kensho: Kensho, home: Home) -> None:
    """The memory, and what is kept of it."""
    await kensho.call(m.UNLOAD, m.Unload())
    for file in kept(home):
        file.unlink()


def kept(home: Home) -> list[Path]:
    folder = home.paths.cache / "kv"
    return sorted(file for file in folder.iterdir() if file.is_file()) if folder.exists() else []


@pytest.mark.parametrize("name", ["smol", "gemma"])
async def test_the_continuation_is_the_cold_one(home: Home, gemma: Path, name: str) -> None:
    home.paths.models.joinpath("gemma.gguf").symlink_to(gemma)
    expected, was = await cold(home, name)
    assert was.usage is not None and was.usage.cached_tokens == 0 and was.timings is not None
    for ends in ("unload", "host stop"):
        async with Kensho(front_end=True) as kensho:
            _, first, chat = await say(kensho, PROMPTS[0], None, name)
            before = kept(home)
            await (kensho.call(m.UNLOAD, m.Unload()) if ends == "unload" else kensho.stop_host())
        if ends == "host stop":
            home.wait_empty()
        (file,) = set(kept(home)) - set(before)
        assert file.stat().st_mode & 0o777 == 0o600
        async with Kensho(front_end=True) as kensho:
            text, message, _ = await say(kensho, PROMPTS[1], chat, name)
        assert text == expected
        assert message.usage is not None and first.usage is not None and message.timings is not None
        assert message.usage.cached_tokens >= first.usage.prompt_tokens
        assert message.timings.prefill_s < was.timings.prefill_s / 2


async def test_a_damaged_file_costs_time_and_nothing_else(home: Home) -> None:
    expected, _ = await cold(home, "smol")
    async with Kensho(front_end=True) as kensho:
        _, _, chat = await say(kensho, PROMPTS[0], None, "smol")
        await kensho.call(m.UNLOAD, m.Unload())
        (file,) = kept(home)
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 0x10
        file.write_bytes(content)
        text, message, _ = await say(kensho, PROMPTS[1], chat, "smol")
        assert text == expected and message.usage is not None and message.usage.cached_tokens == 0
        assert kept(home) == [], "it is of no use to anybody"


async def test_none_is_kept_where_the_setting_says_so(home: Home) -> None:
    home.settings("kv_files = 0\n")
    async with Kensho(front_end=True) as kensho:
        await say(kensho, PROMPTS[0], None, "smol")
        await kensho.call(m.UNLOAD, m.Unload())
    assert kept(home) == []
