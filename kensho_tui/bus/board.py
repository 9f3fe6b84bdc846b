"""The board of facts: one snapshot per topic, the latest wins, readers pull what is newer."""

import itertools

from kensho_tui.bus.codec import pack
from kensho_tui.bus.hub import MAX_WAIT_S, Changed
from kensho_tui.core.contract import Fact, Facts

MAX_TOPICS = 4096


class FactBoard:
    """Versions grow over all topics together, so a version names one moment of the host's life."""

    def __init__(self) -> None:
        self._facts: dict[str, Fact] = {}
        self._versions = itertools.count(1)
        self._changed = Changed()

    def post(self, topic: str, body: object) -> None:
        """Publish a snapshot; one that says the same as the last is not news."""
        raw = pack(body)
        old = self._facts.pop(topic, None)
        if old is not None and bytes(old.body) == bytes(raw):
            self._facts[topic] = old
            return
        self._facts[topic] = Fact(next(self._versions), raw)
        while len(self._facts) > MAX_TOPICS:
            del self._facts[next(iter(self._facts))]
        self._changed.notify()

    def touch(self, topic: str, body: object) -> None:
        """Publish a snapshot as news even when its body is the same as before."""
        self._facts.pop(topic, None)
        self.post(topic, body)

    def _news(self, seen: dict[str, int]) -> dict[str, Fact]:
        return {
            topic: fact
            for topic, version in seen.items()
            if (fact := self._facts.get(topic)) is not None and fact.version > version
        }

    async def watch(self, seen: dict[str, int], wait: float) -> Facts:
        """Facts of the topics in `seen` that are newer than the versions given there."""
        news = self._news(seen)
        if not news and wait > 0:
            await self._changed.wait(min(wait, MAX_WAIT_S))
            news = self._news(seen)
        return Facts(news)
