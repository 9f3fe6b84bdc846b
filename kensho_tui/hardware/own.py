"""What one process holds in RAM, and what of the CPU it used."""

import functools
import os
import sys
from pathlib import Path
from typing import NamedTuple

import psutil

from kensho_tui.hardware.kernel_files import ROOT, text_of


class OwnMemory(NamedTuple):
    """Bytes. ``private`` comes back only when the process ends; ``file`` is its part of the page cache
    (a mapped model), which others may use too and the kernel may drop.
    """

    private: int
    file: int


GONE = OwnMemory(0, 0)
# Places in /proc/PID/stat, counted from the state that follows the name (proc(5), fields 14 and 15).
_USER_TIME, _SYSTEM_TIME = 11, 12


def own_memory(pid: int, root: Path = ROOT) -> OwnMemory:
    """RAM of process ``pid``; `GONE` when there is no such process.

    Linux counts both kinds for each process, so one small file tells them. USS and PSS would part the pages
    of shared libraries more finely, but walk all page tables: a hundred times the cost with a large model.
    """
    if sys.platform != "linux" and root == ROOT:
        return _resident(pid)
    sizes = _by_name(text_of(root / f"proc/{pid}/status"))
    return OwnMemory(
        _kibibytes(sizes, "RssAnon") + _kibibytes(sizes, "RssShmem") + _kibibytes(sizes, "VmSwap"),
        _kibibytes(sizes, "RssFile"),
    )


class ProcessUse(NamedTuple):
    """``ram``: resident memory, ``file`` the pages of files in it (bytes); ``cpu_s``: user and system."""

    ram: int
    file: int
    cpu_s: float


def process_use(pid: int, root: Path = ROOT) -> ProcessUse | None:
    """What process ``pid`` uses now; None when there is no such process."""
    if sys.platform != "linux" and root == ROOT:
        return _use(pid)
    sizes = _by_name(text_of(root / f"proc/{pid}/status"))
    # The program's name comes before, in brackets, and may hold anything.
    words = text_of(root / f"proc/{pid}/stat").rpartition(")")[2].split()
    if len(words) <= _SYSTEM_TIME:
        return None
    ticks = int(words[_USER_TIME]) + int(words[_SYSTEM_TIME])
    return ProcessUse(_kibibytes(sizes, "VmRSS"), _kibibytes(sizes, "RssFile"), ticks / tick_rate())


@functools.cache
def tick_rate() -> int:
    """Ticks per second in which Linux tells CPU time."""
    return os.sysconf("SC_CLK_TCK")


def _use(pid: int) -> ProcessUse | None:
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            times = process.cpu_times()
            return ProcessUse(int(process.memory_info().rss), 0, float(times.user + times.system))
    except psutil.Error:
        return None


def _by_name(status: str) -> dict[str, str]:
    """What /proc/PID/status says, by name (pure). The kernel lets no program's name begin a line there."""
    return {name: told for name, _, told in (line.partition(":") for line in status.split("\n"))}


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
