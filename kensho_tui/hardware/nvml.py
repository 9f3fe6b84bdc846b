"""NVIDIA cards through NVML (package ``nvidia-ml-py``, the extra ``nvidia``)."""

import functools
from dataclasses import replace
from typing import Any

from kensho_tui.hardware.card import Gpu, unified
from kensho_tui.hardware.memory import ram


class Nvml:
    """The driver's counters. ``library`` is the module ``pynvml``; its session lasts as long as we do.

    Raises the library's ``NVMLError`` when there is no driver.
    """

    def __init__(self, library: Any) -> None:
        self._library = library
        library.nvmlInit()
        self._handles = [library.nvmlDeviceGetHandleByIndex(i) for i in range(library.nvmlDeviceGetCount())]
        self._cards = [
            Gpu(
                _text(library.nvmlDeviceGetName(handle)),
                "nvidia",
                uuid=_text(library.nvmlDeviceGetUUID(handle)),
            )
            for handle in self._handles
        ]

    def cards(self) -> tuple[Gpu, ...]:
        """All cards with what is used on them now."""
        return tuple(self._measured(*pair) for pair in zip(self._handles, self._cards, strict=True))

    def _measured(self, handle: Any, card: Gpu) -> Gpu:
        try:
            memory = self._library.nvmlDeviceGetMemoryInfo(handle)
        except self._library.NVMLError as error:
            if getattr(error, "value", None) != self._library.NVML_ERROR_NOT_SUPPORTED:
                return card  # fallen off the bus, or not ours to ask: a card without sizes
            return replace(unified(card.name, "nvidia", ram()), uuid=card.uuid)
        if not memory.total:
            return replace(unified(card.name, "nvidia", ram()), uuid=card.uuid)
        return replace(card, total=int(memory.total), used=int(memory.used))


@functools.cache
def _nvml() -> Nvml | None:
    try:
        import pynvml
    except ImportError:
        return None
    try:
        return Nvml(pynvml)
    except (pynvml.NVMLError, OSError):
        return None


def nvidia_gpus() -> tuple[Gpu, ...]:
    """NVIDIA cards, or none without library, driver or card. The first call loads the driver's library."""
    library = _nvml()
    return library.cards() if library else ()


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
