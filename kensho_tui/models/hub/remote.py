"""What can be fetched: a model somewhere else, as its files with their addresses, sizes and hashes."""

from dataclasses import dataclass

import msgspec


@dataclass(frozen=True)
class HubReference:
    """A model of a repository by quantisation or by file; neither: the one recommended here."""

    repo: str
    quantisation: str = ""
    file: str = ""
    revision: str | None = None


@dataclass(frozen=True)
class UrlReference:
    """A GGUF file at an address that is not the hub's."""

    url: str


@dataclass(frozen=True)
class FileReference:
    """A GGUF file of this machine, by its absolute path."""

    path: str


@dataclass(frozen=True)
class OllamaReference:
    """A model of Ollama's store as Ollama calls it: ``llama3.2:1b``, ``owner/name:tag``."""

    name: str


Reference = HubReference | UrlReference | FileReference | OllamaReference


class RemotePart(msgspec.Struct, frozen=True, kw_only=True):
    """One file. ``url`` is an address, or ``file://`` with an absolute path. ``name`` is the file's name
    here: checked, without folders. ``size`` 0: not known. ``sha256`` is hexadecimal; empty: not known.
    """

    url: str
    name: str
    size: int = 0
    sha256: str = ""


class RemoteModel(msgspec.Struct, frozen=True, kw_only=True):
    """``what`` asks for the same again. ``folder`` is where it goes, relative to the models folder.

    ``revision`` is the commit that the addresses name (empty: there is none). ``name`` as the catalogue will
    call it.
    """

    what: str
    name: str
    origin: str
    folder: str
    parts: tuple[RemotePart, ...]
    revision: str = ""
    quantisation: str = ""

    @property
    def size(self) -> int:
        """Bytes of all parts; 0: not known."""
        sizes = [part.size for part in self.parts]
        return sum(sizes) if all(sizes) else 0
