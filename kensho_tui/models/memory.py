"""MemoryManager: how much memory a new model may take, with true numbers.

What the system calls free is not all there is to know: pages of mapped model files count as available RAM
though the residents need them, and a person may allow less than the machine has.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from kensho_tui.core.frames import DeviceMemory
from kensho_tui.core.model_info import Footprint
from kensho_tui.hardware.pools import Pool

RAM = "CPU"
"""The device whose memory is RAM."""
MARGIN = 512 << 20
MARGIN_SHARE = 0.05

ReadPools = Callable[[str, Mapping[int, int]], Sequence[Pool]]


@dataclass(frozen=True)
class Taken:
    """What one of our residents holds on llama.cpp's ``device``."""

    pid: int
    device: str
    footprint: Footprint


@dataclass(frozen=True)
class Room:
    """Bytes of one kind of memory. ``free``: what a new model may take while all residents stay, below 0
    where they take more than they should; ``whole``: what it could take if it were alone; ``others``: what
    foreign processes use. ``limit``: what a person allows all models together, where that is what binds.

    Not ``known``: nothing tells how much there is, so no model is refused for want of it.
    """

    kind: Literal["RAM", "VRAM"]
    free: int
    whole: int
    total: int
    others: int = 0
    limit: int = 0
    known: bool = True


# What stands for the room on a card that nothing tells the size of.
BOUNDLESS = 1 << 62


def margin(total: int) -> int:
    """Left free for everything else: drivers and desktops take memory in lumps."""
    return min(max(MARGIN, int(total * MARGIN_SHARE)), total // 4)


def room_in(pools: Sequence[Pool], taken: Sequence[Taken], limit: int) -> Room:
    """The room in ``pools``, all of one kind, beside ``taken``; ``limit`` 0: none is set (pure).

    On a GPU the smaller of what the driver calls free and of what others and we leave; in RAM what is
    available without the pages of our models' files.
    """
    kind = pools[0].kind
    ours = sum(one.footprint.total for one in taken)
    if not all(pool.total for pool in pools):
        whole = limit or BOUNDLESS
        return Room(kind, whole - ours, whole, 0, limit=limit, known=bool(limit))
    total = sum(pool.total for pool in pools)
    others = sum(pool.used_by_others for pool in pools)
    spare = margin(total)
    reported = sum(pool.free for pool in pools)
    if kind == "RAM":
        reported -= sum(one.footprint.weights - one.footprint.copies for one in taken)
    free = min(reported, total - others - ours) - spare
    whole = total - spare
    binds = bool(limit) and limit - ours < free
    if limit:
        free, whole = min(free, limit - ours), min(whole, limit)
    return Room(kind, free, max(whole, 0), total, others, limit if binds else 0)


class MemoryManager:
    """Reads the memory of a device. ``limit`` in bytes is what all models may take together (0: no limit)."""

    def __init__(self, read: ReadPools, limit: int = 0) -> None:
        self._read = read
        self.limit = limit
        self._told: dict[str, tuple[int, int]] = {}

    def learn(self, devices: Sequence[DeviceMemory], own: int) -> None:
        """What llama.cpp says of its GPUs, ``own`` bytes of them ours: for where no driver tells."""
        ours = own // max(len(devices), 1)
        self._told = {gpu.name: (gpu.total, max(gpu.total - gpu.free - ours, 0)) for gpu in devices}

    def room(self, device: str, taken: Sequence[Taken], *, limited: bool = True) -> Room:
        """The room on llama.cpp's ``device`` now, within the limit if that is `limited`. Asks drivers: some
        milliseconds, best in a thread.
        """
        pools = self._read(device, {one.pid: one.footprint.total for one in taken})
        ours = sum(one.footprint.total for one in taken) // max(len(pools), 1)
        return room_in([self._filled(pool, ours) for pool in pools], taken, self.limit if limited else 0)

    def _filled(self, pool: Pool, ours: int) -> Pool:
        if pool.total or pool.device not in self._told:
            return pool
        total, others = self._told[pool.device]
        return replace(pool, total=total, free=max(total - others - ours, 0), used_by_others=others)
