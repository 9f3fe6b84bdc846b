"""What one process holds in RAM."""

import sys
from pathlib import Path
from typing import NamedTuple

import psutil

from kensho_tui.hardware.cgroup import ROOT


class OwnMemory(NamedTuple):
    """Bytes. ``private`` comes back only when the process ends; ``file`` is its part of the page cache
    (a mapped model), which others may use too and the kernel may drop.
    """

    private: int
    file: int


GONE = OwnMemory(0, 0)


def own_memory(pid: int, root: Path = ROOT) -> OwnMemory:
    """RAM of process ``pid``; `GONE` when there is no such process.

    Linux counts both kinds for each process, so one small file tells them. USS and PSS would part the pages
    of shared libraries more finely, but walk all page tables: a hundred times the cost with a large model.
    """
    if sys.platform != "linux" and root == ROOT:
        return _resident(pid)
    try:
        lines = (root / f"proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return GONE
    sizes = dict(line.split(":", 1) for line in lines if line.startswith(("Rss", "VmSwap")))
    return OwnMemory(
        _kibibytes(sizes, "RssAnon") + _kibibytes(sizes, "RssShmem") + _kibibytes(sizes, "VmSwap"),
        _kibibytes(sizes, "RssFile"),
    )


def _kibibytes(sizes: dict[str, str], name: str) -> int:
    words = sizes.get(name, "").split()
    return int(words[0]) << 10 if words and words[0].isdigit() else 0


def _resident(pid: int) -> OwnMemory:
    """Where nothing tells files apart (macOS): all resident memory, or that which is only its own."""
    try:
        process = psutil.Process(pid)
        resident = int(process.memory_info().rss)
    except psutil.Error:
        return GONE
    try:
        private = min(int(process.memory_full_info().uss), resident)
    except (psutil.Error, AttributeError):
        return OwnMemory(resident, 0)
    return OwnMemory(private, resident - private)
