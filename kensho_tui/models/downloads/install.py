"""From complete parts to a model in the models folder. Everything here blocks."""

import hashlib
import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from kensho_tui.core.errors import DamagedError, KenshoError, LoadError, UsageError
from kensho_tui.core.text import one_line
from kensho_tui.models.downloads.records import sync, unwritable
from kensho_tui.models.gguf.source import FileSource
from kensho_tui.models.hub.remote import RemoteModel


def check(model: RemoteModel, parts: Sequence[Path]) -> None:
    """Whether the parts together are a model. Raises `DamagedError`."""
    from kensho_tui.models.gguf.read import shape_of

    with ExitStack() as stack:
        first, *later = [stack.enter_context(FileSource(part)) for part in parts]
        try:
            shape_of(first, *later)
        except LoadError as error:
            # The reader names the unfinished file; a person knows it by the name it would have.
            said = error.message.replace(first.name, model.parts[0].name)
            raise DamagedError(
                f"what was fetched is no model that can be used: {said}",
                hint=f"Nothing was installed. {error.hint}".strip(),
            ) from None


def untold(model: RemoteModel) -> RemoteModel:
    """Without the sizes that no hash belongs to: they were of what was no model."""
    parts = tuple(part if part.sha256 else msgspec.structs.replace(part, size=0) for part in model.parts)
    return msgspec.structs.replace(model, parts=parts)


def targets(models: Path, model: RemoteModel) -> tuple[Path, ...]:
    """Where the files go. Raises `UsageError` for a place that is not plainly inside the models folder."""
    pieces = [*Path(model.folder).parts, *(part.name for part in model.parts)]
    plain = all(
        piece == os.path.basename(piece) and piece.isprintable() and not piece.startswith((".", "~"))  # noqa: PTH119
        for piece in pieces
    )
    folder = models / model.folder
    if not plain or len(os.fsencode(str(folder))) > 3000 or any(not part.name for part in model.parts):
        raise UsageError(f"{one_line(model.origin)} has names that cannot be files here")
    if not folder.resolve().is_relative_to(models.resolve()):
        raise UsageError(
            f"{folder} leads out of the models folder", hint="Remove the link, then resume the download"
        )
    return tuple(folder / part.name for part in model.parts)


def first_missing(models: Path, model: RemoteModel, parts: Sequence[Path]) -> int:
    """The first part (from 0) that is neither here nor installed already; their count: none is."""
    both = list(zip(parts, targets(models, model), strict=True))
    return next(
        (n for n, (part, place) in enumerate(both) if not (part.exists() or place.exists())), len(both)
    )


def installed(models: Path, model: RemoteModel, parts: Sequence[Path]) -> bool:
    """Whether all parts were moved already, by another host, and none is left here."""
    return not any(part.exists() for part in parts) and all(
        place.is_file() and place.stat().st_size == part.size
        for place, part in zip(targets(models, model), model.parts, strict=True)
    )


def install(models: Path, model: RemoteModel, parts: Sequence[Path]) -> Path:
    """Move the parts to where they belong; doing it again after it was cut short ends it. Never overwrites.

    The first part goes last: a model is listed by it, and so never without the others.
    """
    places = targets(models, model)
    try:
        places[0].parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        for part, place in reversed(list(zip(parts, places, strict=True))):
            if not os.path.lexists(part) and place.is_file():
                continue  # moved before the host was ended
            if os.path.lexists(place) and _same(part, place):
                part.unlink()  # it came another way meanwhile: out of the bin, for one
                continue
            if os.path.lexists(place):
                raise KenshoError(
                    f"{place} exists already",
                    hint="Delete that model or move the file away, then resume the download",
                )
            os.rename(part, place)  # noqa: PTH104
        sync(places[0].parent)
    except OSError as error:
        raise unwritable(error, places[0].parent) from None
    return places[0]


def _same(part: Path, place: Path) -> bool:
    """Whether both are files with the same bytes."""
    if place.is_symlink() or not place.is_file() or place.stat().st_size != part.stat().st_size:
        return False
    with part.open("rb") as one, place.open("rb") as other:
        return hashlib.file_digest(one, "sha256").digest() == hashlib.file_digest(other, "sha256").digest()


def there(models: Path, model: RemoteModel) -> Path | None:
    """The first file when the whole model is installed already, by the sizes that are known.

    Raises `UsageError` where something else goes by these names, before anything is fetched in vain.
    """
    places = targets(models, model)
    found = [place for place in places if place.is_file()]
    blocked = next((place for place in places if os.path.lexists(place) and place not in found), None)
    if blocked is not None:
        raise UsageError(f"{blocked} is in the way, and is no file", hint="Move it away first")
    for place, part in zip(places, model.parts, strict=True):
        if part.size and place.is_file() and place.stat().st_size != part.size:
            raise UsageError(
                f"another version of {model.name} is here: {place}",
                hint=f"Delete it first: kensho-tui rm {model.name}",
            )
    if 0 < len(found) < len(places):
        raise UsageError(f"a part of {model.name} is here already: {found[0]}", hint="Move it away first")
    return places[0] if found else None
