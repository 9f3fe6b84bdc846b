"""What this llama.cpp was built for, and whether that fits the GPUs that are here."""

import importlib.util
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kensho_tui.hardware.card import Gpu, Vendor
from kensho_tui.hardware.gpu import visible

PACKAGE = "llama-cpp-python"
# Smaller ones are the corner of RAM that integrated graphics set aside: no gain over the CPU.
_WORTH = 2 << 30

_NAMES: dict[Vendor, str] = {"nvidia": "CUDA", "amd": "HIP", "apple": "Metal"}
_BACKENDS: dict[Vendor, frozenset[str]] = {
    "nvidia": frozenset({"cuda", "vulkan"}),
    "amd": frozenset({"hip", "vulkan"}),
    "apple": frozenset({"metal"}),
}


@dataclass(frozen=True)
class Mismatch:
    """``what`` is wrong between GPU and build, and the ``fix``."""

    what: str
    fix: str


def backends(folder: Path | None = None) -> frozenset[str] | None:
    """GPU and CPU backends that were built ("cpu", "cuda", "metal", …), by their files; None: unknown.

    Finds llama.cpp's libraries without loading them. ``folder`` is where they lie.
    """
    if folder is None:
        spec = importlib.util.find_spec("llama_cpp")
        places = spec.submodule_search_locations if spec else None
        if not places:
            return None
        folder = Path(places[0]) / "lib"
    names = (re.match(r"(?:lib)?ggml-([a-z]+)", file.name) for file in folder.glob("*ggml-*"))
    found = frozenset(name.group(1) for name in names if name) - {"base"}
    return found or None


def llama_version() -> str:
    """The installed version of llama-cpp-python, or an empty string."""
    import importlib.metadata  # 18 ms that only a warning needs

    try:
        return importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return ""


def reinstall_line(vendor: Vendor, version: str) -> str:
    """The shell line that builds llama.cpp again for a vendor's cards."""
    pinned = f"{PACKAGE}=={version}" if version else PACKAGE
    flag = f"-DGGML_{_NAMES[vendor].upper()}=on"
    return f'CMAKE_ARGS="{flag}" pip install --force-reinstall --no-cache-dir {pinned}'


def find_mismatch(
    cards: Sequence[Gpu],
    device: str,
    *,
    version: str,
    built: frozenset[str] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Mismatch | None:
    """What keeps llama.cpp from the GPU that is here, or None (pure).

    ``device`` is what llama.cpp's layers run on, empty when not known yet; ``built`` its backends, None
    when unknown. Cards hidden by CUDA_VISIBLE_DEVICES and the like are left out on purpose.
    """
    if device and device.upper() != "CPU":
        return None
    worth = [card for card in visible(cards, environ) if card.total == 0 or card.total >= _WORTH]
    if not worth or (not device and built is None):
        return None
    card = worth[0]
    if built is not None and built & _BACKENDS[card.vendor]:
        if not device:
            return None
        return Mismatch(
            f"{card.name} is here and llama.cpp was built for it, but it runs on the CPU",
            "Check the driver (`nvidia-smi`, `rocminfo`) and that this user may open the device",
        )
    return Mismatch(
        f"{card.name} is here but this llama.cpp was built without {_NAMES[card.vendor]}",
        reinstall_line(card.vendor, version),
    )


def build_mismatch(cards: Sequence[Gpu], llama_device: str) -> str | None:
    """`find_mismatch` for the installed llama.cpp, as one line for a status bar."""
    found = find_mismatch(cards, llama_device, version=llama_version(), built=backends())
    return f"{found.what}: {found.fix}" if found else None
