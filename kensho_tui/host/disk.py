"""What lies where on disk, how much of it can go, and freeing that. Models and chats are never freed.

Links are not followed, and only regular files are removed, so that nothing outside our folders is touched.
Everything here blocks.
"""

import os
import re
import stat
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kensho_tui.config.paths import Paths
from kensho_tui.core.model_contract import DiskUse, Freed, Store, StoreName
from kensho_tui.models.bin import FOLDER as BIN
from kensho_tui.models.downloads.records import FOLDER as PARTIAL
from kensho_tui.storage.files import family

STALE_S = 3600.0
"""A download that nobody touched for so long, and nobody says is under way, was given up."""
MAX_ENTRIES = 200_000

_OLD_LOG = re.compile(r"\.log\.\d+\Z")
_KV = re.compile(r"\.kv\Z")


@dataclass(frozen=True)
class _File:
    """``size`` in bytes, ``changed`` in seconds since 1970."""

    path: Path
    size: int
    changed: float


@dataclass(frozen=True)
class _Kind:
    """One store: its folder, its files, and which of them can go."""

    title: str
    folder: Path
    files: list[_File]
    can_go: Callable[[_File], bool]


def disk_use(paths: Paths, in_use: Collection[Path] = ()) -> DiskUse:
    """All stores. ``in_use`` are unfinished downloads that are under way."""
    return DiskUse(
        tuple(
            Store(
                name=name,
                title=kind.title,
                path=str(kind.folder),
                files=len(kind.files),
                size=sum(file.size for file in kind.files),
                freeable=sum(file.size for file in kind.files if kind.can_go(file)),
            )
            for name, kind in _kinds(paths, in_use).items()
        )
    )


def free(paths: Paths, stores: Iterable[StoreName] = (), in_use: Collection[Path] = ()) -> Freed:
    """Remove what can go from `stores` (none named: from all). What cannot be removed stays, uncounted."""
    kinds = _kinds(paths, in_use)
    wanted = set(stores) or kinds.keys()
    size = files = 0
    for name, kind in kinds.items():
        if name not in wanted:
            continue
        gone = [file for file in kind.files if kind.can_go(file) and _removed(file.path)]
        size += sum(file.size for file in gone)
        files += len(gone)
        if name in ("bin", "partial") and not kind.folder.is_symlink():
            _remove_empty(kind.folder)
    return Freed(size=size, files=files)


def _kinds(paths: Paths, in_use: Collection[Path]) -> dict[StoreName, _Kind]:
    models, database = paths.models, paths.database.resolve()
    parts = list(_own(models / PARTIAL))
    given_up = _given_up(parts, in_use)
    return {
        "models": _Kind("Models", models, list(_files(models, hidden=False)), _never),
        "bin": _Kind("Deleted models", models / BIN, list(_own(models / BIN)), _always),
        "kv": _Kind("Saved KV caches", paths.cache / "kv", list(_files(paths.cache / "kv")), _is_kv),
        "partial": _Kind("Unfinished downloads", models / PARTIAL, parts, lambda file: file.path in given_up),
        "logs": _Kind("Logs", paths.logs, list(_files(paths.logs)), _is_old_log),
        "database": _Kind("Chats, metrics, benchmarks", database, list(_named(family(database))), _never),
        "copies": _Kind(
            "Copies of the database, texts set aside",
            database.parent,
            list(_copies(database, paths.data)),
            lambda file: file.path.name.startswith(f"{database.name}.before-"),
        ),
    }


def _never(file: _File) -> bool:
    return False


def _always(file: _File) -> bool:
    return True


def _is_kv(file: _File) -> bool:
    return _KV.search(file.path.name) is not None


def _is_old_log(file: _File) -> bool:
    return _OLD_LOG.search(file.path.name) is not None


def _given_up(parts: Iterable[_File], in_use: Collection[Path]) -> set[Path]:
    """A download is a part and a note of the same first name: they stay or go together."""
    downloads: dict[str, list[_File]] = {}
    for file in parts:
        downloads.setdefault(file.path.name.partition(".")[0], []).append(file)
    before = time.time() - STALE_S
    return {
        file.path
        for files in downloads.values()
        if all(one.changed < before and one.path not in in_use for one in files)
        for file in files
    }


def _copies(database: Path, data: Path) -> Iterator[_File]:
    """Copies from before migrations, databases set aside, answers that the database did not take."""
    own = set(family(database))
    for folder, pattern in ((database.parent, f"{database.name}.*"), (data, "unsaved-*.txt")):
        yield from _named(sorted(path for path in folder.glob(pattern) if path not in own))


def _named(paths: Iterable[Path]) -> Iterator[_File]:
    for path in paths:
        with suppress(OSError):
            found = path.lstat()
            if stat.S_ISREG(found.st_mode):
                yield _File(path, found.st_size, found.st_mtime)


def _files(folder: Path, *, hidden: bool = True) -> Iterator[_File]:
    """Regular files under `folder`; without those in folders whose names begin with a dot, if so asked."""
    looked_at = 0
    for root, folders, names in os.walk(folder):
        if not hidden:
            folders[:] = [name for name in folders if not name.startswith(".")]
        looked_at += len(folders) + len(names)
        if looked_at > MAX_ENTRIES:
            return
        yield from _named(Path(root, name) for name in sorted(names))


def _own(folder: Path) -> Iterator[_File]:
    """Files of any name under `folder`; none where it is a link to a folder of somebody else."""
    if not folder.is_symlink():
        yield from _files(folder)


def _removed(path: Path) -> bool:
    try:
        path.unlink()
    except OSError:
        return False
    return True


def _remove_empty(folder: Path) -> None:
    for root, _, _ in os.walk(folder, topdown=False):
        if Path(root) != folder:
            with suppress(OSError):
                Path(root).rmdir()
