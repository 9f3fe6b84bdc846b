"""Figures of runs through a real host: those on the bus are those of the messages."""

import pytest

from kensho_tui.client.facade import Kensho
from kensho_tui.core.errors import NotFoundError, UsageError
from kensho_tui.core.metrics_contract import (
    GENERATIONS,
    MODEL_METRICS,
    ListGenerations,
    ListModelMetrics,
)
from kensho_tui.models.active import active_weights
from kensho_tui.models.gguf.read import read_shape
from tests.support.gguf import write_model
from tests.support.home import Home
from tests.support.turns import read_to_end, read_until, script, submit


async def test_figures_are_those_of_the_messages(home: Home) -> None:
    home.start_scripted_host()
    results = []
    async with Kensho() as kensho:
        for number in range(3):
            submitted = await submit(kensho, script(text=f"word{number} ", repeat=20, piece=6, rate=200))
            results.append((await read_to_end(kensho, submitted.stream))[1])
        listed = (await kensho.call(GENERATIONS, ListGenerations())).generations
        (model,) = (await kensho.call(MODEL_METRICS, ListModelMetrics(days=1))).models
    assert [one.message for one in listed] == [result.id for result in reversed(results)]
    for one, result in zip(listed, reversed(results), strict=True):
        assert (one.usage, one.timings) == (result.usage, result.timings)
        assert (one.state, one.stop_reason, one.from_cache) == ("complete", "end", False)
    speeds = sorted(result.timings.decode_tok_s for result in results if result.timings)
    timings = [result.timings for result in results if result.timings]
    waits = sorted(one.ttft_s - one.queue_s for one in timings)
    figures = model.figures
    assert (model.model, figures.runs, model.from_cache) == ("scripted", 3, 0)
    assert figures.decode is not None and figures.ttft is not None and figures.load is not None
    assert figures.decode.median == pytest.approx(speeds[1], abs=1e-6)
    assert (figures.decode.least, figures.decode.most) == pytest.approx((speeds[0], speeds[2]), abs=1e-6)
    assert figures.ttft.median == pytest.approx(waits[1], abs=1e-6)
    assert figures.load.count == 1  # the first waited for its model
    assert [day.runs for day in model.days] == [3]


async def test_a_stopped_run_is_kept_with_how_it_ended(home: Home) -> None:
    home.start_scripted_host()
    async with Kensho() as kensho:
        submitted = await submit(kensho, script(text="abcd", repeat=400, rate=100))
        await read_until(kensho, submitted.stream, 20)
        await kensho.abort(submitted.stream)
        _, result = await read_to_end(kensho, submitted.stream)
        again = await kensho.resume(submitted.message)
        await read_to_end(kensho, again.stream)
        listed = (await kensho.call(GENERATIONS, ListGenerations(model="script"))).generations
    assert [(one.message, one.state) for one in listed] == [
        (result.id, "complete"),
        (result.id, "stopped"),
    ]
    assert listed[1].timings == result.timings and listed[1].stop_reason == "abort"


async def test_what_a_model_ran_with_is_kept(home: Home) -> None:
    buffers = '#scripted {"weights": 104857600, "kv": 1000, "compute": 500, "rss": 104957600}'
    path = write_model(home.paths.models / "mine.gguf", template=buffers)
    home.start_scripted_host()
    async with Kensho() as kensho:
        submitted = await submit(kensho, "hello", model="mine")
        await read_to_end(kensho, submitted.stream)
        (one,) = (await kensho.call(GENERATIONS, ListGenerations())).generations
        worker = (await kensho.status()).workers[0]
    assert (one.quantisation, one.device, one.context) == ("Q4_K_M", worker.device, worker.context)
    assert worker.footprint is not None and worker.footprint.source == "measured"
    assert (one.memory, one.memory_host) == (worker.footprint.total, worker.footprint.host)
    assert one.active_weights == active_weights(read_shape(path)) > 0
    assert one.threads > 0 and one.kv_type == "f16"
    assert (one.threads_batch > 0, one.batch, one.flash) == (True, 256, "on")


async def test_models_that_never_answered_and_models_that_are_not_there(home: Home) -> None:
    home.start_scripted_host()
    async with Kensho() as kensho:
        found = await kensho.call(MODEL_METRICS, ListModelMetrics(model="scripted"))
        assert (found.models, found.model) == ((), "scripted")
        with pytest.raises(NotFoundError):
            await kensho.call(MODEL_METRICS, ListModelMetrics(model="nothing-like-it"))
        with pytest.raises(UsageError, match="is no date"):
            await kensho.call(GENERATIONS, ListGenerations(since="\x1b[31mlast week"))
