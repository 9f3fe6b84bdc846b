"""How many threads llama.cpp is given.

Decode leaves one core free: with every core decoding, much of the speed is lost as soon as anything else
runs. Where a core is a great share of the machine the worker may try it, and keeps it only while that pays
(`worker/threads.py`). Prefill is bound by arithmetic and takes them all.
"""

import functools
import math
import os
from pathlib import Path

import psutil

from kensho_tui.hardware.cgroup import cpu_quota
from kensho_tui.hardware.kernel_files import ROOT

FEW_CORES = 6


def usable(affinity: int, quota: float | None, physical: int | None) -> int:
    """The least of cores we may run on, quota of our control group and physical cores; at least 1 (pure).

    A quota counts rounded down: threads above it only wait for each other. None means unknown.
    """
    cores = affinity
    if quota is not None:
        cores = min(cores, math.floor(quota))
    if physical is not None:
        cores = min(cores, physical)
    return max(1, cores)


def usable_cores(root: Path = ROOT) -> int:
    """Cores this process may really use now."""
    return usable(_affinity(), cpu_quota(root), physical_cores())


def decode_threads(cores: int) -> int:
    """Threads for decode, one token at a time, on ``cores`` usable cores."""
    return max(1, cores - 1)


def most_decode_threads(cores: int) -> int:
    """Threads that decode may try: the last of many cores is not worth the trials."""
    return max(1, cores) if cores <= FEW_CORES else decode_threads(cores)


def prefill_threads(cores: int) -> int:
    """Threads for prefill on ``cores`` usable cores."""
    return max(1, cores)


@functools.cache
def physical_cores() -> int | None:
    """Physical cores of the machine, or None where it does not say. Asked once: they do not change."""
    cores: int | None = psutil.cpu_count(logical=False)
    return cores


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
