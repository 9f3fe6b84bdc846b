"""What llama.cpp allocated, read from what it logs: no function of its C interface tells it.

A line names a kind of buffer, where it lies and its size: ``CUDA0 KV buffer size = 448.00 MiB``. Beside a GPU
some lie in RAM: ``CPU``, ``CUDA_Host`` and the like.
"""

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from kensho_tui.core.frames import Buffers

MIB = 1 << 20

_BUFFER = re.compile(r"(\S+)\s+(model|KV|RS|compute|output) buffer size\s*=\s*(\d+(?:\.\d+)?) MiB")
# The whole of one cache, its sum told even where nothing is allocated; before it a line for each layer.
_CACHE = re.compile(r"llama_(?:kv_cache|memory_recurrent)\w*: size\s*=\s*(\d+(?:\.\d+)?) MiB")
_LAYER = re.compile(r"llama_(?:kv_cache|memory_recurrent)\w*: layer\s+\d+: dev = (\S+)")
_IN_RAM = re.compile(r"CPU|BLAS|AMX|ACCEL|\w+_Host\b")


def in_ram(name: str) -> bool:
    """Whether llama.cpp's buffer type or device ``name`` is RAM, seen from a GPU."""
    return _IN_RAM.match(name) is not None


@dataclass
class Allocated:
    """Bytes by llama.cpp's names of where they lie. ``mapped``: weights that are pages of the file.

    ``cached`` is what the caches will take, though this was a dry run and their buffers empty.
    """

    weights: dict[str, int] = field(default_factory=dict)
    mapped: dict[str, int] = field(default_factory=dict)
    kv: dict[str, int] = field(default_factory=dict)
    cached: dict[str, int] = field(default_factory=dict)
    compute: dict[str, int] = field(default_factory=dict)
    output: dict[str, int] = field(default_factory=dict)


def parse(lines: Iterable[str]) -> Allocated:
    """The buffers that `lines` of llama.cpp's log tell of. A graph reserved again replaces the one before."""
    found = Allocated()
    layers: list[str] = []
    for line in lines:
        if layer := _LAYER.search(line):
            layers.append(layer[1])
        elif cache := _CACHE.search(line):
            _spread(found.cached, layers, _bytes(cache[1]))
            layers = []
        elif buffer := _BUFFER.search(line):
            name, kind, size = buffer[1], buffer[2], _bytes(buffer[3])
            if kind in ("compute", "output"):
                (found.compute if kind == "compute" else found.output)[name] = size
            elif kind == "model":
                _add(found.mapped if name.endswith("_Mapped") else found.weights, name, size)
            else:
                _add(found.kv, name, size)
    return found


def _bytes(mib: str) -> int:
    return round(float(mib) * MIB)


def _add(sizes: dict[str, int], name: str, size: int) -> None:
    sizes[name] = sizes.get(name, 0) + size


def _spread(sizes: dict[str, int], layers: list[str], size: int) -> None:
    """A cache's size over the devices of its layers, all layers alike."""
    for name in set(layers) or {"CPU"}:
        _add(sizes, name, size * layers.count(name) // len(layers) if layers else size)


def total(sizes: dict[str, int], *, ram: bool | None = None) -> int:
    """The sum of `sizes`: of all, or only in RAM (True), or only on devices (False)."""
    return sum(size for name, size in sizes.items() if ram is None or in_ram(name) is ram)


def summed(found: Allocated, *, on_gpu: bool, model_size: int, rss: int = 0) -> Buffers:
    """`found` on the device that the layers run on, and in RAM beside it. ``model_size``: of all tensors.

    Without a GPU the device is RAM. A mapping holds the pages between its first and its last tensor, and some
    of those were copied into the CPU's own layout (``CPU_REPACK``) and are not read again: so weights in RAM
    are never more than the tensors, and what is not copied of them is mapped.
    """
    side = True if on_gpu else None
    own = total(found.weights, ram=side)
    in_ram_weights = min(own + total(found.mapped, ram=side), max(model_size, own))
    mapped = in_ram_weights - own
    if not on_gpu:
        return Buffers(
            weights=in_ram_weights,
            kv=total(found.kv),
            compute=total(found.compute) + total(found.output),
            rss=rss,
            mapped=mapped,
        )
    others = (found.kv, found.compute, found.output)
    return Buffers(
        weights=total(found.weights, ram=False) + total(found.mapped, ram=False),
        kv=total(found.kv, ram=False),
        compute=total(found.compute, ram=False) + total(found.output, ram=False),
        host=in_ram_weights + sum(total(sizes, ram=True) for sizes in others),
        rss=rss,
        mapped=mapped,
    )


def own_memory(status: Path = Path("/proc/self/status")) -> int:
    """Resident memory of this process that is not pages of files, in bytes; 0 where that cannot be read."""
    if sys.platform == "darwin":
        import psutil  # nobody but a Mac's worker needs it here

        return int(psutil.Process().memory_full_info().uss)
    try:
        lines = status.read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    sizes = dict(line.split(":", 1) for line in lines if line.startswith(("RssAnon:", "RssShmem:")))
    return sum(int(size.split()[0]) << 10 for size in sizes.values())
