"""What the host offers on the bus about what models did here."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from kensho_tui.bus.endpoint import Endpoint, Peer
from kensho_tui.core import metrics_contract as mc
from kensho_tui.models.library import Library
from kensho_tui.storage.database import Database

if TYPE_CHECKING:
    from kensho_tui.metrics.history import History


@dataclass(frozen=True, kw_only=True)
class MetricOffers:
    """Handlers of the methods in `core.metrics_contract`."""

    database: Database
    library: Library

    def register(self, bus: Endpoint) -> None:
        bus.register(mc.GENERATIONS, self._generations)
        bus.register(mc.MODEL_METRICS, self._models)

    @cached_property
    def _history(self) -> "History":
        """Made when somebody asks: most starts of a host do not."""
        from kensho_tui.metrics.history import History
        from kensho_tui.storage.generations import GenerationRows

        return History(GenerationRows(self.database), self._installed)

    async def _installed(self, reference: str) -> str:
        return (await self.library.find(reference)).name

    async def _generations(self, request: mc.ListGenerations, peer: Peer) -> mc.Generations:
        return await self._history.generations(request)

    async def _models(self, request: mc.ListModelMetrics, peer: Peer) -> mc.ModelMetricsList:
        return await self._history.models(request)
