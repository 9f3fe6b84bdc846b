"""The database's files on disk: private, and never overwritten."""

import os
from datetime import datetime
from pathlib import Path

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


def set_aside(path: Path) -> Path:
    """Rename the database and its companions to a free name and return it; nothing is overwritten."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    target = base = beside(path, f".damaged-{stamp}")
    count = 1
    while any(os.path.lexists(part) for part in family(target)):
        count += 1
        target = base.with_name(f"{base.name}-{count}")
    # The database goes last: if this is cut short it is found, and set aside, at the next start.
    for old, new in reversed(tuple(zip(family(path), family(target), strict=True))):
        if os.path.lexists(old):
            old.rename(new)
    return target
