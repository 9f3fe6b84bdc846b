"""The memory that models live in, device by device, and who else uses it."""

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import psutil

from kensho_tui.hardware.card import Gpu, GpuUser
from kensho_tui.hardware.drivers import drivers
from kensho_tui.hardware.gpu import gpus, named, on_gpu
from kensho_tui.hardware.memory import Ram, ram
from kensho_tui.hardware.metal import metal_limit, wired_mib
from kensho_tui.hardware.nvml import nvidia_sizes, nvidia_users
from kensho_tui.hardware.own import own_memory


@dataclass(frozen=True)
class Pool:
    """One memory, in bytes. ``device`` is llama.cpp's name for what works in it ("CPU", "CUDA0", …).

    ``free``: what a new process may take now; pages of files count as free in RAM, those of our models'
    files too. ``used_by_others``: what processes that are not ours hold. ``total`` 0: nothing tells it.
    """

    kind: Literal["RAM", "VRAM"]
    name: str
    device: str
    total: int
    free: int
    used_by_others: int

    @property
    def known(self) -> bool:
        return self.total > 0

    @property
    def own(self) -> int:
        """What our processes hold."""
        return max(self.total - self.free - self.used_by_others, 0)


def pools(
    device: str,
    own_pids: Collection[int] = (),
    *,
    cards: Sequence[Gpu] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> tuple[Pool, ...]:
    """The memory that a model on llama.cpp's ``device`` lives in: at least one pool, all of one kind.

    VRAM is one pool for each card; RAM is one pool for the CPU, for unified memory, and for GPUs that we
    cannot ask. ``own_pids`` are our workers. Where it is a mapping, its values are the bytes that the caller
    measured for each, and count where the driver does not tell them (containers, WDDM, AMD, unified memory).
    """
    own = dict(own_pids) if isinstance(own_pids, Mapping) else dict.fromkeys(own_pids, 0)
    used = named(device, gpus() if on_gpu(device) and cards is None else cards or (), environ)
    if used and not any(card.unified for _, card in used):
        return _vram(used, own)
    name, card = used[0] if used else ("CPU", None)
    return (_in_ram(name, card, own, ram()),)


def gpu_users(card: Gpu) -> tuple[GpuUser, ...]:
    """The processes that hold memory on ``card``, biggest first; none where nothing tells them."""
    if card.vendor != "nvidia":
        return ()
    return drivers.ask(lambda: nvidia_users(card, _program)) or ()


def _vram(used: Sequence[tuple[str, Gpu]], own: Mapping[int, int]) -> tuple[Pool, ...]:
    # Who is on a card that does not answer matters to nobody.
    asked = {name: card for name, card in used if own and card.total}
    told = drivers.ask(lambda: {name: nvidia_sizes(card) for name, card in asked.items()}) if asked else None
    held = told or {}
    # What the driver does not tell is parted as llama.cpp parts layers: by the sizes of the cards.
    seen = {pid for by_pid in held.values() for pid, size in by_pid.items() if size}
    untold = sum(measured for pid, measured in own.items() if pid not in seen)
    whole = sum(card.total for _, card in used) or 1
    return tuple(
        _card_pool(
            name,
            card,
            sum(held.get(name, {}).get(pid) or 0 for pid in own) + untold * card.total // whole,
        )
        for name, card in used
    )


def _card_pool(name: str, card: Gpu, own: int) -> Pool:
    free = max(card.total - card.used, 0)
    return Pool("VRAM", card.name, name, card.total, free, max(card.used - own, 0))


def _in_ram(device: str, card: Gpu | None, own: Mapping[int, int], memory: Ram) -> Pool:
    private = {pid: own_memory(pid).private for pid in own}
    if card is None:
        return _ram_pool("RAM", device, memory, sum(private.values()))
    # Drivers count what a GPU uses of RAM apart from the process it is for.
    ours = sum(max(private[pid], measured) for pid, measured in own.items())
    if card.vendor == "apple":
        return metal_pool(card.name, device, memory, ours, metal_limit(memory.total, wired_mib()))
    return _ram_pool(card.name, device, memory, ours)


def _ram_pool(name: str, device: str, memory: Ram, own: int) -> Pool:
    return Pool("RAM", name, device, memory.total, memory.available, max(memory.used - own, 0))


def metal_pool(name: str, device: str, memory: Ram, own: int, limit: int) -> Pool:
    """Metal's part of RAM: no more than ``limit``, and no more than is available (pure)."""
    free = max(min(limit - own, memory.available), 0)
    return Pool("RAM", name, device, limit, free, max(limit - own - free, 0))


def _program(pid: int) -> str:
    try:
        return str(psutil.Process(pid).name())
    except (psutil.Error, ValueError):
        return ""


def foreign(users: Iterable[GpuUser], own_pids: Collection[int], most: int = 3) -> tuple[GpuUser, ...]:
    """The biggest of ``users`` that are not ours (pure)."""
    return tuple(user for user in users if user.pid not in own_pids)[:most]
