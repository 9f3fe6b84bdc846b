"""What a hub says of a repository, checked: nothing is believed that a model could not be (pure).

The library's objects carry whatever the reply had in it, of any type.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kensho_tui.core.errors import HubError
from kensho_tui.core.hub_contract import HubRepo
from kensho_tui.core.text import one_line
from kensho_tui.models.files import MAXPARTS, clean_name
from kensho_tui.models.hub.names import ENDING, is_commit, is_file_path, is_repo, local_names, sha256_of
from kensho_tui.models.hub.quantisations import WITHDRAWN, base_of, quantisation_of, stem_without
from kensho_tui.models.sources import part_of, stem_of

if TYPE_CHECKING:
    from huggingface_hub import ModelInfo

MOST_SIZE = 1 << 44
MOST_COUNT = 1 << 53
MOST_FILES = 2_000
"""GGUF files of a repository that are looked at."""

# What lies beside models: eyes and ears, statistics for quantising, vocabularies.
_NO_MODELS = ("mmproj", "imatrix", "ggml-vocab")


@dataclass(frozen=True)
class RemoteFile:
    """One file. ``name`` is what it is called here; ``sha256`` is empty where it is not told."""

    path: str
    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class RemoteGguf:
    """A model of a repository: one file, or all parts of one. ``problem``: why it cannot be used.

    ``kin``: the same for all quantisations of one model.
    """

    parts: tuple[RemoteFile, ...]
    quantisation: str
    kin: str
    problem: str = ""

    @property
    def file(self) -> str:
        """The path in the repository that stands for it."""
        return self.parts[0].path

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)

    @property
    def name(self) -> str:
        """As the catalogue will call it."""
        return clean_name(stem_of(self.parts[0].name))


@dataclass(frozen=True)
class Listing:
    """A repository at ``commit``, its smallest model first.

    ``left_out`` counts files with impossible names, ``more`` those that were not looked at.
    """

    repo: HubRepo
    commit: str
    models: tuple[RemoteGguf, ...]
    left_out: int = 0
    more: int = 0

    @cached_property
    def one_model(self) -> bool:
        """Whether all of it is one model in several quantisations."""
        return len({model.kin for model in self.models}) == 1


# --- repositories -----------------------------------------------------------------------------------


def repo_row(info: "ModelInfo", asked: str = "") -> HubRepo | None:
    """A repository as it is listed; None for one that cannot be called so. `asked`: the name it was given."""
    repo = info.id
    if not isinstance(repo, str) or not is_repo(repo) or (asked and repo.casefold() != asked.casefold()):
        if not asked:
            return None
        repo = asked
    gguf = info.gguf if isinstance(info.gguf, Mapping) else {}
    return HubRepo(
        repo=repo,
        downloads=_count(info.downloads),
        likes=_count(info.likes),
        updated=_date(info.last_modified),
        gated=info.gated in ("auto", "manual", True),
        private=info.private is True,
        architecture=_text(gguf.get("architecture"), 40),
        context=_count(gguf.get("context_length")),
        parameters=_count(gguf.get("total")),
        licence=_licence(info.tags),
    )


def file_names(info: "ModelInfo") -> list[str]:
    """Paths of the models that a search tells of, first parts only."""
    paths = [sibling.rfilename for sibling in (info.siblings or [])[:MOST_FILES]]
    return [
        path
        for path in paths
        if _may_be_model(path) and ((part := part_of(path)) is None or int(part[1]) == 1)
    ]


def listing_of(info: "ModelInfo", asked: str) -> Listing:
    """All models of a repository. Raises `HubError` for a reply without what is needed."""
    row = repo_row(info, asked)
    if row is None or not is_commit(info.sha):
        raise HubError("the hub does not say which revision it lists", hint="Try again later")
    told = [sibling for sibling in info.siblings or [] if _is_gguf(sibling.rfilename)]
    more, told = max(len(told) - MOST_FILES, 0), told[:MOST_FILES]
    good = [sibling for sibling in told if is_file_path(sibling.rfilename)]
    names = local_names([sibling.rfilename for sibling in good])
    files = [
        RemoteFile(sibling.rfilename, names[sibling.rfilename], _size(sibling), _sha256(sibling))
        for sibling in good
        if sibling.rfilename in names
    ]
    models = sorted(_models(files), key=lambda model: (model.size, model.file))
    return Listing(row, str(info.sha), tuple(models), len(told) - len(files), more)


def _models(files: list[RemoteFile]) -> list[RemoteGguf]:
    """Files and sets of parts that may be models."""
    found: list[RemoteGguf] = []
    sets: dict[tuple[str, int], dict[int, RemoteFile]] = {}
    for file in files:
        if not _may_be_model(file.path):
            continue
        part = part_of(file.path)
        if part is None:
            found.append(_model((file,)))
        else:
            sets.setdefault((file.path[: part.start()].casefold(), int(part[2])), {})[int(part[1])] = file
    return found + [_of_parts(parts, count) for (_, count), parts in sets.items()]


def _of_parts(parts: dict[int, RemoteFile], count: int) -> RemoteGguf:
    there = tuple(parts[number] for number in sorted(parts))
    if not 1 <= count <= MAXPARTS:
        return _model(there, f"A model of {count:,} parts cannot be")
    missing = [number for number in range(1, count + 1) if number not in parts]
    if missing:
        return _model(there, f"Part {missing[0]} of {count} is missing on the hub")
    return _model(there, "" if len(there) == count else "It has more parts than it says")


def _model(parts: tuple[RemoteFile, ...], problem: str = "") -> RemoteGguf:
    quantisation = quantisation_of(parts[0].path)
    if not problem and not all(part.size for part in parts):
        problem = "The hub does not say how large it is"
    if not problem and base_of(quantisation) in WITHDRAWN:
        problem = f"llama.cpp no longer reads {quantisation}: take Q4_0, which it lays out itself"
    return RemoteGguf(parts, quantisation, stem_without(stem_of(parts[0].path)), problem)


def _is_gguf(path: object) -> bool:
    return isinstance(path, str) and path.lower().endswith(ENDING)


def _may_be_model(path: object) -> bool:
    if not isinstance(path, str) or not is_file_path(path):
        return False
    name = path.rpartition("/")[2].lower()
    return not any(word in name for word in _NO_MODELS)


# --- values -----------------------------------------------------------------------------------------


def _count(value: object) -> int:
    """A count that can be; 0 for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_COUNT else 0


def _text(value: object, limit: int) -> str:
    return one_line(value, limit) if isinstance(value, str) else ""


def _date(value: object) -> str | None:
    if not isinstance(value, datetime):
        return None
    try:
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    except (OverflowError, ValueError):
        return None


def _licence(tags: object) -> str:
    """Hubs tell it as a tag."""
    for tag in tags[:1000] if isinstance(tags, list) else []:
        if isinstance(tag, str) and tag.startswith("license:"):
            return one_line(tag.removeprefix("license:"), 60)
    return ""


def _size(sibling: Any) -> int:
    """Bytes, as Git LFS has them; 0 for what cannot be, or is told in two ways."""
    plain, lfs = _count(sibling.size), sibling.lfs
    if lfs is None:
        return plain if plain <= MOST_SIZE else 0
    size = _count(lfs.size)
    return size if size <= MOST_SIZE and plain in (0, size) else 0


def _sha256(sibling: Any) -> str:
    return sha256_of(sibling.lfs.sha256) if sibling.lfs is not None else ""


def told(models: tuple[RemoteGguf, ...], most: int = 20) -> str:
    """What a repository has, as a person would ask for it."""
    kinds = Counter(model.quantisation or model.name for model in models if not model.problem)
    names = list(kinds)
    shown = ", ".join(names[:most]) or "none"
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
