"""The figures that are shown, against a clock outside: the host, its worker and the model are the real ones.

A loaded machine holds up a reader by a few milliseconds now and then. So every run has to agree roughly, and
one of a few closely: what is computed wrongly never does.
"""

import json
import time

import psutil
import pytest

from kensho_tui.client.facade import Kensho
from kensho_tui.core.contract import Sampling, Submit
from kensho_tui.core.sample_contract import SAMPLES, ReadSamples
from tests.support.home import Home
from tests.support.outside import Seen, watch

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]

RUNS = 6
GIVEN = ("temperature", "seed", "max_tokens")


async def run(kensho: Kensho, number: int) -> Seen:
    sampling = Sampling(temperature=0.8, seed=number, max_tokens=64)
    prompt = f"Tell a long story, number {number}, of the sea and a lighthouse."
    began = time.monotonic()
    asked = await kensho.submit(Submit(prompt=prompt, sampling=sampling, given=GIVEN))
    return await watch(kensho, asked.stream, began)


async def test_figures_are_those_of_a_clock_outside(home: Home) -> None:
    async with Kensho(front_end=True) as kensho:
        runs = [await run(kensho, number) for number in range(RUNS)]
        samples = await kensho.call(SAMPLES, ReadSamples(wait=10))
        worker = samples.samples[-1].workers[0]
        resident = psutil.Process(worker.pid).memory_info().rss
    # The host cannot know of text later than whoever reads it, nor of a prompt before it is sent.
    assert all(0 < one.ttft_off_s < 0.5 for one in runs), runs
    assert min(one.ttft_off_s for one in runs) < 0.01
    assert all(abs(one.decode_off) < 0.3 for one in runs), [one.decode_off for one in runs]
    assert min(abs(one.decode_off) for one in runs) < 0.02
    assert worker.ram == pytest.approx(resident, rel=0.02)
    shown = json.loads(home.run("metrics", "--json").stdout)["generations"]
    kept = {generation["message"]: generation["timings"] for generation in shown}
    for one in runs:
        timings = one.result.timings
        assert timings is not None and kept[one.result.id]["decode_tok_s"] == timings.decode_tok_s
        assert kept[one.result.id]["ttft_s"] == timings.ttft_s
