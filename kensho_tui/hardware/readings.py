"""One look at the machine and one at its GPUs: counters, of which two looks make rates. Everything blocks."""

import os
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import psutil

from kensho_tui.hardware.card import CardReading, Gpu, device_key
from kensho_tui.hardware.cgroup import cpu_used
from kensho_tui.hardware.gpu import amd_cards, apple, nvidia_files
from kensho_tui.hardware.kernel_files import ROOT, text_of
from kensho_tui.hardware.memory import Ram, ram
from kensho_tui.hardware.nvml import nvidia_readings
from kensho_tui.hardware.own import ProcessUse, process_use, tick_rate

# Thousandths, millionths and per cent, as the kernel's hwmon interface tells them.
_MILLI, _MICRO, _PER_CENT = 1e-3, 1e-6, 1e-2
# Columns of a line of /proc/stat (proc(5)): what the cores waited in, and the last that is not counted twice.
_IDLE, _WAITING, _COLUMNS = 3, 4, 8


class CpuTimes(NamedTuple):
    """Seconds that our cores were busy, and that they had, since some moment; ``cores`` there are for us."""

    busy: float
    total: float
    cores: int


@dataclass(frozen=True)
class MachineReading:
    """``moment`` is monotonic, ``own_cpu_s`` this process's CPU time; ``processes``: those that live."""

    moment: float
    cpu: CpuTimes
    ram: Ram
    own_cpu_s: float
    processes: Mapping[int, ProcessUse]


def read_machine(pids: Collection[int], root: Path = ROOT) -> MachineReading:
    """CPU, RAM, this process, and the processes ``pids``."""
    moment = time.monotonic()
    used = {pid: use for pid in pids if (use := process_use(pid, root)) is not None}
    return MachineReading(moment, cpu_times(moment, root), ram(root), time.process_time(), used)


def cpu_times(moment: float, root: Path = ROOT) -> CpuTimes:
    """Of the cores that we may run on; where a control group allows less than they have, of that."""
    if sys.platform != "linux" and root == ROOT:
        times = psutil.cpu_times()
        total = float(sum(times))
        return CpuTimes(total - float(times.idle), total, os.cpu_count() or 1)
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    cores = _cores(text_of(root / "proc/stat"))
    ours = [times for number, times in cores.items() if allowed is None or number in allowed]
    group = cpu_used(root)
    if group is not None and group[1] < len(ours):
        used, quota = group
        return CpuTimes(used, moment * quota, max(round(quota), 1))
    return CpuTimes(sum(busy for busy, _ in ours), sum(total for _, total in ours), len(ours) or 1)


def _cores(text: str) -> dict[int, tuple[float, float]]:
    """Busy and all seconds of each core, from what /proc/stat says (pure)."""
    found = {}
    for line in text.splitlines():
        name, *words = line.split()
        if not name.startswith("cpu"):
            break
        if name[3:].isdigit() and all(word.isdigit() for word in words):
            ticks = [int(word) for word in words[:_COLUMNS]]
            total, idle = sum(ticks), sum(ticks[_IDLE : _WAITING + 1])
            found[int(name[3:])] = ((total - idle) / tick_rate(), total / tick_rate())
    return found


def read_cards(users: bool, root: Path = ROOT) -> tuple[CardReading, ...]:
    """Every GPU of this machine, in the order of `hardware.gpu.gpus`, with its processes if ``users``."""
    nvidia = nvidia_readings(users) or tuple(_plain(nvidia_files(root)))
    amd = tuple(_amd(place, card, folder) for place, (card, folder) in enumerate(amd_cards(root)))
    return nvidia + amd + tuple(_plain(apple()))


def silent(reading: CardReading) -> CardReading:
    """A card whose driver does not answer any more."""
    return CardReading(replace(reading.card, total=0, used=0), reading.device)


def _plain(cards: Collection[Gpu]) -> Iterator[CardReading]:
    for place, card in enumerate(cards):
        yield CardReading(card, device_key(card, place))


def _amd(place: int, card: Gpu, folder: Path) -> CardReading:
    """Names and units: the kernel's documentation of amdgpu and of hwmon's sysfs interface."""
    sensors = next(iter(sorted((folder / "hwmon").glob("hwmon*"))), folder)
    power = _figure(sensors / "power1_average", _MICRO)
    load = _figure(folder / "gpu_busy_percent", _PER_CENT)
    return CardReading(
        card,
        device_key(card, place),
        load=None if load is None else min(load, 1.0),
        temperature=_figure(sensors / "temp1_input", _MILLI),
        power=_figure(sensors / "power1_input", _MICRO) if power is None else power,
        power_limit=_figure(sensors / "power1_cap", _MICRO),
    )


def _figure(path: Path, unit: float) -> float | None:
    text = text_of(path)
    return int(text) * unit if text.isdigit() else None
