"""What can be fetched from this machine: a GGUF file by its path, a model of Ollama's store by its name.

Everything blocks. Addresses are ``file://`` with the absolute path percent-encoded (`Path.as_uri`).
"""

import os
import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from kensho_tui.core.errors import KenshoError, LoadError, NotFoundError, UsageError
from kensho_tui.core.text import one_line
from kensho_tui.models.catalogue import Catalogue
from kensho_tui.models.files import MAX_NAME, is_later_part, name_of
from kensho_tui.models.gguf.read import part_path, read_shape
from kensho_tui.models.gguf.shape import ModelShape
from kensho_tui.models.hub.remote import FileReference, OllamaReference, RemoteModel, RemotePart
from kensho_tui.models.sources import (
    ENDING,
    Elsewhere,
    OllamaModel,
    ollama_folders,
    ollama_models,
    part_of,
    stem_of,
)

NAMES_TOLD = 20
MAX_NAME_BYTES = 200
"""Of a file name without its part number and ending; file systems take 255 with them."""

_REGISTRY, _NAMESPACE, _TAG = "registry.ollama.ai", "library", "latest"


# --- a file by its path -----------------------------------------------------------------------------


def resolve_file(reference: FileReference, models: Path) -> RemoteModel:
    """The GGUF file at a path with all parts of its model, whichever of them was named.

    Raises `NotFoundError`, `UsageError` for a model of the folder `models`, `KenshoError` for what is none.
    """
    path = _first_part(Path(reference.path))
    _refuse_missing(path)
    _refuse_ours(path, models)
    shape = _read(path, one_line(str(path)))
    files = (path, *(part_path(path, number) for number in range(2, shape.parts + 1)))
    names = _file_names(stem_of(path.name), len(files))
    return RemoteModel(
        what=str(path),
        name=name_of(names[0]),
        origin=one_line(str(path)),
        folder="",
        parts=tuple(_part(file, name) for file, name in zip(files, names, strict=True)),
        quantisation=one_line(shape.quantisation, 40),
    )


def _first_part(path: Path) -> Path:
    if not is_later_part(path):
        return path
    try:
        return part_path(path, 1)
    except ValueError:  # numbered, but without the ending
        return path


def _refuse_missing(path: Path) -> None:
    if not path.is_absolute():
        raise UsageError(f"{one_line(str(path))} is no absolute path")
    try:
        path.stat()
    except FileNotFoundError:
        raise NotFoundError(f"there is no file {one_line(str(path))}", hint="Check the path") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise KenshoError(f"{one_line(str(path))} cannot be read: {reason}") from None


def _refuse_ours(path: Path, models: Path) -> None:
    """Whatever path leads to it: a model of our folder is not copied beside itself."""
    found = path.stat()
    for file in Catalogue(models).files():
        if file.source == "folder" and file.inode == (found.st_dev, found.st_ino):
            name = one_line(file.name)
            raise UsageError(
                f"{one_line(str(path))} is in the models folder already, as {name}",
                hint=f"Use it with: kensho-tui ask -m {shlex.quote(name)}",
            )


def _file_names(stem: str, count: int) -> tuple[str, ...]:
    """Names for the `count` files of one model, safe as file names and on a terminal (pure)."""
    clean = one_line(stem.replace(os.sep, "-"), MAX_NAME).lstrip(". ")
    clean = clean.encode()[:MAX_NAME_BYTES].decode(errors="ignore").rstrip() or "model"
    if count == 1:
        # A number that promises parts which there are not would make it a model with missing ones.
        clean = clean if part_of(clean) is None else f"{clean}-whole"
        return (f"{clean}{ENDING}",)
    return tuple(f"{clean}-{number:05}-of-{count:05}{ENDING}" for number in range(1, count + 1))


# --- a model of Ollama's store ----------------------------------------------------------------------


def resolve_ollama(reference: OllamaReference, where: Elsewhere) -> RemoteModel:
    """The file of a model by the name Ollama gives it: ``llama3.2:1b``, ``owner/name:tag``.

    Raises `NotFoundError` with the names there are, `KenshoError` for what is no whole model.
    """
    known = [model for folder in ollama_folders(where) for model in ollama_models(folder)]
    model = _named(reference.name, known)
    called = _called(model)
    if model.adapter:
        raise KenshoError(
            f"{called} of Ollama is an adapter on top of another model, no whole model in one file",
            hint="Take the model it was made from",
        )
    try:
        readable = model.blob.is_file()
    except OSError:
        readable = False
    if not readable:
        raise KenshoError(
            f"Ollama's file of {called} is missing, or not yours to read: {one_line(str(model.blob), 400)}",
            hint=f"Fetch it again with: ollama pull {called}",
        )
    shape = _read(model.blob, f"{called} of Ollama")
    stem = model.name if model.tag == _TAG else f"{model.name}-{model.tag}"
    (name,) = _file_names(stem, 1)
    return RemoteModel(
        what=f"ollama:{called}",
        name=name_of(name),
        origin=f"Ollama {called}",
        folder="",
        parts=(_part(model.blob, name, model.sha256),),
        quantisation=one_line(shape.quantisation, 40),
    )


def _named(name: str, known: Sequence[OllamaModel]) -> OllamaModel:
    """The one that is called `name`, whatever the case; where the owner is left out, the only one of others.

    The first of `known` with a name is meant by it. Raises `NotFoundError` (pure).
    """
    wanted = name.strip().casefold()
    if not re.search(r":[^/]*\Z", wanted):
        wanted += f":{_TAG}"
    for model in known:
        if wanted in _full(model):
            return model
    found = {_full(model)[0]: model for model in known if wanted == f"{model.name}:{model.tag}".casefold()}
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        raise NotFoundError(
            f"Ollama has several models {one_line(name)!r} here", hint=f"Say which: {_told(found.values())}"
        )
    raise NotFoundError(
        f"Ollama has no model {one_line(name)!r} here",
        hint=f"It has {_told(known)}" if known else "No model of Ollama was found here",
    )


def _told(models: Iterable[OllamaModel]) -> str:
    names = tuple(dict.fromkeys(_called(model) for model in models))
    more = f" and {len(names) - NAMES_TOLD} more" if len(names) > NAMES_TOLD else ""
    return one_line(", ".join(names[:NAMES_TOLD]), 1500) + more


def _full(model: OllamaModel) -> tuple[str, ...]:
    """The names that mean this one and no other, the longest first."""
    own = f"{model.name}:{model.tag}".casefold()
    owned = f"{model.namespace}/{own}".casefold()
    whole = f"{model.registry}/{owned}".casefold()
    if model.registry.casefold() != _REGISTRY:
        return (whole,)
    return (whole, owned) if model.namespace.casefold() != _NAMESPACE else (whole, owned, own)


def _called(model: OllamaModel) -> str:
    """As Ollama lists it: what is usual is left out."""
    name = f"{model.name}:{model.tag}"
    if model.registry.casefold() != _REGISTRY:
        name = f"{model.registry}/{model.namespace}/{name}"
    elif model.namespace.casefold() != _NAMESPACE:
        name = f"{model.namespace}/{name}"
    return one_line(name)


# --- both -------------------------------------------------------------------------------------------


def _read(path: Path, called: str) -> ModelShape:
    """What its header says. Raises `KenshoError`: this is no failure of the engine."""
    try:
        return read_shape(path)
    except LoadError as error:
        raise KenshoError(
            f"{called} cannot be taken over: {error.message}", hint=error.hint or "Name a GGUF file"
        ) from None


def _part(path: Path, name: str, sha256: str = "") -> RemotePart:
    try:
        size = path.stat().st_size
    except OSError as error:  # gone since its header was read
        raise KenshoError(f"{one_line(str(path))} cannot be read: {error.strerror}") from None
    return RemotePart(url=path.as_uri(), name=name, size=size, sha256=sha256)
