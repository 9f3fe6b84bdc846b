"""Checks of the folders: room on the disk, network file systems, and who may read."""

import os
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path

import psutil

from kensho_tui.config.paths import Paths
from kensho_tui.core.sizes import GIB, MIB, human_size
from kensho_tui.host.doctor.check import Finding, Surroundings, bad, good

TOO_LITTLE = 256 * MIB
LITTLE = 4 * GIB

NETWORK = frozenset(
    {
        "nfs", "nfs4", "cifs", "smb3", "smbfs", "afpfs", "afs", "9p", "ceph", "lustre", "gpfs", "beegfs",
        "glusterfs", "davfs", "webdav", "ncpfs", "coda", "fuse.sshfs", "fuse.glusterfs", "fuse.rclone",
        "fuse.s3fs", "fuse.ceph", "fuse.davfs", "fuse.juicefs",
    }
)  # fmt: skip


def existing(path: Path) -> Path:
    """``path`` or its nearest ancestor that is there."""
    path = path.absolute()
    return next(folder for folder in (path, *path.parents) if os.path.exists(folder))  # noqa: PTH110 - False where we may not look


def check_disk(around: Surroundings) -> Finding:
    """Free space where chats and models are kept."""
    free = shutil.disk_usage(existing(around.paths.data)).free
    detail = f"{human_size(free)} free for chats and models in {around.paths.data}"
    fix = "Free some space, or set KENSHO_HOME to a folder on another disk"
    if free < TOO_LITTLE:
        return bad(detail, fix)
    return good(detail, fix if free < LITTLE else "")


def check_network_home(around: Surroundings) -> Finding:
    """Locks and the database's shared memory do not work across machines."""
    mounts = [(disk.mountpoint, disk.fstype) for disk in psutil.disk_partitions(all=True)]
    kind = file_system(existing(around.paths.data).resolve(), mounts)
    if kind in NETWORK:
        return bad(
            f"{around.paths.data} is on a network file system ({kind}): chats can be damaged there",
            "Set KENSHO_HOME to a folder on a disk of this machine",
        )
    return good(f"the data folder is on a disk of this machine ({kind or 'unknown file system'})")


def file_system(path: Path, mounts: Iterable[tuple[str, str]]) -> str:
    """The type of the file system that ``path`` is on, of (mount point, type) pairs; "" if none (pure)."""
    best, kind = -1, ""
    for point, name in mounts:
        # A later mount at the same place covers the earlier one.
        if path.is_relative_to(point) and len(Path(point).parts) >= best:
            best, kind = len(Path(point).parts), name
    return kind


def check_permissions(around: Surroundings) -> Finding:
    """Folders, database and socket belong to us, can be written, and nobody else can read them."""
    paths = around.paths
    trouble = [problem for path in private_paths(paths) for problem in _problems(path)]
    if trouble:
        detail = "; ".join(what for what, _ in trouble)
        return bad(detail, "; ".join(dict.fromkeys(fix for _, fix in trouble)))
    there = paths.data.exists()
    return good(
        "folders and files are yours alone" if there else "nothing was created yet, and all of it can be"
    )


def private_paths(paths: Paths) -> tuple[Path, ...]:
    """All that must be closed to others once it exists."""
    database = (paths.database.with_name(paths.database.name + end) for end in ("", "-wal", "-shm"))
    folders = (paths.config, paths.data, paths.cache, paths.logs, paths.models, paths.runtime)
    return (*folders, *database, paths.lock, paths.socket)


def _problems(path: Path) -> list[tuple[str, str]]:
    try:
        found = path.lstat()
    except OSError:
        above = existing(path.parent)
        if os.access(above, os.W_OK | os.X_OK):
            return []
        return [(f"{path} cannot be created", f"Make {above} writable, or set KENSHO_HOME to another folder")]
    mode = stat.S_IMODE(found.st_mode)
    if found.st_uid != os.getuid():
        return [(f"{path} belongs to somebody else", f"sudo chown {os.getuid()} {path}")]
    if mode & 0o077 and not stat.S_ISLNK(found.st_mode):
        return [(f"{path} is open to others (mode {mode:o})", f"chmod go= {path}")]
    if not os.access(path, os.R_OK | os.W_OK):
        return [(f"{path} cannot be written", f"chmod u+rwX {path}")]
    return []
