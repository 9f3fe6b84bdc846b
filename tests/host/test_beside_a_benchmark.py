"""What a host says while a benchmark runs: everybody who meets it learns what they wait for."""

import time

import msgspec

from kensho_tui.client.facade import Kensho
from kensho_tui.core.bench_contract import START_BENCH, STOP_BENCH, BenchRef, StartBench
from kensho_tui.core.contract import TOPIC_HOST, HostStatus
from kensho_tui.core.model_contract import UNLOAD, Unload
from kensho_tui.core.sample_contract import SAMPLES, ReadSamples, Sample
from tests.host.test_benches import scripted
from tests.support.home import Home
from tests.support.turns import read_to_end, script, submit


async def status_with_time(kensho: Kensho) -> HostStatus:
    """The first one that is told which says how long the benchmark takes still."""
    seen = 0
    while True:
        fact = (await kensho.watch({TOPIC_HOST: seen}, 20.0)).get(TOPIC_HOST)
        if fact is not None:
            seen = fact.version
            status = msgspec.msgpack.decode(fact.body, type=HostStatus)
            if status.bench is not None and status.bench.left_s is not None:
                return status


async def sample_with(kensho: Kensho, streams: int, queued: int) -> Sample:
    since = time.time()
    while True:
        for sample in (await kensho.call(SAMPLES, ReadSamples(since=since, wait=20))).samples:
            since = sample.at
            if (sample.streams, sample.queued) == (streams, queued) and sample.decode_tok_s:
                return sample


async def test_the_status_tells_whose_it_is_and_its_tokens_are_counted(home: Home) -> None:
    scripted(home, 0.2)
    home.start_scripted_host()
    async with Kensho() as kensho:
        assert (await kensho.status()).bench is None
        run = await kensho.call(START_BENCH, StartBench())
        status = await status_with_time(kensho)
        assert status.bench is not None and status.bench.model == "scripted"
        (worker,) = status.workers
        assert (worker.state, worker.bench) == ("busy", True)

        asked = await submit(kensho, "hello")
        assert asked.queued
        sample = await sample_with(kensho, streams=1, queued=1)
        assert [one.state for one in sample.workers] == ["busy"]
        unloaded = await kensho.call(UNLOAD, Unload())
        assert (unloaded.models, unloaded.busy, unloaded.bench) == ((), ("scripted",), True)

        await kensho.call(STOP_BENCH, BenchRef(bench=run.id))
        status = await kensho.status()
        assert status.bench is None and not any(worker.bench for worker in status.workers)
        assert (await read_to_end(kensho, asked.stream))[1].state == "complete"


async def test_one_that_answers_and_two_that_wait_are_told_apart(home: Home) -> None:
    home.start_scripted_host()
    async with Kensho() as kensho:
        first = await submit(kensho, script(text="word ", repeat=10_000, piece=5, rate=100))
        same_chat = await submit(kensho, "second", chat=first.chat)
        other_chat = await submit(kensho, "third")
        assert same_chat.queued and other_chat.queued
        sample = await sample_with(kensho, streams=3, queued=2)
        assert sample.decode_tok_s > 0
        for asked in (other_chat, same_chat, first):
            await kensho.abort(asked.stream)
