"""The last samples, in memory."""

import asyncio
from bisect import bisect_right
from collections import deque

from kensho_tui.core.sample_contract import Sample

SPAN_S = 600.0
SLACK_S = 5.0
"""A reader whose clock is ours is never further ahead of it than this."""


class Ring:
    """Samples of the last `SPAN_S` seconds, oldest first; `at` grows from one to the next."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque()
        self._news = asyncio.Event()

    def append(self, sample: Sample) -> None:
        """Keep the newest. Where somebody has set the clock back, all others lie in the future: they go."""
        if self._samples and sample.at <= self._samples[-1].at:
            self._samples.clear()
        self._samples.append(sample)
        self._drop(sample.at)
        self._news.set()
        self._news = asyncio.Event()

    def _drop(self, now: float) -> None:
        while self._samples and self._samples[0].at < now - SPAN_S:
            self._samples.popleft()

    def since(self, at: float, now: float) -> tuple[Sample, ...]:
        """What was taken after `at`. A moment in the future is one from before the clock was set back."""
        self._drop(now)
        samples = tuple(self._samples)
        return samples[bisect_right(samples, at, key=_at) if at <= now + SLACK_S else 0 :]

    async def wait(self, seconds: float) -> None:
        """Returns with the next sample, or after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            pass


def _at(sample: Sample) -> float:
    return sample.at
