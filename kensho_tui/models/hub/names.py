"""What the hub may call things here: names of repositories, revisions, files (pure).

Whatever it says becomes a path under the models folder, a part of an address, or a row on a screen.
"""

import re
from pathlib import PurePosixPath

from kensho_tui.core.text import one_line

ENDING = ".gguf"
MAX_FILE_NAME = 200
"""Bytes; unfinished downloads put something before and behind a name, and file systems take 255."""
MAX_PATH = 600
MAX_REVISION = 200

_PART = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/+-]*")


def is_repo(text: str) -> bool:
    """Whether it is ``owner/name`` as the hub allows it, and safe as two folders."""
    parts = text.split("/")
    return len(parts) == 2 and all(
        _PART.fullmatch(part) and not re.search(r"--|\.\.", part) for part in parts
    )


def is_commit(text: object) -> bool:
    return isinstance(text, str) and _COMMIT.fullmatch(text) is not None


def is_revision(text: str) -> bool:
    """A branch, a tag, a commit, or ``refs/pr/1``."""
    return len(text) <= MAX_REVISION and bool(_REVISION.fullmatch(text)) and ".." not in text


def is_file_name(name: str) -> bool:
    """Whether a model file may be called so here: no folder, not hidden, the same when it is shown."""
    return _is_plain(name) and name.lower().endswith(ENDING)


def is_file_path(path: str) -> bool:
    """Whether it names a GGUF file in a repository: plain folders, and a file that may be called so here."""
    *folders, name = path.split("/")
    return len(path) <= MAX_PATH and is_file_name(name) and all(map(_is_plain, folders))


def _is_plain(name: str) -> bool:
    return (
        0 < len(name) <= MAX_FILE_NAME
        and name.isprintable()
        and one_line(name, MAX_FILE_NAME) == name
        and len(name.encode()) <= MAX_FILE_NAME
        and not name.startswith(".")
        and not re.search(r'[/\\:*?"<>|]', name)
    )


def local_names(paths: list[str]) -> dict[str, str]:
    """What each file of a repository is called here: as there, without its folders.

    Where two would have one name, both keep their folders, with hyphens. Those for which that makes no name
    either are left out.
    """
    seen: dict[str, int] = {}
    for path in paths:
        name = PurePosixPath(path).name.casefold()
        seen[name] = seen.get(name, 0) + 1
    found: dict[str, str] = {}
    taken: set[str] = set()
    for path in paths:
        name = PurePosixPath(path).name
        if seen[name.casefold()] > 1:
            name = path.replace("/", "-")
        if is_file_name(name) and name.casefold() not in taken:
            taken.add(name.casefold())
            found[path] = name
    return found


def sha256_of(value: object) -> str:
    """A hash as the hub tells it; empty for what is none."""
    return value if isinstance(value, str) and _SHA256.fullmatch(value) else ""
