"""Saved KV caches on disk: which file is whose, how much they take together, and which go first.

A file is named by digests of its chat, its model file and the whole key, so that no index is needed and no
name from outside becomes part of a path. When a file was used last is its modification time. What is in the
files is the worker's business (`worker.state_file`).
"""

import hashlib
import os
import re
import stat
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from kensho_tui.core.errors import StorageError
from kensho_tui.models.files import parts_of

STALE_S = 600.0
"""A file half written that nobody touched for so long has no writer any more."""

_DIGEST_BYTES = 16
_KEY = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"([0-9a-f]{32})-([0-9a-f]{32})([0-9a-f]{32})\.kv")
_PART = re.compile(r"[0-9a-f]{32}-[0-9a-f]{64}\.kv\.\d+\.tmp")


def file_identity(path: str) -> str:
    """What tells the model at `path` from one put in its place, for all of its parts; empty when it is gone.

    Size and date alone are kept by many ways to copy, the inode by writing in place.
    """
    try:
        found = [part.stat() for part in parts_of(Path(path))]
    except (OSError, ValueError):
        return ""
    return " ".join(f"{one.st_size}-{one.st_mtime_ns}-{one.st_ctime_ns}-{one.st_ino}" for one in found)


def state_key(path: str, identity: str, *shape: str | int) -> str:
    """Which caches are good for each other: of the file at `path` with this `file_identity`, of one `shape`.

    `shape`: all else that the cache depends on, llama.cpp's build, the context, the KV type.
    """
    fields = [identity, *(str(field) for field in shape)]
    # Lengths keep the fields apart whatever they contain.
    return _digest(path) + _digest("".join(f"{len(field)}:{field}" for field in (path, *fields)))


def _digest(text: str) -> str:
    data = text.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, digest_size=_DIGEST_BYTES).hexdigest()


class _File(NamedTuple):
    """``used`` is in nanoseconds since the epoch; ``chat`` and ``model`` are digests."""

    path: Path
    chat: str
    model: str
    size: int
    used: int


class KvFiles:
    """The saved caches in `folder`, of at most `quota` bytes together.

    Safe to call from several threads. Files that are not ours are neither counted nor touched.
    """

    def __init__(self, folder: Path, quota: int) -> None:
        self.folder = folder
        self.quota = quota
        self._lock = threading.Lock()

    def place(self, chat: str, key: str) -> Path:
        """Where the cache of `chat` goes; the folder is made. Raises `StorageError`."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.folder.chmod(0o700)
        except OSError as error:
            raise StorageError(f"{self.folder} cannot be used: {error.strerror or error}") from None
        return self._path(chat, key)

    def find(self, chat: str, key: str) -> Path | None:
        """The cache of `chat` that is good for `key`, which counts as used now; None: there is none."""
        path = self._path(chat, key)
        try:
            found = path.lstat()
        except OSError:
            return None
        if not stat.S_ISREG(found.st_mode):
            return None
        with suppress(OSError):
            os.utime(path)
        return path

    def _path(self, chat: str, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError("not a key of state_key")
        return self.folder / f"{_digest(chat)}-{key}.kv"

    def prune(self, needed: int = 0, living: Collection[str] | None = None) -> int:
        """Make room for `needed` bytes more within the quota; the bytes freed.

        First goes what is of no use: the file of a chat that is not in `living`, one that is larger than the
        quota, an older one of the same chat and model, what a dead writer left. Then the least recently used.
        """
        with self._lock:
            files = sorted(self._files(), key=lambda file: file.used, reverse=True)
            known = None if living is None else {_digest(chat) for chat in living}
            useful, useless = _sort_out(files, self.quota, known)
            freed = sum(map(_remove, useless)) + self._remove_parts(STALE_S)
            room = self.quota - needed
            total = sum(file.size for file in useful)
            while useful and total > room:
                oldest = useful.pop()
                total -= oldest.size
                freed += _remove(oldest)
            return freed

    def forget_chat(self, chat: str) -> int:
        """Delete all caches of `chat`; the bytes freed."""
        digest = _digest(chat)
        return self._forget(lambda file: file.chat == digest)

    def forget_model(self, path: str) -> int:
        """Delete all caches of the model file at `path`; the bytes freed."""
        digest = _digest(path)
        return self._forget(lambda file: file.model == digest)

    def drop(self, name: str) -> None:
        """Delete the file at the path `name`, which was refused."""
        path = Path(name)
        if path.parent == self.folder and _NAME.fullmatch(path.name):
            with suppress(OSError):
                path.unlink()

    def clear(self) -> tuple[int, int]:
        """Delete all; the number of files and bytes freed."""
        with self._lock:
            files = list(self._files())
            return len(files), sum(map(_remove, files)) + self._remove_parts(0.0)

    def usage(self) -> tuple[int, int]:
        """Number and bytes of the files."""
        sizes = [file.size for file in self._files()]
        return len(sizes), sum(sizes)

    def _forget(self, meant: Callable[[_File], bool]) -> int:
        with self._lock:
            return sum(_remove(file) for file in list(self._files()) if meant(file))

    def _entries(self) -> Iterator[os.DirEntry[str]]:
        with suppress(OSError), os.scandir(self.folder) as entries:
            for entry in entries:
                with suppress(OSError):
                    if entry.is_file(follow_symlinks=False):
                        yield entry

    def _files(self) -> Iterator[_File]:
        for entry in self._entries():
            name = _NAME.fullmatch(entry.name)
            if name is None:
                continue
            with suppress(OSError):
                found = entry.stat(follow_symlinks=False)
                yield _File(Path(entry.path), name[1], name[2], found.st_size, found.st_mtime_ns)

    def _remove_parts(self, age: float) -> int:
        """Delete what writers left that have not written for `age` seconds; the bytes freed."""
        freed = 0
        for entry in self._entries():
            if not _PART.fullmatch(entry.name):
                continue
            with suppress(OSError):
                found = entry.stat(follow_symlinks=False)
                if time.time() - found.st_mtime >= age:
                    freed += _remove_path(Path(entry.path), found.st_size)
        return freed


def _sort_out(
    files: Iterable[_File], quota: int, living: Collection[str] | None
) -> tuple[list[_File], list[_File]]:
    """Those of `files` (last used first) that may be of use again, in the same order, and the others."""
    useful: list[_File] = []
    useless: list[_File] = []
    seen: set[tuple[str, str]] = set()
    for file in files:
        orphan = living is not None and file.chat not in living
        if orphan or file.size > quota or (file.chat, file.model) in seen:
            useless.append(file)
        else:
            seen.add((file.chat, file.model))
            useful.append(file)
    return useful, useless


def _remove(file: _File) -> int:
    return _remove_path(file.path, file.size)


def _remove_path(path: Path, size: int) -> int:
    """Delete; the bytes that this freed, none when it was gone or cannot be deleted."""
    try:
        path.unlink()
    except OSError:
        return 0
    return size
