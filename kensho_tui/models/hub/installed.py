"""Which models of this machine came from a hub's repositories, told by where they lie."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kensho_tui.models.files import ModelFile
from kensho_tui.models.hub.listing import RemoteGguf

_CACHED = re.compile(r".*/models--([^/]+?)--([^/]+)/snapshots/[^/]+/(?:.*/)?([^/]+)")


@dataclass(frozen=True)
class Origin:
    """``repo`` in lower case, the file's name there, and what it is called and how large it is here."""

    repo: str
    file: str
    name: str
    size: int


class Installed:
    def __init__(self, files: Iterable[ModelFile], folder: Path) -> None:
        """``folder`` holds ours: ``owner/name/file.gguf``."""
        self._origins = [found for file in files if (found := _origin(file, folder)) is not None]

    def of_repo(self, repo: str) -> tuple[str, ...]:
        """What came from a repository, whichever revision of it."""
        return tuple(origin.name for origin in self._origins if origin.repo == repo.casefold())

    def by_repo(self, repos: Iterable[str]) -> dict[str, tuple[str, ...]]:
        return {repo: names for repo in repos if (names := self.of_repo(repo))}

    def of_model(self, repo: str, model: RemoteGguf) -> str:
        """The name here of just this file; another size is another revision. Empty: it is not here."""
        first = model.parts[0]
        named = {first.name, first.path.rpartition("/")[2]}
        return next(
            (
                origin.name
                for origin in self._origins
                if origin.repo == repo.casefold() and origin.file in named and origin.size == model.size
            ),
            "",
        )


def _origin(file: ModelFile, folder: Path) -> Origin | None:
    path = Path(file.path)
    cached = _CACHED.fullmatch(file.path) if file.source == "hub" else None
    if cached is not None:
        repo = f"{cached[1]}/{cached[2]}"
    elif file.source == "folder" and path.is_relative_to(folder) and len(path.relative_to(folder).parts) == 3:
        repo = "/".join(path.relative_to(folder).parts[:2])
    else:
        return None
    return Origin(repo.casefold(), path.name, file.name, file.size)
