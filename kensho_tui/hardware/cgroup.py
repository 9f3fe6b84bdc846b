"""CPU and memory limits of the control groups this process is in, versions 1 and 2.

Every reader takes ``root`` in place of ``/``. Where a file is absent, unreadable or says "no limit",
there is no limit.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from kensho_tui.hardware.kernel_files import ROOT, text_of

# Version 1 writes "no limit" as the largest multiple of a page below 2**63.
_NO_LIMIT = 1 << 60
# The machine's own "available" counts these too: pages of files (a mapped model is soon "active"), and
# the kernel's caches.
_DROPPED = ("inactive_file", "active_file", "slab_reclaimable")
_DROPPED_1 = ("total_inactive_file", "total_active_file")


@dataclass(frozen=True)
class MemoryGroup:
    """One group with a memory limit. ``used`` leaves out what the kernel can drop at once (bytes)."""

    limit: int
    used: int


def cpu_used(root: Path = ROOT) -> tuple[float, float] | None:
    """CPU seconds that our group with the smallest quota has used, and that quota in cores; None: no quota.

    Which group that is is looked up once.
    """
    group = _tightest(root)
    if group is None:
        return None
    quota, file, name, unit = group
    words = _words(file)
    used = words[0] if not name and words else dict(zip(words[::2], words[1::2], strict=False)).get(name, "")
    return (int(used) * unit, quota) if used.isdigit() else None


@functools.cache
def _tightest(root: Path) -> tuple[float, Path, str, float] | None:
    """The smallest quota, the file that tells what its group used, the name of that there, and its unit."""
    found = [(_quota(folder), folder / "cpu.stat", "usage_usec", 1e-6) for folder in _folders(root, "")]
    for folder, account in zip(_folders(root, "cpu"), _folders(root, "cpuacct"), strict=False):
        found.append((_quota(folder), account / "cpuacct.usage", "", 1e-9))
    known = [(quota, file, name, unit) for quota, file, name, unit in found if quota is not None]
    return min(known, key=lambda one: one[0], default=None)


def cpu_quota(root: Path = ROOT) -> float | None:
    """The smallest CPU quota of our groups in cores (1.5 = one and a half), or None."""
    quotas = (_quota(folder) for controller in ("", "cpu") for folder in _folders(root, controller))
    return min((quota for quota in quotas if quota is not None), default=None)


def memory_groups(root: Path = ROOT) -> tuple[MemoryGroup, ...]:
    """Our groups that limit memory, from ours up to the outermost."""
    found = [_memory(folder, "memory.max", "memory.current", _DROPPED) for folder in _folders(root, "")]
    found += [
        _memory(folder, "memory.limit_in_bytes", "memory.usage_in_bytes", _DROPPED_1)
        for folder in _folders(root, "memory")
    ]
    return tuple(group for group in found if group is not None)


def _quota(folder: Path) -> float | None:
    """A group's quota in cores, told as "quota period" in microseconds; "max" and -1 mean none."""
    words = _words(folder / "cpu.max")
    try:
        quota, period = map(
            int, words or _words(folder / "cpu.cfs_quota_us") + _words(folder / "cpu.cfs_period_us")
        )
    except ValueError:
        return None
    return quota / period if quota > 0 and period > 0 else None


def _memory(folder: Path, limit_file: str, used_file: str, dropped: Sequence[str]) -> MemoryGroup | None:
    limit = _number(folder / limit_file)
    if limit is None or limit >= _NO_LIMIT:
        return None  # most groups: the rest is not read then
    used = _number(folder / used_file)
    if used is None:
        return None
    words = _words(folder / "memory.stat")
    statistics = dict(zip(words[::2], words[1::2], strict=False))
    # A model file read through the page cache counts as used until somebody needs the room.
    sizes = (statistics.get(name, "0") for name in dropped)
    return MemoryGroup(limit, max(0, used - sum(int(size) for size in sizes if size.isdigit())))


def _folders(root: Path, controller: str) -> tuple[Path, ...]:
    """Folders of our group and of its ancestors; ``controller`` "" asks for version 2."""
    return _found(text_of(root / "proc/self/cgroup"), root, controller)


@functools.lru_cache(maxsize=32)
def _found(groups: str, root: Path, controller: str) -> tuple[Path, ...]:
    """`_folders` of a process that is in ``groups``: looked up once for as long as it stays in them."""
    found: list[Path] = []
    for line in groups.splitlines():
        number, _, rest = line.partition(":")
        names, _, group = rest.partition(":")
        if controller and controller in names.split(","):
            mount = _first(root / "sys/fs/cgroup" / names, root / "sys/fs/cgroup" / controller)
        elif not controller and number == "0" and not names:
            # Beside version 1, version 2 is mounted one folder deeper.
            mount = _first(root / "sys/fs/cgroup/unified", root / "sys/fs/cgroup")
        else:
            continue
        # Seen from inside a container the path can lead out of it; the mount itself is then our group.
        parts = [part for part in PurePosixPath(group).parts if part not in ("/", "..")]
        found += [mount.joinpath(*parts[:depth]) for depth in range(len(parts), -1, -1)]
    return tuple(found)


def _first(*folders: Path) -> Path:
    return next((folder for folder in folders if folder.is_dir()), folders[-1])


def _words(path: Path) -> list[str]:
    return text_of(path).split()


def _number(path: Path) -> int | None:
    words = _words(path)
    return int(words[0]) if len(words) == 1 and words[0].isdigit() else None
