"""NVIDIA cards through NVML (package ``nvidia-ml-py``, the extra ``nvidia``)."""

import functools
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from kensho_tui.hardware.card import CardReading, Gpu, GpuUser, device_key, unified
from kensho_tui.hardware.memory import ram

RETRY_S = 10.0
# NVML's return codes are part of its ABI.
_UNINITIALIZED = 1
_INVALID_ARGUMENT = 2
_NOT_SUPPORTED = 3
_NO_PERMISSION = 4
_DRIVER_NOT_LOADED = 9
_FUNCTION_NOT_FOUND = 13
_DRIVER_REPLACED = 18
_OTHER_VERSION = 25
_SESSION_GONE = frozenset({_UNINITIALIZED, _DRIVER_NOT_LOADED, _DRIVER_REPLACED})
# A driver older than the second form of the memory question; None: not an error of NVML at all.
_TOO_NEW = frozenset({None, _INVALID_ARGUMENT, _NOT_SUPPORTED, _FUNCTION_NOT_FOUND, _OTHER_VERSION})
# What is refused so is refused for as long as the session lasts.
_NEVER = frozenset({None, _INVALID_ARGUMENT, _NOT_SUPPORTED, _NO_PERMISSION, _FUNCTION_NOT_FOUND})
_GPU_SENSOR = 0
# Newer libraries refuse the plain name beside an older driver, and take the versioned one.
_LISTS = (
    ("nvmlDeviceGetComputeRunningProcesses", "nvmlDeviceGetComputeRunningProcesses_v2"),
    ("nvmlDeviceGetGraphicsRunningProcesses", "nvmlDeviceGetGraphicsRunningProcesses_v2"),
)


class Nvml:
    """The driver's counters. Raises nothing: what is not told is a card without sizes, or no card.

    Every question may hang with the driver. ``library`` is the module ``pynvml``. Its session is opened by
    the first question and kept. When it breaks (driver unloaded or replaced, cards lost) it is opened again,
    not more often than each `RETRY_S`.
    """

    def __init__(self, library: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._library = library
        self._clock = clock
        self._lock = threading.Lock()
        self._known: list[tuple[Any, Gpu]] = []
        self._open = False
        self._tried: float | None = None
        self._second_form = True
        self._refused: set[tuple[str, int]] = set()
        self._limits: dict[int, float] = {}

    @property
    def known(self) -> tuple[Gpu, ...]:
        """The cards seen last, without sizes: asks nothing."""
        return tuple(card for _, card in self._known)

    def cards(self) -> tuple[Gpu, ...]:
        """All cards with what is used on them now; those `known` while no driver answers."""
        with self._lock:
            return self._cards()

    def readings(self, users: bool) -> tuple[CardReading, ...]:
        """All cards with what they do now, and with their processes if ``users``.

        A question that a card refuses for good is asked once in a session, and so is its power limit.
        """
        with self._lock:
            cards = self._cards()
            return tuple(
                self._reading(place, card, users) if self._open and card.total else _silent(place, card)
                for place, card in enumerate(cards)
            )

    def _cards(self) -> tuple[Gpu, ...]:
        if not self._opened():
            return self.known
        cards = tuple(self._measured(handle, card) for handle, card in self._known)
        if cards and not any(card.total for card in cards):
            self._close()
        return cards

    def _reading(self, place: int, card: Gpu, users: bool) -> CardReading:
        handle, _ = self._known[place]
        rates = self._told("nvmlDeviceGetUtilizationRates", place)
        if place not in self._limits:
            limit = _number(self._told("nvmlDeviceGetEnforcedPowerLimit", place), 1e-3)
            if limit is not None:
                self._limits[place] = limit
        load = _number(getattr(rates, "gpu", None), 1e-2)
        return CardReading(
            card,
            device_key(card, place),
            load=None if load is None else min(load, 1.0),
            temperature=_number(self._told("nvmlDeviceGetTemperature", place, _GPU_SENSOR)),
            power=_number(self._told("nvmlDeviceGetPowerUsage", place), 1e-3),
            power_limit=self._limits.get(place),
            users=_joined([self._listed(names, handle) for names in _LISTS]) if users else {},
        )

    def _told(self, question: str, place: int, *more: Any) -> Any:
        """`_ask` about the card at ``place``, unless it is known to refuse."""
        if (question, place) in self._refused:
            return None
        try:
            return getattr(self._library, question)(self._known[place][0], *more)
        except Exception as error:
            if _code(error) in _NEVER:
                self._refused.add((question, place))
            return None

    def sizes(self, card: Gpu) -> dict[int, int | None]:
        """Bytes by process on ``card``; None where the driver does not tell (containers, WDDM)."""
        with self._lock:
            handle = self._handle(card)
            if handle is None:
                return {}
            return _joined([self._listed(names, handle) for names in _LISTS])

    def name(self, pid: int) -> str:
        """The program of a process as the driver knows it, or an empty string."""
        with self._lock:
            path = _text(self._ask("nvmlSystemGetProcessName", pid))
        return path.rpartition("/")[2]

    def _handle(self, card: Gpu) -> Any:
        if not self._opened():
            return None
        return next((handle for handle, known in self._known if card.uuid and known.uuid == card.uuid), None)

    def _opened(self) -> bool:
        now = self._clock()
        if not self._open and (self._tried is None or now - self._tried >= RETRY_S):
            self._tried = now
            try:
                self._library.nvmlInit()
                self._open = True
                # Between calls the driver may have come back with other cards.
                self._known = self._found()
                self._refused.clear()
                self._limits.clear()
            except Exception:  # no driver, or a library that is half there: neither has numbers
                self._close()
        return self._open

    def _close(self) -> None:
        self._open = False
        self._ask("nvmlShutdown")

    def _found(self) -> list[tuple[Any, Gpu]]:
        handles = [
            self._ask("nvmlDeviceGetHandleByIndex", index)
            for index in range(self._library.nvmlDeviceGetCount())
        ]
        # One that was lost before we came, or is not ours to use, has none: CUDA does not count it either.
        return [(handle, self._described(handle)) for handle in handles if handle is not None]

    def _described(self, handle: Any) -> Gpu:
        name = _text(self._ask("nvmlDeviceGetName", handle)) or "NVIDIA GPU"
        return Gpu(name, "nvidia", uuid=_text(self._ask("nvmlDeviceGetUUID", handle)))

    def _ask(self, question: str, *arguments: Any) -> Any:
        """An answer that can be done without: None whatever goes wrong."""
        try:
            return getattr(self._library, question)(*arguments)
        except Exception:
            return None

    def _measured(self, handle: Any, card: Gpu) -> Gpu:
        if not self._open:
            return card
        try:
            memory = self._memory(handle)
        except Exception as error:  # of the library's own kinds, or an AttributeError of its age
            if _code(error) in _SESSION_GONE:
                self._close()
            if _code(error) != _NOT_SUPPORTED:
                return card  # fallen off the bus, or not ours to ask
            return replace(unified(card.name, "nvidia", ram()), uuid=card.uuid)
        if not memory.total:
            return replace(unified(card.name, "nvidia", ram()), uuid=card.uuid)
        reserved = int(getattr(memory, "reserved", 0))
        total = max(int(memory.total) - reserved, 0)
        return replace(card, total=total, used=max(total - int(memory.free), 0), reserved=reserved)

    def _memory(self, handle: Any) -> Any:
        """The second form tells what the driver reserves; the first counts that as used."""
        if self._second_form:
            try:
                return self._library.nvmlDeviceGetMemoryInfo(handle, version=self._library.nvmlMemory_v2)
            except Exception as error:
                if _code(error) not in _TOO_NEW:
                    raise
                self._second_form = _code(error) == _NOT_SUPPORTED
        return self._library.nvmlDeviceGetMemoryInfo(handle)

    def _listed(self, names: Sequence[str], handle: Any) -> Sequence[Any]:
        answers = (self._ask(name, handle) for name in names)
        return next((answer for answer in answers if answer is not None), ())


def _joined(lists: Sequence[Sequence[Any]]) -> dict[int, int | None]:
    """A process is once in a list for each slice of the card, and in both lists with the same memory."""
    found: dict[int, int | None] = {}
    for entries in lists:
        sizes: dict[int, int] = {}
        for entry in entries:
            sizes[int(entry.pid)] = sizes.get(int(entry.pid), 0) + int(entry.usedGpuMemory or 0)
        for pid, size in sizes.items():
            found[pid] = max(size, found.get(pid) or 0) or None
    return found


@functools.cache
def session() -> Nvml | None:
    """The one session of this process; None without the library. The first call imports it."""
    try:
        import pynvml
    except (ImportError, OSError):
        return None
    return Nvml(pynvml)


def nvidia_gpus() -> tuple[Gpu, ...]:
    """NVIDIA cards, or none without library, driver or card. The first call loads the driver's library."""
    nvml = session()
    return nvml.cards() if nvml else ()


def nvidia_known() -> tuple[Gpu, ...]:
    """Those that `nvidia_gpus` saw last, without sizes: asks no driver."""
    nvml = session()
    return nvml.known if nvml else ()


def nvidia_sizes(card: Gpu) -> dict[int, int | None]:
    """Bytes by process on a card of `nvidia_gpus`; None where the driver does not tell."""
    nvml = session()
    return nvml.sizes(card) if nvml else {}


def nvidia_users(card: Gpu, name: Callable[[int], str]) -> tuple[GpuUser, ...]:
    """The processes on ``card``, biggest first; `name` is asked for programs the driver does not know."""
    nvml = session()
    if nvml is None:
        return ()
    users = (GpuUser(pid, nvml.name(pid) or name(pid), size) for pid, size in nvml.sizes(card).items())
    return tuple(sorted(users, key=lambda user: (-(user.size or 0), user.pid)))


def nvidia_readings(users: bool) -> tuple[CardReading, ...]:
    """`nvidia_gpus` with what they do now, and with their processes if ``users``."""
    nvml = session()
    return nvml.readings(users) if nvml else ()


def _silent(place: int, card: Gpu) -> CardReading:
    return CardReading(card, device_key(card, place))


def _number(value: Any, unit: float = 1.0) -> float | None:
    """A figure in ``unit``; None for what is none."""
    return value * unit if isinstance(value, int | float) and 0 <= value < float("inf") else None


def _code(error: Exception) -> int | None:
    """NVML's return code, or None for what is no error of NVML."""
    value = getattr(error, "value", None)
    return value if isinstance(value, int) else None


def _text(value: str | bytes | None) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value or ""
