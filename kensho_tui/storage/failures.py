"""From SQLite's and the system's errors to the ones a person can read."""

import errno
import os
import sqlite3
import tempfile
from pathlib import Path

from kensho_tui.core.errors import DiskFullError, StorageError
from kensho_tui.storage.files import family, size_of

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_GROWTH = 32 * 1024  # the largest step in which one of SQLite's files grows (-shm)


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 for errors that Python's module raised itself."""
    code: int = getattr(error, "sqlite_errorcode", None) or 0
    return code & 0xFF


def is_damage(error: sqlite3.Error) -> bool:
    """Whether `error` says that the file itself is broken, or no SQLite database at all."""
    return primary_code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def explain(error: sqlite3.Error | OSError, consequence: str, path: Path) -> StorageError:
    """The error for a person. `consequence` says what did not happen ("the prompt was not saved")."""
    if _is_full(error, path):
        return DiskFullError(
            f"the disk is full: {consequence}",
            hint=f"Free some space where {path.parent} lies, then try again",
        )
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
        return StorageError(f"{consequence}: {reason}", hint=f"Check that {path} may be read and written")
    return StorageError(f"{consequence}: {error}", hint=_hint(primary_code(error), path))


def _hint(code: int, path: Path) -> str:
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return f"Another program holds {path}: close it, then try again"
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY):
        return f"Check that {path} may be read and written"
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return "Restart the host: it checks the database and, if it is damaged, saves what can be read"
    if code == sqlite3.SQLITE_IOERR:
        return f"The disk that holds {path.parent} may be failing: copy the folder to another one"
    return ""


def _is_full(error: sqlite3.Error | OSError, path: Path) -> bool:
    if isinstance(error, OSError):
        return error.errno in _NO_SPACE
    code = primary_code(error)
    return code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _cannot_grow(path))


def _cannot_grow(path: Path) -> bool:
    """Whether a file next to `path` can no longer grow past the database's size.

    SQLite reports ENOSPC as "full", but a quota (EDQUOT) and a file size limit (EFBIG) as a plain "disk
    I/O error" without the cause. Writing as much as a file grows by at once tells them from a
    failing disk.
    """
    try:
        largest = max(size_of(part) for part in family(path))
        with tempfile.TemporaryFile(dir=path.parent) as probe:
            written = os.pwrite(probe.fileno(), bytes(_GROWTH), largest)
            os.fsync(probe.fileno())
    except OSError as error:
        return error.errno in _NO_SPACE
    return written < _GROWTH
