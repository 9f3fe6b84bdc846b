"""The database's files on disk: private, and never overwritten."""

import os
from datetime import datetime
from pathlib import Path

ASIDE = ".damaged-"
"""Follows the name of a database that was set aside; its date comes next."""
STAMP = "%Y%m%d-%H%M%S"

_SUFFIXES = ("", "-wal", "-shm", "-journal")


def beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def family(path: Path) -> tuple[Path, ...]:
    """The database and the files that SQLite keeps with it, whether they exist or not."""
    return tuple(beside(path, suffix) for suffix in _SUFFIXES)


def size_of(path: Path) -> int:
    """Size in bytes; 0 when there is no such file."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def make_private(path: Path) -> None:
    """Create `path` if need be; it and its companions are 0600 whatever the umask.

    SQLite gives the -wal and -shm files it creates later the mode of the database.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)
    for part in family(path)[1:]:
        if part.exists():
            part.chmod(0o600)


def sync(path: Path) -> None:
    """Return when the file, or the names in the folder, at `path` are on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def set_aside(path: Path) -> Path:
    """Rename the database and its companions to a free name and return it; nothing is overwritten."""
    stamp = datetime.now().strftime(STAMP)
    target = base = beside(path, f"{ASIDE}{stamp}")
    count = 1
    while any(os.path.lexists(part) for part in family(target)):
        count += 1
        target = base.with_name(f"{base.name}-{count}")
    # The database goes last: if this is cut short it is found, and set aside, at the next start.
    for old, new in reversed(tuple(zip(family(path), family(target), strict=True))):
        if os.path.lexists(old):
            old.rename(new)
    return target


def found_aside(path: Path) -> tuple[tuple[Path, ...], ...]:
    """The databases at `path` that were set aside and still lie there, oldest first: the files of each."""
    found: dict[str, list[Path]] = {}
    for part in sorted(path.parent.glob(f"{path.name}{ASIDE}*")):
        suffix = next((suffix for suffix in _SUFFIXES[1:] if part.name.endswith(suffix)), "")
        found.setdefault(part.name.removesuffix(suffix), []).append(part)
    return tuple(tuple(found[name]) for name in sorted(found))
