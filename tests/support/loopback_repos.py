"""What a loopback hub has: repositories and their files, and what it tells about them as JSON."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tests.support.loopback_content import Content, content_of
from tests.support.loopback_knobs import Knobs

Gated = Literal["auto", "manual", False]
MISSING: Any = object()
"""As a value of ``extra``: leave the field out."""

_USUAL = ("likes", "trendingScore", "private", "downloads", "tags", "createdAt", "modelId")
_FULL = (*_USUAL, "author", "sha", "lastModified", "gated", "disabled", "siblings", "library_name")
_ONE = (*_FULL, "cardData", "gguf", "config", "usedStorage")


def oid(text: str) -> str:
    """Forty hexadecimal digits, as Git has them."""
    return hashlib.sha1(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()


@dataclass
class File:
    """A file of a repository, or one at an address of its own. ``lfs`` False: small files have no hash."""

    name: str
    content: Content
    lfs: bool = True
    knobs: Knobs = field(default_factory=Knobs)

    @property
    def told_size(self) -> Any:
        return self.content.size if self.knobs.told_size is None else self.knobs.told_size

    @property
    def told_sha256(self) -> Any:
        return self.content.sha256 if self.knobs.told_sha256 is None else self.knobs.told_sha256

    @property
    def linked_etag(self) -> str:
        return f'"{self.told_sha256 if self.lfs else oid(self.content.sha256)}"'

    @property
    def etag(self) -> str:
        """That of the bytes themselves, whatever is told of them."""
        if self.knobs.etag is not None:
            return self.knobs.etag
        return f'"{self.content.sha256 if self.lfs else oid(self.content.sha256)}"'

    def change(self, content: bytes | Path | Content) -> None:
        """Other bytes from now on, under the same address and commit, with another ETag."""
        self.content = content_of(content)

    def sibling(self, blobs: bool) -> dict[str, Any]:
        found: dict[str, Any] = {"rfilename": self.name}
        if blobs:
            found |= {"size": self.told_size, "blobId": oid(self.name)}
            if self.lfs:
                found["lfs"] = {"size": self.told_size, "sha256": self.told_sha256, "pointerSize": 135}
        return found

    def tree_entry(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "type": "file",
            "path": self.name,
            "size": self.told_size,
            "oid": oid(self.name),
        }
        if self.lfs:
            found["lfs"] = {"size": self.told_size, "oid": self.told_sha256, "pointerSize": 135}
        return found


@dataclass
class Repo:
    """``extra`` replaces fields of its JSON. ``commits``: files by commit; ``sha`` is the newest."""

    id: str
    commits: dict[str, dict[str, File]]
    sha: str
    downloads: Any = 0
    likes: Any = 0
    gated: Gated = False
    private: bool = False
    disabled: bool = False
    tags: tuple[str, ...] = ()
    licence: str = ""
    gguf: Mapping[str, Any] | None = None
    updated: str = "2026-01-01T00:00:00.000Z"
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def files(self) -> dict[str, File]:
        return self.commits[self.sha]

    def __getitem__(self, name: str) -> File:
        return self.files[name]

    def commit(self, files: Mapping[str, bytes | Path | Content]) -> str:
        """A new commit with these files changed or added; older ones can still be asked for."""
        sha = oid(f"{self.sha}/{len(self.commits)}")
        changed = {name: made(name, content) for name, content in files.items()}
        self.commits[sha] = self.files | changed
        self.sha = sha
        return sha

    def at(self, revision: str) -> str | None:
        """The commit that a revision is; None: it has none of that name."""
        if revision == "main":
            return self.sha
        return revision if revision in self.commits else None

    def has_gguf(self) -> bool:
        return "gguf" in self.tags or any(name.lower().endswith(".gguf") for name in self.files)

    def entry(self, names: tuple[str, ...], *, sha: str | None = None, blobs: bool = False) -> dict[str, Any]:
        """The fields ``names`` of its JSON; its ``_id`` and ``id`` always."""
        sha = sha or self.sha
        licences = (f"license:{self.licence}",) if self.licence else ()
        given: dict[str, Any] = {
            "author": self.id.partition("/")[0],
            "cardData": {"license": self.licence} if self.licence else {},
            "config": {},
            "createdAt": self.updated,
            "disabled": self.disabled,
            "downloads": self.downloads,
            "downloadsAllTime": self.downloads,
            "gated": self.gated,
            "gguf": self.gguf,
            "lastModified": self.updated,
            "library_name": "gguf",
            "likes": self.likes,
            "modelId": self.id,
            "private": self.private,
            "sha": sha,
            "tags": [*(("gguf",) if self.has_gguf() else ()), *self.tags, *licences],
            "trendingScore": 0,
            "usedStorage": 0,
        }
        if "siblings" in names:
            given["siblings"] = [file.sibling(blobs) for file in self.commits[sha].values()]
        found = {"_id": oid(self.id)[:24], "id": self.id}
        found |= {name: given[name] for name in names if given.get(name) is not None}
        found |= {name: value for name, value in self.extra.items() if name in names or name in found}
        return {name: value for name, value in found.items() if value is not MISSING}

    def listed(self, full: bool, expand: list[str]) -> dict[str, Any]:
        """As one of many."""
        return self.entry(tuple(expand) or (_FULL if full else _USUAL))

    def told(self, sha: str, expand: list[str], blobs: bool) -> dict[str, Any]:
        """As asked for by name."""
        return self.entry(tuple(expand) or _ONE, sha=sha, blobs=blobs)


def made(name: str, content: bytes | Path | Content) -> File:
    return File(name, content_of(content), lfs=name.lower().endswith((".gguf", ".safetensors", ".bin")))
