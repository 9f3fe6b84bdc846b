"""What the host offers on the bus about benchmarks."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from kensho_tui.bus.board import FactBoard
from kensho_tui.bus.endpoint import Endpoint, Peer
from kensho_tui.core import bench_contract as bc
from kensho_tui.core.contract import BenchNow, Empty
from kensho_tui.core.model_contract import Defaults
from kensho_tui.dialogue.service import Dialogue
from kensho_tui.host.model_rooms import ModelRooms
from kensho_tui.storage.database import Database

if TYPE_CHECKING:
    from kensho_tui.models.bench.benches import Benches


@dataclass(frozen=True, kw_only=True)
class BenchOffers:
    """Handlers of the methods in `core.bench_contract`; ``changed`` is called when one begins or ends."""

    rooms: ModelRooms
    dialogue: Dialogue
    database: Database
    board: FactBoard
    changed: Callable[[], None]

    def register(self, bus: Endpoint) -> None:
        bus.register(bc.START_BENCH, self._start)
        bus.register(bc.STOP_BENCH, self._stop)
        bus.register(bc.LIST_BENCHES, self._list)
        bus.register(bc.APPLY_BENCH, self._apply)
        bus.register(bc.UNDO_BENCH, self._undo)
        # Who followed a run of a host that was killed learns that none is under way.
        self.board.post(bc.TOPIC_BENCH, bc.BenchFact())

    @cached_property
    def _benches(self) -> "Benches":
        """Made when somebody asks: most starts of a host do not."""
        from kensho_tui.models.bench.benches import Benches
        from kensho_tui.storage.benches import BenchRows

        return Benches(
            self.rooms.bench_tools(),
            self.rooms.library,
            BenchRows(self.database),
            self.dialogue.choose_default,
            self._tell,
            self.changed,
        )

    @property
    def active(self) -> int:
        """How many are under way: one, or none."""
        return int("_benches" in vars(self) and self._benches.active)

    @property
    def now(self) -> BenchNow | None:
        return self._benches.now if "_benches" in vars(self) else None

    async def close(self) -> None:
        """What runs ends as stopped, with what was measured."""
        if "_benches" in vars(self):
            await self._benches.close()

    def _tell(self, run: bc.BenchRun) -> None:
        self.board.post(bc.TOPIC_BENCH, bc.BenchFact(run=run))
        self.changed()  # the host's status says how long it takes still

    async def _start(self, request: bc.StartBench, peer: Peer) -> bc.BenchRun:
        return await self._benches.start(request)

    async def _stop(self, request: bc.BenchRef, peer: Peer) -> Empty:
        await self._benches.stop(request.bench)
        return Empty()

    async def _list(self, request: bc.ListBenches, peer: Peer) -> bc.BenchList:
        return await self._benches.list(request)

    async def _apply(self, request: bc.ApplyBench, peer: Peer) -> Defaults:
        return await self._benches.apply(request)

    async def _undo(self, request: bc.BenchRef, peer: Peer) -> Defaults:
        return await self._benches.undo(request)
