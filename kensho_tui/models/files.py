"""From what lies in folders to models: each file once, under one name, with all of its parts."""

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from kensho_tui.core.text import one_line, valid
from kensho_tui.models.sources import Candidate, Source, part_of, stem_of

MAX_NAME = 120
MAXPARTS = 1000


class ModelFile(msgspec.Struct, frozen=True):
    """A model on disk. ``size`` is that of all parts; ``first_size`` and ``mtime_ns`` are the first part's.

    ``missing`` names a part that is not there (empty: all are).
    """

    name: str
    path: str
    size: int
    source: Source
    first_size: int
    mtime_ns: int
    ctime_ns: int
    inode: tuple[int, int] = (0, 0)
    """Device and inode of the first part: the same for every path that leads to it."""
    detail: str = ""
    missing: str = ""


def name_of(path: str | Path) -> str:
    """What a GGUF file is called: its file name without ending and part number, safe on a terminal."""
    return clean_name(stem_of(Path(path).name))


def clean_name(name: str) -> str:
    """A name as it may be shown and asked for."""
    # A separator would make it a path where a model is asked for by name.
    return one_line(name.replace(os.sep, "-"), MAX_NAME) or "model"


def is_later_part(path: Path) -> bool:
    """Whether it belongs to a first file beside it."""
    found = part_of(path.name)
    return found is not None and int(found[1]) > 1


def parts_of(path: Path) -> tuple[Path, ...]:
    """The files of the model at `path`: of a split one all parts that its name promises, else itself."""
    found = part_of(path.name)
    if found is None or not 1 < int(found[2]) <= MAXPARTS or int(found[1]) != 1:
        return (path,)
    start, end = path.name[: found.start()], path.name[found.end(2) :]
    return tuple(
        path.with_name(f"{start}-{number:05}-of-{found[2]}{end}") for number in range(1, int(found[2]) + 1)
    )


def model_file(candidate: Candidate) -> ModelFile | None:
    """The model at a path; None for what is no regular file, a later part, or cannot be named.

    A path that is no valid Unicode could cross neither the bus nor the database.
    """
    path = candidate.path
    if str(path) != valid(str(path)) or is_later_part(path):
        return None
    sizes = []
    missing = ""
    first: os.stat_result | None = None
    for part in parts_of(path):
        try:
            found = part.stat()
        except (OSError, ValueError):
            missing = missing or part.name
            continue
        first = first or found
        sizes.append(found.st_size)
        if not stat.S_ISREG(found.st_mode):
            return None
    if first is None or missing == path.name:
        return None
    return ModelFile(
        name=clean_name(candidate.name),
        path=str(path),
        size=sum(sizes),
        source=candidate.source,
        first_size=first.st_size,
        mtime_ns=first.st_mtime_ns,
        ctime_ns=first.st_ctime_ns,
        inode=(first.st_dev, first.st_ino),
        detail=one_line(candidate.detail.replace(os.sep, "-"), MAX_NAME),
        missing=missing,
    )


def gather(candidates: Iterable[Candidate]) -> Iterator[ModelFile]:
    """The models among `candidates`; one found before, under whatever path, is left out."""
    seen: set[tuple[int, int]] = set()
    for file in map(model_file, candidates):
        if file is not None and file.inode not in seen:
            seen.add(file.inode)
            yield file


def named(files: Iterable[ModelFile]) -> tuple[ModelFile, ...]:
    """Each under a name of its own, whatever the case: the first keeps it, a later one says where it lies."""
    taken: set[str] = set()
    given = []
    for file in files:
        name = next(name for name in _names(file) if name.casefold() not in taken)
        taken.add(name.casefold())
        given.append(file if name == file.name else msgspec.structs.replace(file, name=name))
    return tuple(given)


def _names(file: ModelFile) -> Iterator[str]:
    yield file.name
    yield f"{file.name} ({file.source})"
    more = f"{file.source} {file.detail}".strip()
    yield f"{file.name} ({more})"
    number = 2
    while True:
        yield f"{file.name} ({more} {number})"
        number += 1
