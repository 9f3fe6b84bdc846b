"""Samples through a real host: what is read of a worker is what the system says of it."""

import itertools
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from kensho_tui.client.facade import Kensho
from kensho_tui.core.contract import STOP, Prepare, Stop
from kensho_tui.core.errors import UsageError
from kensho_tui.core.sample_contract import (
    SAMPLE_HISTORY,
    SAMPLES,
    ReadSampleHistory,
    ReadSamples,
    Sample,
)
from tests.support.home import Home
from tests.support.turns import read_to_end, script, submit

RATE = 200


async def next_sample(kensho: Kensho, since: float = 0.0) -> Sample:
    return (await kensho.call(SAMPLES, ReadSamples(since=since, wait=20))).samples[-1]


async def samples_until(kensho: Kensho, since: float, last: int) -> list[Sample]:
    """The next `last` samples after `since`."""
    found: list[Sample] = []
    while len(found) < last:
        found += (await kensho.call(SAMPLES, ReadSamples(since=since, wait=20))).samples
        since = found[-1].at
    return found


def integral(first: Sample, samples: Sequence[Sample], rate: str) -> float:
    """What a rate adds up to from `first` to the last of ``samples``."""
    pairs = itertools.pairwise((first, *samples))
    return sum(float(getattr(now, rate)) * (now.at - before.at) for before, now in pairs)


def resident(pid: int, field: str = "VmRSS") -> int:
    """Bytes, as the system itself tells them."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(f"{field}:"))


async def test_a_stream_is_seen_in_the_samples(home: Home) -> None:
    home.start_scripted_host()
    async with Kensho() as kensho:
        await kensho.prepare(Prepare())
        first = await next_sample(kensho)
        assert (first.streams, first.decode_tok_s) == (0, 0.0)
        submitted = await submit(kensho, script(text="word ", repeat=2 * RATE, piece=5, rate=RATE))
        found = await samples_until(kensho, first.at, 4)
        await read_to_end(kensho, submitted.stream)
        # Nobody wrote what is given again.
        again = await submit(kensho, script(text="word ", repeat=2 * RATE, piece=5, rate=RATE))
        await read_to_end(kensho, again.stream)
        last = await next_sample(kensho, time.time())
        status = await kensho.status()
    assert integral(first, found, "decode_tok_s") == pytest.approx(2 * RATE, rel=0.1)
    assert max(one.streams for one in found) == 1
    assert last.decode_tok_s == 0.0 and (last.cache_hits, last.cache_asked) == (1, 2)
    (worker,) = last.workers
    assert (worker.pid, worker.model, worker.state) == (status.workers[0].pid, "scripted", "ready")
    assert last.ram_total > last.ram_used > 0 and 0 <= last.cpu <= 1 and last.cores >= 1
    assert last.database >= home.paths.database.stat().st_size > 0


async def test_what_was_sampled_outlives_the_host(home: Home) -> None:
    home.start_scripted_host()
    begin = time.time()
    async with Kensho() as kensho:
        taken = await samples_until(kensho, 0.0, 2)
        await kensho.call(STOP, Stop())
    home.wait_empty()
    home.start_scripted_host()
    async with Kensho() as kensho:
        history = await kensho.call(
            SAMPLE_HISTORY, ReadSampleHistory(since=begin, until=begin + 120, points=1)
        )
        with pytest.raises(UsageError):
            await kensho.call(SAMPLE_HISTORY, ReadSampleHistory(since=begin, until=begin))
    (memory,) = (one for one in history.series if (one.name, one.device) == ("memory", ""))
    (point,) = memory.points
    assert point.most >= max(one.ram_used for one in taken)
    assert 0 < point.mean <= point.most


async def test_a_stream_that_nobody_looks_at_is_sampled(home: Home) -> None:
    home.start_scripted_host()
    async with Kensho() as kensho:
        submitted = await submit(kensho, script(text="word ", repeat=2 * RATE, piece=5, rate=RATE))
        await read_to_end(kensho, submitted.stream)
        found = (await kensho.call(SAMPLES, ReadSamples())).samples
    assert any(one.streams == 1 and one.decode_tok_s > RATE / 2 for one in found)


@pytest.mark.slow
async def test_a_workers_memory_is_what_the_system_says(home: Home, smollm: Path) -> None:
    home.settings(f'model = "{smollm}"\n')
    async with Kensho() as kensho:
        await kensho.prepare(Prepare(model=str(smollm), switch=True))
        first = await next_sample(kensho)
        submitted = await submit(kensho, "Count to ten.", model=str(smollm))
        _, result = await read_to_end(kensho, submitted.stream)
        (info,) = (await kensho.status()).workers
        before = resident(info.pid)
        sample = await next_sample(kensho, time.time())
        after = resident(info.pid)
        taken = (await kensho.call(SAMPLES, ReadSamples(since=first.at))).samples
    (worker,) = sample.workers
    assert worker.pid == info.pid and worker.ram > 50 << 20
    assert min(before, after) * 0.98 <= worker.ram <= max(before, after) * 1.02
    assert worker.ram == pytest.approx(psutil.Process(info.pid).memory_info().rss, rel=0.02)
    assert worker.file == pytest.approx(resident(info.pid, "RssFile"), rel=0.02)
    read, wrote = integral(first, taken, "prompt_tok_s"), integral(first, taken, "decode_tok_s")
    assert result.usage is not None and result.usage.completion_tokens > 0
    assert wrote == pytest.approx(result.usage.completion_tokens, rel=0.05)
    assert read == pytest.approx(result.usage.prompt_tokens - result.usage.cached_tokens, rel=0.05)
    assert max(one.workers[0].cpu for one in taken) > 0.1
