"""What is known about one GPU, and about who uses it."""

from dataclasses import dataclass
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


def unified(name: str, vendor: Vendor, memory: Ram) -> Gpu:
    """A GPU that works in the machine's RAM."""
    return Gpu(name, vendor, memory.total, memory.used, unified=True)
