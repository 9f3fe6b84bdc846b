"""What is known about one GPU, what it does, and who uses it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from kensho_tui.hardware.memory import Ram

Vendor = Literal["nvidia", "amd", "apple"]


@dataclass(frozen=True)
class Gpu:
    """One GPU; ``total`` and ``used`` (by all processes) in bytes, ``total`` 0 where nothing tells it.

    ``total`` is what processes can have: what the driver keeps for itself, ``reserved``, is not in it.
    ``unified``: it shares the machine's RAM, and the sizes are those of RAM.
    """

    name: str
    vendor: Vendor
    total: int = 0
    used: int = 0
    unified: bool = False
    uuid: str = ""
    reserved: int = 0


@dataclass(frozen=True)
class GpuUser:
    """A process with memory on a GPU. ``size`` in bytes, None where the driver does not tell it.

    ``pid`` is the driver's: inside a container it may be of another PID namespace. ``name`` is the
    program's, without its folder; empty where it is not known.
    """

    pid: int
    name: str
    size: int | None


@dataclass(frozen=True)
class CardReading:
    """One look at a GPU. ``device`` stays the same for as long as it is in the machine.

    ``load`` is a share between 0 and 1, ``temperature`` in degrees Celsius, ``power`` in watts; None where
    nothing tells it. ``users``: bytes by process (None: not told); empty also where nobody asked or nothing
    lists processes.
    """

    card: Gpu
    device: str
    load: float | None = None
    temperature: float | None = None
    power: float | None = None
    power_limit: float | None = None
    users: Mapping[int, int | None] = field(default_factory=dict)


def device_key(card: Gpu, place: int) -> str:
    """What stays the same of a card: its own number, else its ``place`` among its vendor's (pure)."""
    return card.uuid or f"{card.vendor}-{place}"


def unified(name: str, vendor: Vendor, memory: Ram) -> Gpu:
    """A GPU that works in the machine's RAM."""
    return Gpu(name, vendor, memory.total, memory.used, unified=True)
