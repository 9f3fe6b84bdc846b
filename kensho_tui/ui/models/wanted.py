"""What a person means who types something into the hub's line, or after ``/pull``. Pure."""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from kensho_tui.core.text import printable

_NAME = r"[A-Za-z0-9][\w.-]*"
_REPO = re.compile(rf"{_NAME}/{_NAME}", re.ASCII)
_MODEL = re.compile(rf"{_NAME}/{_NAME}(?:[:@]\S+|/\S+\.gguf)", re.ASCII | re.IGNORECASE)
_PATH_STARTS = ("/", "~", "./", "../")
_HUBS = ("huggingface.co", "www.huggingface.co", "hf.co", "www.hf.co")


@dataclass(frozen=True)
class Words:
    """To look for; empty: the list that comes with the program."""

    query: str


@dataclass(frozen=True)
class Repository:
    """To open; ``name`` is ``owner/name``."""

    name: str


@dataclass(frozen=True)
class Source:
    """To download; ``what`` as `hub_contract.StartDownload` takes it."""

    what: str


Wanted = Words | Repository | Source


def wanted(text: str, endpoint: str = "") -> Wanted:
    """Names and paths are what they look like; all else are words. ``endpoint``: another hub's address."""
    text = " ".join(printable(text).split())
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]  # as a terminal quotes a file that is dropped on it
    if text.startswith(_PATH_STARTS):
        return Source(source(text))
    if text.partition("/")[0].lower() in _HUBS:
        text = f"https://{text}"
    if "://" in text:
        repo = _repository_of(text, endpoint)
        return Repository(repo) if repo else Source(text)
    if text.lower().startswith("ollama:") or _MODEL.fullmatch(text):
        return Source(text)
    return Repository(text) if _REPO.fullmatch(text) else Words(text)


def source(text: str) -> str:
    """What to download, with a path of this machine made absolute: the host has another working folder."""
    text = text.strip()
    return str(Path(text).expanduser().absolute()) if text.startswith(_PATH_STARTS) else text


def _repository_of(address: str, endpoint: str) -> str:
    """The repository whose page this is the address of; empty: it is that of a file, or of something else."""
    try:
        parts, own = urlsplit(address), urlsplit(endpoint)
    except ValueError:
        return ""
    hub = parts.netloc.lower() in (*_HUBS, own.netloc.lower() or _HUBS[0])
    names = [name for name in parts.path.removeprefix(own.path.rstrip("/")).split("/") if name]
    page = len(names) == 2 or (len(names) > 2 and names[2] == "tree")
    repo = "/".join(names[:2])
    return repo if hub and page and _REPO.fullmatch(repo) else ""
