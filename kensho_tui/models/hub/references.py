"""What can be asked for: a repository's model, an address, a file here, Ollama's model (pure)."""

import os
import re
from collections.abc import Mapping
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from kensho_tui.core.errors import UsageError
from kensho_tui.core.text import one_line
from kensho_tui.models.hub.names import ENDING, is_file_path, is_repo, is_revision
from kensho_tui.models.hub.quantisations import quantisation_of
from kensho_tui.models.hub.remote import (
    FileReference,
    HubReference,
    OllamaReference,
    Reference,
    UrlReference,
)

ENDPOINT = "https://huggingface.co"
MAX_LENGTH = 4096
FORMS = "Write owner/name, owner/name:Q4_K_M, owner/name/file.gguf, an address, ollama:name, or a path"

_HOSTS = frozenset({"huggingface.co", "www.huggingface.co", "hf.co", "www.hf.co"})
_QUANTISATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
_OLLAMA = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/-]{0,200}(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?")
_VIEWS = ("blob", "resolve", "raw", "tree")
_NO_MODELS = ("datasets", "spaces", "collections", "papers", "docs", "api", "settings", "models", "kernels")


def endpoint_of(environ: Mapping[str, str]) -> str:
    """The root of the hub that `environ` names, without a slash at its end."""
    return (environ.get("HF_ENDPOINT") or ENDPOINT).strip().rstrip("/")


def parse(what: str, endpoint: str = ENDPOINT) -> Reference:
    """What `what` names; addresses at `endpoint` are the hub's too.

    Relative paths and ``~`` are those of this process. Raises `UsageError`.
    """
    text = what.strip()
    if not text:
        raise UsageError("nothing was named", hint=FORMS)
    if len(text) > MAX_LENGTH or not text.isprintable():
        raise UsageError(f"{one_line(text, 80)!r} names no model", hint=FORMS)
    if text.startswith(("/", "./", "../", "~")) or text in (".", ".."):
        return _file(os.path.expanduser(text))  # noqa: PTH111 - as a shell would
    scheme, colon, rest = text.partition(":")
    if colon and scheme.lower() == "ollama":
        return _ollama(rest.removeprefix("//"))
    if colon and rest.startswith("//"):
        return _address(text, endpoint)
    first, slash, rest = text.partition("/")
    if slash and first.lower() in _HOSTS:
        return _on_the_hub(rest)
    return _repository(text)


def _file(path: str) -> FileReference:
    if path.startswith("~"):
        raise UsageError(f"there is no home folder for {one_line(path, 80)}", hint="Write the whole path")
    if not path.lower().endswith(ENDING):
        raise UsageError(f"{one_line(path, 200)} is no .gguf file", hint="Give the path of a .gguf file")
    return FileReference(os.path.abspath(path))  # noqa: PTH100 - a link keeps its name


def _ollama(name: str) -> OllamaReference:
    if not _OLLAMA.fullmatch(name) or ".." in name:
        raise UsageError(
            f"Ollama has no names like {one_line(name, 80)!r}", hint="Write ollama:name or ollama:name:tag"
        )
    return OllamaReference(name)


# --- addresses --------------------------------------------------------------------------------------


def _address(text: str, endpoint: str) -> Reference:
    try:
        url = urlsplit(text)
        host, _ = url.hostname or "", url.port
    except ValueError:
        raise UsageError(f"{one_line(text, 200)} is no address", hint=FORMS) from None
    if url.scheme == "file" and host in ("", "localhost"):
        return _file(unquote(url.path))
    if url.scheme == "hf":
        return _repository(text.partition("://")[2].removeprefix("models/"))
    if url.scheme not in ("http", "https") or not host:
        raise UsageError(f"{one_line(text, 200)} is no http address", hint=FORMS)
    if url.username is not None or url.password is not None:
        raise UsageError(
            "an address with a password in it would be kept and shown",
            hint="Fetch that file with another program, then give its path",
        )
    within = _within(url, endpoint)
    if within is not None:
        return _on_the_hub(within, url.query)
    if not unquote(url.path).lower().endswith(ENDING):
        raise UsageError(
            f"{one_line(text, 200)} is no .gguf file",
            hint="Give the address of the file itself; it ends in .gguf",
        )
    return UrlReference(url._replace(fragment="").geturl())


def _within(url: SplitResult, endpoint: str) -> str | None:
    """The path below the hub's root; None: it is somewhere else."""
    base = urlsplit(endpoint)
    if (url.scheme, url.netloc.lower()) == (base.scheme, base.netloc.lower()):
        root = base.path.rstrip("/") + "/"
        return url.path.removeprefix(root) if url.path.startswith(root) else None
    return url.path.lstrip("/") if (url.hostname or "").lower() in _HOSTS and not url.port else None


def _on_the_hub(path: str, query: str = "") -> HubReference:
    """``owner/name`` and what follows it in an address: a view, a revision, a file."""
    path, _, asked = path.partition("?")
    path = path.partition("#")[0].strip("/")
    parts = path.split("/")
    if parts[0] in _NO_MODELS or len(parts) < 2:
        raise UsageError(
            f"{one_line(path, 120) or 'that address'} is no model on the hub", hint="Write owner/name"
        )
    if len(parts) < 4 or parts[2] not in _VIEWS:
        shown = parse_qs(query or asked).get("show_file_info", [""])[0]  # the page of one file's details
        return _repository("/".join([*parts, shown]) if shown and len(parts) == 2 else unquote(path))
    repo, view = "/".join(parts[:2]), parts[2]
    length = 3 if parts[3] == "refs" and len(parts) > 5 else 1
    revision = unquote("/".join(parts[3 : 3 + length]))
    file = unquote("/".join(parts[3 + length :]))
    if not is_repo(repo) or not is_revision(revision):
        raise UsageError(f"{one_line(path, 120)} is no model on the hub", hint="Write owner/name")
    if view == "tree":
        folder = quantisation_of(file.rpartition("/")[2])
        return HubReference(repo, quantisation=folder, revision=_unless_main(revision))
    return HubReference(repo, file=_gguf(file), revision=_unless_main(revision))


def _unless_main(revision: str) -> str | None:
    return None if revision == "main" else revision


# --- repositories -----------------------------------------------------------------------------------


def _repository(text: str) -> HubReference:
    """``owner/name``, ``owner/name:QUANT``, ``owner/name:file.gguf``, ``owner/name/path/file.gguf``."""
    head, colon, tail = text.partition(":")
    owner, _, rest = head.strip("/").partition("/")
    name, slash, file = rest.partition("/")
    repo = f"{owner}/{name}"
    if not is_repo(repo):
        hint = FORMS if "/" in text else f"To find a model by its name, search the hub. {FORMS}"
        raise UsageError(f"{one_line(text, 120)!r} is no model on the hub", hint=hint)
    if slash:
        return HubReference(repo, file=_gguf(f"{file}:{tail}" if colon else file))
    if name.lower().endswith(ENDING):
        raise UsageError(
            f"{one_line(text, 120)} may be a file of this machine or of a repository",
            hint=f"Write ./{one_line(text, 120)}, or owner/name/file.gguf",
        )
    if not colon or tail.lower() in ("", "latest"):
        return HubReference(repo)
    if tail.lower().endswith(ENDING):
        return HubReference(repo, file=_gguf(tail))
    if not _QUANTISATION.fullmatch(tail):
        raise UsageError(
            f"{one_line(tail, 60)!r} is no quantisation", hint="Write owner/name:Q4_K_M, for example"
        )
    return HubReference(repo, quantisation=tail)


def _gguf(file: str) -> str:
    if not is_file_path(file):
        raise UsageError(
            f"{one_line(file, 120)!r} is no .gguf file that could be kept under its name",
            hint="Write owner/name/file.gguf, or owner/name to choose by quantisation",
        )
    return file
