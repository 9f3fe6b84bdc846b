"""A scripted NVML: the part of the module ``pynvml`` in use, with cards that change while a test runs."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from kensho_tui.hardware import nvml as room

GIB = 1 << 30
UNINITIALIZED, NOT_SUPPORTED, NO_PERMISSION, NOT_LOADED, FUNCTION_NOT_FOUND = 1, 3, 4, 9, 13
LOST, REPLACED = 15, 18


@dataclass
class Card:
    """One card; sizes in bytes. ``users`` maps a pid to what it holds, None where the driver does not tell.

    ``error`` is the code that every question about it fails with, ``refused`` the code by question. ``load``
    in per cent, ``power`` and ``limit`` in milliwatts.
    """

    total: int = 80 * GIB
    used: int = 0
    reserved: int = 0
    users: dict[int, int | None] = field(default_factory=dict)
    error: int = 0
    load: int = 0
    temperature: int = 30
    power: int = 70_000
    limit: int = 700_000
    refused: dict[str, int] = field(default_factory=dict)


class NvmlError(Exception):
    def __init__(self, value: int) -> None:
        super().__init__(value)
        self.value = value


class MismatchError(Exception):
    """What pynvml raises for a plain name that the driver only has in an older version: no NVMLError."""


class ScriptedNvml:
    """``driver`` False: none is loaded. ``old``: a driver without the second forms. ``calls`` are counted."""

    NVMLError = NvmlError
    nvmlMemory_v2 = 0x02000028

    def __init__(self, *cards: Card, driver: bool = True, old: bool = False) -> None:
        self.cards = list(cards)
        self.driver = driver
        self.old = old
        self.init_error = NOT_LOADED
        self.sessions = 0
        self.names: dict[int, str] = {}
        self.calls: dict[str, int] = {}
        self._open = False

    def unload(self) -> None:
        """The driver goes away: every session of it is void."""
        self.driver = self._open = False

    def _count(self, name: str) -> None:
        self.calls[name] = self.calls.get(name, 0) + 1

    def _card(self, handle: int) -> Card:
        if not self._open:
            raise NvmlError(UNINITIALIZED)
        card = self.cards[handle]
        if card.error:
            raise NvmlError(card.error)
        return card

    def nvmlInit(self) -> None:
        self._count("init")
        if not self.driver:
            raise NvmlError(self.init_error)
        self._open = True
        self.sessions += 1

    def nvmlShutdown(self) -> None:
        if not self._open:
            raise NvmlError(UNINITIALIZED)
        self._open = False

    def nvmlDeviceGetCount(self) -> int:
        return len(self.cards)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        self._card(index)
        return index

    def nvmlDeviceGetName(self, handle: int) -> bytes:
        return f"Card {handle}".encode()

    def nvmlDeviceGetUUID(self, handle: int) -> str:
        return f"GPU-{handle}{handle}{handle}"

    def nvmlDeviceGetMemoryInfo(self, handle: int, version: int | None = None) -> Any:
        self._count("memory")
        card = self._card(handle)
        free = card.total - card.used - card.reserved
        if version is None:
            return SimpleNamespace(total=card.total, used=card.total - free, free=free)
        if self.old:
            raise NvmlError(FUNCTION_NOT_FOUND)
        return SimpleNamespace(total=card.total, used=card.used, free=free, reserved=card.reserved)

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> list[Any]:
        self._count("processes")
        if self.old:
            raise MismatchError
        return self.nvmlDeviceGetComputeRunningProcesses_v2(handle)

    def nvmlDeviceGetComputeRunningProcesses_v2(self, handle: int) -> list[Any]:
        users = self._card(handle).users.items()
        return [SimpleNamespace(pid=pid, usedGpuMemory=size) for pid, size in users]

    def nvmlDeviceGetGraphicsRunningProcesses(self, handle: int) -> list[Any]:
        return []

    def _figure(self, question: str, handle: int) -> Card:
        self._count(question)
        card = self._card(handle)
        if question in card.refused:
            raise NvmlError(card.refused[question])
        return card

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> Any:
        return SimpleNamespace(gpu=self._figure("load", handle).load, memory=0)

    def nvmlDeviceGetTemperature(self, handle: int, sensor: int) -> int:
        assert sensor == 0
        return self._figure("temperature", handle).temperature

    def nvmlDeviceGetPowerUsage(self, handle: int) -> int:
        return self._figure("power", handle).power

    def nvmlDeviceGetEnforcedPowerLimit(self, handle: int) -> int:
        return self._figure("limit", handle).limit

    def nvmlSystemGetProcessName(self, pid: int) -> bytes:
        if pid not in self.names:
            raise NvmlError(NO_PERMISSION)
        return self.names[pid].encode()


def eight(*, used: Sequence[int] = (0,) * 8) -> ScriptedNvml:
    """Eight cards of 80 GiB."""
    return ScriptedNvml(*(Card(used=size) for size in used))


@contextmanager
def installed(monkeypatch: pytest.MonkeyPatch, library: Any) -> Iterator[room.Nvml]:
    """``library`` is this process's NVML, as if pynvml were it."""
    nvml = room.Nvml(library)
    with monkeypatch.context() as patch:
        patch.setattr(room, "session", lambda: nvml)
        yield nvml
