"""What a benchmark works with."""

from collections.abc import Sequence
from dataclasses import dataclass

from kensho_tui.models.bench.bare import BARE_COMMAND
from kensho_tui.models.bench.neighbour import SPIN_COMMAND
from kensho_tui.models.manager import ModelManager
from kensho_tui.models.plan import Planner


@dataclass(frozen=True)
class Tools:
    """``cores`` that may be used, ``paying`` as in `grid.Machine`; the commands of the children."""

    manager: ModelManager
    planner: Planner
    cores: int
    paying: tuple[int, int]
    spin: Sequence[str] = SPIN_COMMAND
    bare: Sequence[str] = BARE_COMMAND
