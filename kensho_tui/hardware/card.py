"""What is known about one GPU."""

from dataclasses import dataclass
from typing import Literal

from kensho_tui.hardware.memory import Ram

Vendor = Literal["nvidia", "amd", "apple"]


@dataclass(frozen=True)
class Gpu:
    """One GPU; ``total`` and ``used`` (by all processes) in bytes, ``total`` 0 where nothing tells it.

    ``unified``: it shares the machine's RAM, and the sizes are those of RAM.
    """

    name: str
    vendor: Vendor
    total: int = 0
    used: int = 0
    unified: bool = False
    uuid: str = ""


def unified(name: str, vendor: Vendor, memory: Ram) -> Gpu:
    """A GPU that works in the machine's RAM."""
    return Gpu(name, vendor, memory.total, memory.used, unified=True)
