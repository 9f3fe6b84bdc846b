"""What the metrics screen remembers of samples, without a screen."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from kensho_tui.core.sample_contract import ReadSamples, Sample, Samples
from kensho_tui.ui.metrics.now.feed import Feed


def feed_of(asked: list[float], *replies: tuple[float, ...], changed: Callable[[], None]) -> Feed:
    """One to which the host answers with samples of these times; ``asked`` has the times it was asked for."""
    times = iter(replies)

    async def call(method: object, request: ReadSamples) -> Samples:
        asked.append(request.since)
        return Samples(samples=tuple(Sample(at=at) for at in next(times)), interval_s=1.0)

    app: Any = SimpleNamespace(session=SimpleNamespace(host=SimpleNamespace(call=call)))
    return Feed(app, changed)


async def test_a_clock_that_is_set_back_begins_anew() -> None:
    asked: list[float] = []
    feed = feed_of(asked, (100.0, 101.0), (10.0, 11.0), (12.0,), changed=lambda: None)
    for _ in range(3):
        await feed._read()
    # Else the host would answer at once for as long as the old time lies in the future.
    assert asked == [0.0, 101.0, 11.0]
    assert [sample.at for sample in feed.samples] == [10.0, 11.0, 12.0]


async def test_where_no_sample_comes_for_long_the_old_ones_are_no_news_any_more() -> None:
    drawn: list[bool] = []
    feed = feed_of([], (100.0, 101.0), (), changed=lambda: drawn.append(feed.now is not None))
    await feed._read()
    await feed._read()
    assert drawn == [True, False] and feed.latest is None
