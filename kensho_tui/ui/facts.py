"""What the host says of itself, its models and its downloads: what of a session has to do with no chat."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from kensho_tui.core import contract as c
from kensho_tui.core.errors import KenshoError
from kensho_tui.ui.arrivals import Arrivals
from kensho_tui.ui.loading import Loads, Progress

if TYPE_CHECKING:
    from kensho_tui.core.hub_contract import Download, HubRepo
    from kensho_tui.ui.ports import Host

# `core.hub_contract` has it, too; that is imported when there is a download first.
TOPIC_DOWNLOADS = "downloads"
TOPICS = (c.TOPIC_HOST, c.TOPIC_CHATS, c.TOPIC_MODELS, TOPIC_DOWNLOADS)


class HostFacts:
    """The host's facts as they were told last; None where it has not said anything yet."""

    def __init__(self, host: "Host", clock: Callable[[], float]) -> None:
        self.host = host
        self.clock = clock
        self.status: c.HostStatus | None = None
        self.models: tuple[c.ModelInfo, ...] | None = None
        self.models_stale = False
        """Whether models came or went in memory since they were listed, so that others may fit now."""
        self.recent: tuple[c.ChatSummary, ...] = ()
        self.downloads: tuple[Download, ...] = ()
        self.arrivals = Arrivals()
        self.suggestions: tuple[HubRepo, ...] = ()
        """Good small models to fetch, with their verdicts here; asked for where there is nothing else."""
        self._suggesting: asyncio.Task[None] | None = None
        self._loads = Loads()

    def take_status(self, status: c.HostStatus) -> bool:
        """True: a model has been unloaded."""
        before = self._at_hand()
        self.status = status
        self._loads.take(status.workers, self.clock())
        now = self._at_hand()
        self.models_stale = self.models_stale or before != now
        return bool(before - now)

    def take_downloads(self, fact: c.Fact) -> None:
        from kensho_tui.core.hub_contract import Downloads

        self.downloads = msgspec.msgpack.decode(fact.body, type=Downloads).downloads
        self.arrivals.take(self.downloads)

    @property
    def bare(self) -> bool:
        """Whether the models are listed, and there is none but what came with the program."""
        return self.models is not None and all(model.source == "starter" for model in self.models)

    @property
    def last_used(self) -> str | None:
        """The model of the newest chat that has one."""
        return next((chat.model for chat in self.recent if chat.model is not None), None)

    def suggest_soon(self, tell: Callable[[], None]) -> None:
        """Ask what could be fetched where there is nothing else, beside everything else; `tell` when it is
        there."""
        if self.bare and not self.suggestions and self._suggesting is None:
            self._suggesting = asyncio.create_task(self._suggest(tell))

    async def _suggest(self, tell: Callable[[], None]) -> None:
        from kensho_tui.core.hub_contract import SEARCH_HUB, SearchHub

        try:
            self.suggestions = (await self.host.call(SEARCH_HUB, SearchHub())).repos
        except KenshoError:
            return  # nobody asked for it: the welcome says what it says without
        tell()

    def suggest_no_more(self) -> None:
        if self._suggesting is not None:
            self._suggesting.cancel()
            self._suggesting = None

    def _at_hand(self) -> set[str]:
        return {worker.model for worker in self.workers if worker.state in ("ready", "busy")}

    @property
    def workers(self) -> tuple[c.WorkerInfo, ...]:
        return self.status.workers if self.status is not None else ()

    @property
    def bench(self) -> c.BenchNow | None:
        """The benchmark under way, as far as is known."""
        return self.status.bench if self.status is not None else None

    def load_of(self, model: str) -> Progress | None:
        """The load of `model`, while there is one."""
        return self._loads.of(model, self.clock())
