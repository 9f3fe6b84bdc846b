"""Where GGUF files are: our own folder, those of the settings, and what other programs keep on this machine.

Everything is only read, and bounded: a folder may be huge, circular, unreadable or made to trip us. Nothing
here opens a GGUF file. Layouts: huggingface_hub's cache (``models--owner--repository/snapshots/revision/…``,
links to blobs), Ollama's store (``manifests/registry/namespace/name/tag``, JSON that names a blob), LM
Studio's models folder (``publisher/repository/file.gguf``).
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from kensho_tui.config.settings import Settings

Source = Literal["starter", "folder", "extra", "hub", "ollama", "lmstudio", "path"]

MAX_ENTRIES = 20_000
"""Folder entries looked at in one place."""
MAX_FILES = 2_000
"""Models taken from one place."""
MAX_DEPTH = 8
MAX_MANIFEST = 1 << 20
MAX_POINTER = 4096

ENDING = ".gguf"
_PROJECTOR = "mmproj"  # the vision half of a model, no model of its own
_OLLAMA_SYSTEM = "usr/share/ollama/.ollama/models"
_MODEL_LAYER = "application/vnd.ollama.image.model"
_ADAPTER_LAYER = "application/vnd.ollama.image.adapter"


class Candidate(msgspec.Struct, frozen=True):
    """A file that may be a model. ``detail`` tells files of one name and source apart."""

    path: Path
    source: Source
    name: str
    detail: str = ""


class Elsewhere(msgspec.Struct, frozen=True):
    """Places beside our own folder. Nothing of the process is used but what is handed in here.

    ``system`` is where the paths of services begin (``/``, but for tests).
    """

    folders: tuple[str, ...] = ()
    search: bool = False
    environ: Mapping[str, str] = {}
    home: Path = Path("/nonexistent")
    system: Path = Path("/")

    @classmethod
    def of(cls, settings: Settings, environ: Mapping[str, str] = os.environ) -> "Elsewhere":
        """What `settings` name, in the home folder of `environ`."""
        home = environ.get("HOME") or os.path.expanduser("~")  # noqa: PTH111 - Path.home() raises without one
        return cls(settings.model_folders, settings.find_models, environ, Path(home))

    def candidates(self) -> Iterator[Candidate]:
        for text in self.folders:
            yield from gguf_files(self.expand(text), "extra")
        if self.search:
            yield from _hub(hub_folder(self))
            for folder in ollama_folders(self):
                yield from _ollama(folder)
            for folder in lmstudio_folders(self):
                yield from gguf_files(folder, "lmstudio")

    def holds(self, source: Source) -> bool:
        """Whether these places are where models of `source` come from."""
        return bool(self.folders) if source == "extra" else self.search

    def expand(self, text: str) -> Path:
        """A folder as a person writes it; what is relative begins at home."""
        return self.home / text[2:] if text.startswith("~/") else self.home / ("" if text == "~" else text)


def settings_path(path: str) -> str:
    """The path under which a person's wishes for a model are kept: those for a file of the Hugging Face cache
    outlive its next revision."""
    return re.sub(r"(/models--[^/]+)/snapshots/[^/]+/", r"\1/", path, count=1)


def gguf_files(root: Path, source: Source) -> Iterator[Candidate]:
    """The GGUF files under `root`, by name; hidden folders (bin, unfinished downloads) are not entered."""
    yield from _gguf_files(root, source, _Bounds())


def part_of(name: str) -> re.Match[str] | None:
    """Where a file name says which part of how many it is: groups 1 and 2. (Compiled when first needed.)"""
    return re.search(r"-(\d{5})-of-(\d{5})(?:\.gguf)?\Z", name, re.IGNORECASE)


def stem_of(name: str) -> str:
    """A file name without its ending and part number; anything else as it is."""
    stem = name[: -len(ENDING)] if name.lower().endswith(ENDING) else name
    part = part_of(stem)
    return stem[: part.start()] if part is not None else stem


# --- walking ----------------------------------------------------------------------------------------


class _Bounds(msgspec.Struct):
    """What may still be looked at in one place, and the folders entered there (device and inode)."""

    entries: int = msgspec.field(default_factory=lambda: MAX_ENTRIES)
    files: int = msgspec.field(default_factory=lambda: MAX_FILES)
    entered: set[tuple[int, int]] = msgspec.field(default_factory=set)


def _gguf_files(root: Path, source: Source, bounds: _Bounds) -> Iterator[Candidate]:
    for entry, detail in _walk(root, "", 0, bounds):
        yield Candidate(Path(entry.path), source, stem_of(entry.name), detail)


def _walk(folder: Path, way: str, depth: int, bounds: _Bounds) -> Iterator[tuple[os.DirEntry[str], str]]:
    """GGUF files with the folders on the way to them. Links are followed, but no folder is entered twice."""
    inner = []
    for entry in _entries(folder, bounds):
        if _is_folder(entry):
            if depth < MAX_DEPTH and not entry.name.startswith("."):
                inner.append(entry)
        elif _is_gguf(entry.name) and bounds.files > 0:
            bounds.files -= 1
            yield entry, way
    for entry in inner:
        yield from _walk(Path(entry.path), f"{way} {entry.name}".lstrip(), depth + 1, bounds)


def _is_gguf(name: str) -> bool:
    low = name.lower()
    return low.endswith(ENDING) and _PROJECTOR not in low


def _entries(folder: Path, bounds: _Bounds) -> list[os.DirEntry[str]]:
    """What lies in `folder`, by name; nothing when it cannot be read or was read before."""
    taken: list[os.DirEntry[str]] = []
    try:
        found = folder.stat()
        if (found.st_dev, found.st_ino) in bounds.entered:
            return []
        bounds.entered.add((found.st_dev, found.st_ino))
        with os.scandir(folder) as entries:
            for entry in entries:
                if bounds.entries <= 0:
                    break
                bounds.entries -= 1
                taken.append(entry)
    except (OSError, ValueError):
        pass
    return sorted(taken, key=lambda entry: (entry.name.casefold(), entry.name))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


# --- the Hugging Face cache -------------------------------------------------------------------------


def hub_folder(where: Elsewhere) -> Path:
    """Where huggingface_hub keeps repositories, by the variables it reads in its order."""
    environ = where.environ
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if environ.get(name):
            return where.expand(environ[name])
    if environ.get("HF_HOME"):
        return where.expand(environ["HF_HOME"]) / "hub"
    cache = where.expand(environ.get("XDG_CACHE_HOME") or ".cache")
    return cache / "huggingface" / "hub"


def _hub(root: Path) -> Iterator[Candidate]:
    """The snapshot that ``main`` points to comes first: it keeps its name when an older one is there too."""
    bounds = _Bounds()
    for repository in _entries(root, bounds):
        if not repository.name.startswith("models--"):
            continue
        owner_name = repository.name.removeprefix("models--").replace("--", "/", 1)
        current = _read_small(Path(repository.path, "refs", "main"), 200).strip()
        snapshots = [entry.name for entry in _entries(Path(repository.path, "snapshots"), bounds)]
        snapshots.sort(key=lambda name: name != current)
        for snapshot in snapshots:
            folder = Path(repository.path, "snapshots", snapshot)
            for file in _gguf_files(folder, "hub", bounds):
                detail = owner_name if snapshot == snapshots[0] else f"{owner_name} {snapshot[:7]}"
                yield Candidate(file.path, "hub", file.name, detail)


# --- Ollama -----------------------------------------------------------------------------------------


class _Layer(msgspec.Struct):
    mediaType: str = ""
    digest: str = ""


class _Manifest(msgspec.Struct):
    layers: list[_Layer] = []


def ollama_folders(where: Elsewhere) -> tuple[Path, ...]:
    """The person's own store (or the one of OLLAMA_MODELS), and that of the service on Linux."""
    given = where.environ.get("OLLAMA_MODELS")
    own = where.expand(given) if given else where.home / ".ollama" / "models"
    return (own, where.system / _OLLAMA_SYSTEM)


class OllamaModel(msgspec.Struct, frozen=True, kw_only=True):
    """A name in Ollama's store. ``blob`` is the model's file, which may be missing, ``sha256`` its hash;
    with an adapter it is no whole model.
    """

    registry: str
    namespace: str
    name: str
    tag: str
    blob: Path
    sha256: str
    adapter: bool = False


def ollama_models(root: Path) -> Iterator[OllamaModel]:
    """What the store at `root` has manifests of."""
    bounds = _Bounds()
    levels: list[tuple[Path, tuple[str, ...]]] = [(root / "manifests", ())]
    while levels:
        folder, names = levels.pop(0)
        for entry in _entries(folder, bounds):
            if len(names) < 3:
                if _is_folder(entry):
                    levels.append((Path(entry.path), (*names, entry.name)))
                continue
            layers = _layers(Path(entry.path))
            digest = next((layer.digest for layer in layers if layer.mediaType == _MODEL_LAYER), "")
            found = re.fullmatch(r"sha256[:-]([0-9a-f]{64})", digest)
            if found is not None and bounds.files > 0:
                bounds.files -= 1
                yield OllamaModel(
                    registry=names[0],
                    namespace=names[1],
                    name=names[2],
                    tag=entry.name,
                    blob=root / "blobs" / f"sha256-{found[1]}",
                    sha256=found[1],
                    adapter=any(layer.mediaType == _ADAPTER_LAYER for layer in layers),
                )


def _layers(manifest: Path) -> list[_Layer]:
    try:
        return msgspec.json.decode(_read_small(manifest, MAX_MANIFEST), type=_Manifest).layers
    except (msgspec.DecodeError, UnicodeEncodeError):
        return []


def _ollama(root: Path) -> Iterator[Candidate]:
    for model in ollama_models(root):
        if not model.adapter:
            yield Candidate(
                model.blob, "ollama", f"{model.name}:{model.tag}", f"{model.registry}/{model.namespace}"
            )


# --- LM Studio --------------------------------------------------------------------------------------


def lmstudio_folders(where: Elsewhere) -> tuple[Path, ...]:
    """Where its pointer file says its home is, else the usual place; then the place of older versions."""
    pointed = _read_small(where.home / ".lmstudio-home-pointer", MAX_POINTER).strip()
    own = where.expand(pointed) if pointed else where.home / ".lmstudio"
    return (own / "models", where.home / ".cache" / "lm-studio" / "models")


def _read_small(path: Path, limit: int) -> str:
    """The text of a regular file of at most `limit` bytes; empty when it is anything else."""
    try:
        # Never waits for the other end of a pipe that somebody put there.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return ""
    try:
        data = os.read(descriptor, limit + 1)
    except OSError:
        return ""
    finally:
        os.close(descriptor)
    return data.decode("utf-8", "replace") if len(data) <= limit else ""
