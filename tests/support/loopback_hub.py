"""A Hugging Face hub over real sockets on 127.0.0.1, for the real ``huggingface_hub`` client and our own.

    with LoopbackHub() as hub:
        repo = hub.add("owner/name", {"model-Q4_K_M.gguf": Generated(8 * MIB)}, downloads=10, gated="auto")
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        repo["model-Q4_K_M.gguf"].knobs.cut = Cut(after=MIB, times=3)   # one file; while it runs, too
        hub.knobs.rate = 20e6                                           # the whole hub
        address = hub.serve("/any/address.gguf", b"GGUF...")            # outside of repositories
        hub.answer("/api/models/owner/odd", [[[[]]]])                   # this instead of what it would say
        hub.twice("model-Q4_K_M.gguf")                                  # bytes that were sent twice

`hub.requests` and `hub.cdn.requests` (the second server, on another port) tell what was asked and sent. The
fixture ``loopback_hub`` is a running one, with ``HF_ENDPOINT`` set to it. As a process of its own:

    python -m tests.support.loopback_hub --rate 50e6 --file owner/name/model-Q4_K_M.gguf=200000000

prints its address and serves until its standard input ends; a file is a path, or a number
of bytes to make up.
"""

import argparse
import contextlib
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from tests.support.loopback_content import MIB, Content, Generated, Listed, content_of
from tests.support.loopback_knobs import Cut, Failure, Knobs, Stall
from tests.support.loopback_repos import MISSING, File, Repo, made, oid
from tests.support.loopback_server import Answer, Request, Server

__all__ = [
    "MIB",
    "MISSING",
    "Answer",
    "Cut",
    "Failure",
    "Generated",
    "Knobs",
    "Listed",
    "LoopbackHub",
    "Request",
    "Stall",
]


class LoopbackHub:
    """``tokens`` maps a token to the gated and private repositories that it may read."""

    def __init__(self, *, page: int = 1000) -> None:
        self.page = page
        self.knobs = Knobs()
        self.repos: dict[str, Repo] = {}
        self.addresses: dict[str, File] = {}
        self.answers: dict[str, Answer] = {}
        self.tokens: dict[str, set[str]] = {}
        self.moved: dict[str, str] = {}
        self.requests: list[Request] = []
        self.end = threading.Event()
        self.main = Server(self, self.requests)
        self.cdn = Server(self, [])
        self.handed_out: dict[str, tuple[File, int]] = {}
        """Addresses on the second server: the file, and how many requests each has served."""

    @property
    def url(self) -> str:
        return self.main.url

    @property
    def port(self) -> int:
        return self.main.port

    def __enter__(self) -> Self:
        self.main.start()
        self.cdn.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end.set()
        self.main.stop()
        self.cdn.stop()

    # --- what it has ---

    def add(self, repo: str, files: Mapping[str, bytes | Path | Content], **more: Any) -> Repo:
        """A repository; ``more`` are fields of `Repo`."""
        sha = oid(repo)
        commits = {sha: {name: made(name, content) for name, content in files.items()}}
        self.repos[repo] = added = Repo(repo, commits, sha, **more)
        return added

    def serve(self, path: str, content: bytes | Path | Content) -> str:
        """A file outside of repositories, on both ports; returns its address on the first one. `file` of
        ``path`` has its knobs.
        """
        self.addresses[path] = File(path.rpartition("/")[2], content_of(content))
        return self.url + path

    def file(self, where: str) -> File:
        """Of ``owner/name/file``, or of the path of an address."""
        if where in self.addresses:
            return self.addresses[where]
        owner, name, file = where.split("/", 2)
        return self.repos[f"{owner}/{name}"][file]

    def answer(self, path: str, body: Any, status: int = 200, **headers: str) -> None:
        """From now on this for ``path``: bytes as they are, all else as JSON; ``_`` in names means ``-``."""
        self.answers[path] = Answer(
            body, status, {name.replace("_", "-"): to for name, to in headers.items()}
        )

    # --- what was asked ---

    def fetched(self, file: str) -> list[Request]:
        """Answers with bytes of the file, from both servers, in their order."""
        every = [*self.requests, *self.cdn.requests]
        return sorted((one for one in every if one.file == file and one.sent), key=lambda one: one.at)

    def sent(self, file: str) -> int:
        return sum(one.sent for one in self.fetched(file))

    def twice(self, file: str) -> int:
        """Bytes of the file that were sent although they had been sent before."""
        ranges = sorted((one.start, one.start + one.sent) for one in self.fetched(file))
        again, upto = 0, 0
        for start, end in ranges:
            again += max(0, min(upto, end) - start)
            upto = max(upto, end)
        return again

    def tokens_seen(self) -> set[str]:
        """Every token that either server was sent."""
        return {one.token for one in (*self.requests, *self.cdn.requests)} - {""}


def main() -> None:
    parser = argparse.ArgumentParser(description="a loopback hub until standard input ends")
    parser.add_argument("--rate", type=float, help="bytes per second")
    parser.add_argument("--file", action="append", default=[], metavar="OWNER/NAME/FILE=PATH|SIZE")
    parser.add_argument("--redirect", action="store_true", help="bytes come from a second port")
    options = parser.parse_args()
    repos: dict[str, dict[str, Path | Content]] = {}
    for number, given in enumerate(options.file):
        where, _, what = given.partition("=")
        owner, name, file = where.split("/", 2)
        content = Generated(int(what), seed=number) if what.isdecimal() else Path(what)
        repos.setdefault(f"{owner}/{name}", {})[file] = content
    with LoopbackHub() as hub:
        for repo, files in repos.items():
            added = hub.add(repo, files, downloads=1000)
            for file in added.files.values():
                hash(file.content.sha256)  # known before anybody waits for it
        hub.knobs.rate = options.rate
        hub.knobs.redirect = options.redirect or None
        print(hub.url, flush=True)  # noqa: T201
        with contextlib.suppress(KeyboardInterrupt):
            sys.stdin.read()


if __name__ == "__main__":
    main()
