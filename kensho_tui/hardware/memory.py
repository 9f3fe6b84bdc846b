"""RAM as this process may use it: the machine's, or less where a control group limits it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from kensho_tui.hardware.cgroup import MemoryGroup, memory_groups
from kensho_tui.hardware.kernel_files import ROOT


@dataclass(frozen=True)
class Ram:
    """Bytes. ``limited``: a control group allows less than the machine has."""

    total: int
    available: int
    limited: bool = False

    @property
    def used(self) -> int:
        return self.total - self.available


def within(total: int, available: int, groups: Sequence[MemoryGroup]) -> Ram:
    """The machine's memory cut to the tightest of ``groups`` (pure)."""
    limit = min([total, *(group.limit for group in groups)])
    left = min([available, limit, *(max(0, group.limit - group.used) for group in groups)])
    return Ram(limit, left, limited=limit < total)


def ram(root: Path = ROOT) -> Ram:
    """RAM now."""
    machine = psutil.virtual_memory()
    return within(machine.total, machine.available, memory_groups(root))
