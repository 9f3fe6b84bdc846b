"""What the metrics screen remembers of samples, without a screen."""

from types import SimpleNamespace
from typing import Any

from kensho_tui.core.sample_contract import ReadSamples, Sample, Samples
from kensho_tui.ui.metrics.feed import Feed


async def test_a_clock_that_is_set_back_begins_anew() -> None:
    asked: list[float] = []
    replies = iter([(100.0, 101.0), (10.0, 11.0), (12.0,)])

    async def call(method: object, request: ReadSamples) -> Samples:
        asked.append(request.since)
        return Samples(samples=tuple(Sample(at=at) for at in next(replies)), interval_s=1.0)

    app: Any = SimpleNamespace(session=SimpleNamespace(host=SimpleNamespace(call=call)))
    feed = Feed(app, lambda: None)
    for _ in range(3):
        await feed._read()
    # Else the host would answer at once for as long as the old time lies in the future.
    assert asked == [0.0, 101.0, 11.0]
    assert [sample.at for sample in feed.samples] == [10.0, 11.0, 12.0]
