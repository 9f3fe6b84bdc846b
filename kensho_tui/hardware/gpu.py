"""GPUs and the memory on them, through the drivers' own counters: NVML and sysfs.

NVIDIA's driver, also its files, may hang; sysfs tells AMD's sizes without asking the card.

Absent libraries, drivers and devices are no errors, there is simply no GPU. Nothing here opens a CUDA
context, which would take hundreds of MiB on the card itself.
"""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from kensho_tui.core.contract import Memory
from kensho_tui.hardware.card import Gpu, Vendor, unified
from kensho_tui.hardware.drivers import drivers
from kensho_tui.hardware.kernel_files import ROOT, text_of
from kensho_tui.hardware.memory import ram
from kensho_tui.hardware.nvml import nvidia_gpus, nvidia_known

_AMD_ID = "0x1002"
# The names llama.cpp gives its devices, and whose cards they are. Vulkan drives all of them.
_VENDORS: dict[str, tuple[Vendor, ...]] = {
    "CUDA": ("nvidia",),
    "ROCM": ("amd",),
    "HIP": ("amd",),
    "METAL": ("apple",),
    "MTL": ("apple",),
    "VULKAN": ("nvidia", "amd", "apple"),
}
_DEVICE = re.compile(rf"\b({'|'.join(_VENDORS)})(\d*)\b", re.IGNORECASE)


def gpus(root: Path = ROOT) -> tuple[Gpu, ...]:
    """Every GPU of this machine, NVIDIA first, each vendor's in its driver's order. Blocks for `LATE_S` at
    most: cards of a driver that does not answer have no sizes.
    """
    nvidia = drivers.ask(lambda: nvidia_gpus() or nvidia_files(root))
    if nvidia is None:
        nvidia = nvidia_known() or _nvidia_nodes(root)
    return nvidia + _amd(root) + apple()


def gauge(device: str, cards: Sequence[Gpu], environ: Mapping[str, str] = os.environ) -> Memory:
    """The memory that a model on llama.cpp's ``device`` ("CPU", "CUDA0", …) lives in, all processes; asks no
    driver.

    VRAM of the cards named, or of all of the backend's when none is; RAM for the CPU, for unified memory
    and where a card does not tell.
    """
    used = chosen(device, cards, environ)
    if used and all(card.total and not card.unified for card in used):
        return Memory(
            kind="VRAM", used=sum(card.used for card in used), total=sum(card.total for card in used)
        )
    now = ram()
    return Memory(kind="RAM", used=now.used, total=now.total)


def chosen(device: str, cards: Sequence[Gpu], environ: Mapping[str, str]) -> tuple[Gpu, ...]:
    """The cards that a device name of llama.cpp means; none for the CPU (pure)."""
    return tuple(card for _, card in named(device, cards, environ))


def named(device: str, cards: Sequence[Gpu], environ: Mapping[str, str]) -> tuple[tuple[str, Gpu], ...]:
    """`chosen`, each card with the name that llama.cpp gives it ("CUDA0", "Vulkan1", …; pure)."""
    words = _DEVICE.findall(device)
    vendors = {vendor for backend, _ in words for vendor in _VENDORS[backend.upper()]}
    seen = tuple(
        (f"{words[0][0]}{place}", card)
        for place, card in enumerate(card for card in visible(cards, environ) if card.vendor in vendors)
    )
    numbers = {int(number) for _, number in words if number}
    # Layers are spread over all cards of the backend unless single ones are named.
    return tuple(pair for place, pair in enumerate(seen) if place in numbers) or seen


def on_gpu(device: str) -> bool:
    """Whether a device name of llama.cpp means a GPU."""
    return _DEVICE.search(device) is not None


def visible(cards: Sequence[Gpu], environ: Mapping[str, str]) -> tuple[Gpu, ...]:
    """``cards`` without those that CUDA_VISIBLE_DEVICES and HIP_VISIBLE_DEVICES hide, in their order (pure).

    Numbers follow the driver's order, which CUDA keeps when all cards are of one kind.
    """
    nvidia = _allowed(
        [card for card in cards if card.vendor == "nvidia"], environ.get("CUDA_VISIBLE_DEVICES")
    )
    amd = _allowed([card for card in cards if card.vendor == "amd"], environ.get("HIP_VISIBLE_DEVICES"))
    return (*nvidia, *amd, *(card for card in cards if card.vendor == "apple"))


def _allowed(cards: list[Gpu], names: str | None) -> list[Gpu]:
    if names is None or "MIG" in names:
        return cards
    found: list[Gpu] = []
    for name in (word.strip() for word in names.split(",")):
        if name.isdigit():
            card = cards[int(name)] if int(name) < len(cards) else None
        else:
            card = next((card for card in cards if name and card.uuid.startswith(name)), None)
        if card is None:
            break  # the drivers stop at the first name they do not know, too
        found.append(card)
    return found


def nvidia_files(root: Path) -> tuple[Gpu, ...]:
    """NVIDIA cards that the kernel shows although NVML cannot be used: names without sizes."""
    found = []
    for file in sorted((root / "proc/driver/nvidia/gpus").glob("*/information")):
        model = re.search(r"^Model:\s*(.+)$", text_of(file), re.MULTILINE)
        found.append(Gpu(model.group(1).strip() if model else "NVIDIA GPU", "nvidia"))
    return tuple(found) or _nvidia_nodes(root)


def _nvidia_nodes(root: Path) -> tuple[Gpu, ...]:
    """What is known of such cards where nothing but their devices can be seen."""
    return (Gpu("NVIDIA GPU", "nvidia"),) if (root / "dev/nvidia0").exists() else ()


def _amd(root: Path) -> tuple[Gpu, ...]:
    return tuple(card for card, _ in amd_cards(root))


def amd_cards(root: Path) -> tuple[tuple[Gpu, Path], ...]:
    """AMD's cards, each with the folder of its counters."""
    folders = sorted((root / "sys/class/drm").glob("card*/device/mem_info_vram_total"))
    return tuple((card, file.parent) for file in folders if (card := _amd_card(file.parent)) is not None)


def _amd_card(folder: Path) -> Gpu | None:
    total, used = text_of(folder / "mem_info_vram_total"), text_of(folder / "mem_info_vram_used")
    if text_of(folder / "vendor") != _AMD_ID or not total.isdigit() or not used.isdigit():
        return None
    name = text_of(folder / "product_name") or f"AMD GPU ({folder.parent.name})"
    number = text_of(folder / "unique_id")
    # HIP_VISIBLE_DEVICES names cards so.
    return Gpu(name, "amd", int(total), int(used), uuid=f"GPU-{number}" if number else "")


def apple() -> tuple[Gpu, ...]:
    """The GPU of this machine, if it is one of Apple's."""
    return _apple(os.uname().sysname, os.uname().machine)


def _apple(system: str, machine: str) -> tuple[Gpu, ...]:
    if (system, machine) != ("Darwin", "arm64"):
        return ()
    return (unified("Apple Silicon GPU", "apple", ram()),)
