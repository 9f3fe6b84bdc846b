"""The sockets of a loopback hub: what it answers to which request."""

import base64
import contextlib
import json
import os
import re
import socket
import struct
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from tests.support.loopback_content import Listed
from tests.support.loopback_knobs import Knobs
from tests.support.loopback_repos import File, Repo

if TYPE_CHECKING:
    from tests.support.loopback_hub import LoopbackHub

T = TypeVar("T")
TICK = 64 << 10
SEND_BUFFER = 128 << 10
"""So that what was sent is what arrived, but for little."""
_API = re.compile(r"/api/models/([^/]+/[^/]+?)(?:/(revision|tree)/([^/]+)(?:/(.*))?)?/?")
_FILE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", re.DOTALL)
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_SORTS = {"downloads": "downloads", "likes": "likes", "lastModified": "updated", "createdAt": "updated"}


@dataclass
class Request:
    """``sent`` are bytes of the body so far, from ``start`` of the ``file`` on where there is one."""

    method: str
    target: str
    headers: dict[str, str]
    at: float = field(default_factory=time.monotonic)
    file: str = ""
    status: int = 0
    start: int = 0
    sent: int = 0

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def token(self) -> str:
        return self.headers.get("authorization", "").removeprefix("Bearer ")


@dataclass(frozen=True)
class Answer:
    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Refused(Exception):
    """An answer that is none of 200, 206 and 302."""

    def __init__(self, status: int, code: str = "", message: str = "", **headers: str) -> None:
        super().__init__(status)
        self.status = status
        named = {"X-Error-Code": code, "X-Error-Message": message}
        self.headers = {key: value for key, value in named.items() if value} | headers


class Server:
    """One port of the hub. ``requests`` tells what came in; ``problems`` are errors of the hub's own."""

    def __init__(self, hub: "LoopbackHub", requests: list[Request]) -> None:
        self.hub = hub
        self.requests = requests
        self.problems: list[BaseException] = []
        self._http = _Http(("127.0.0.1", 0), _Handler)
        self._http.owner = self
        self.port: int = self._http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.end_connections()
        self._http.server_close()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    owner: Server

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def end_connections(self) -> None:
        """Whoever waits for a next request, or to send, does so no longer."""
        for each in list(self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exception()
        if error is not None and not isinstance(error, OSError | ValueError):
            self.owner.problems.append(error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Http
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)

    def log_message(self, *_: object) -> None:
        pass

    @property
    def hub(self) -> "LoopbackHub":
        return self.server.owner.hub

    def do_HEAD(self) -> None:
        self._serve()

    def do_GET(self) -> None:
        self._serve()

    def _serve(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.seen = Request(self.command, self.path, headers)
        self.server.owner.requests.append(self.seen)
        url = urlsplit(self.path)
        try:
            self._route(url.path, unquote(url.path), parse_qs(url.query))
        except Refused as refused:
            self._whole(b"" if refused.status == 304 else b"refused", refused.status, refused.headers)
        except OSError:
            self.close_connection = True

    def _route(self, raw: str, path: str, query: dict[str, list[str]]) -> None:
        elsewhere = self.server.owner is self.hub.cdn
        if path in self.hub.answers and not elsewhere:
            given = self.hub.answers[path]
            body = given.body if isinstance(given.body, bytes) else json.dumps(given.body).encode()
            return self._whole(body, given.status, dict(given.headers))
        if path in self.hub.addresses:
            file = self.hub.addresses[path]
            knobs = file.knobs.over(self.hub.knobs)
            self._fail(knobs, "files")
            return self._body(file, knobs, {"Last-Modified": formatdate(0, usegmt=True)})
        if elsewhere:
            return self._handed_out(self.path)
        if path.startswith("/api/models"):
            self._fail(self.hub.knobs, "api")
            return self._api(raw, path, query)
        return self._resolve(raw)

    # --- who may, and what fails ---

    def _fail(self, knobs: Knobs, where: str) -> None:
        failure = knobs.failure
        if failure is not None and failure.where in ("", where) and failure.take():
            raise Refused(failure.status, **failure.told())

    def _repo(self, name: str, *, files: bool) -> Repo:
        """Raises what the hub answers to somebody who may not know it, or (``files``) not read it."""
        token = self.seen.token
        if token and token not in self.hub.tokens:
            raise Refused(401, message="Invalid credentials in Authorization header")
        if name in self.hub.moved:
            there = self.path.replace(name, self.hub.moved[name], 1)
            raise Refused(307, Location=there)
        repo = self.hub.repos.get(name)
        allowed = name in self.hub.tokens.get(token, ())
        if repo is None or (repo.private and not allowed):
            raise Refused(404 if token else 401, "RepoNotFound", "Repository not found")
        if repo.disabled:
            raise Refused(403, message="Access to this resource is disabled.")
        if files and repo.gated and not allowed:
            said = f"Access to model {name} is restricted"
            raise Refused(403 if token else 401, "GatedRepo", said)
        return repo

    def _commit(self, repo: Repo, revision: str) -> str:
        sha = repo.at(unquote(revision))
        if sha is None:
            raise Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return sha

    # --- the API ---

    def _api(self, raw: str, path: str, query: dict[str, list[str]]) -> None:
        if path == "/api/models":
            return self._search(query)
        found = _API.fullmatch(raw)
        if found is None:
            raise Refused(404)
        repo = self._repo(unquote(found[1]), files=False)
        sha = self._commit(repo, found[3] or "main")
        if found[2] == "tree":
            return self._tree(repo, sha, unquote(found[4] or ""), query)
        told = repo.told(sha, query.get("expand", []), query.get("blobs") in (["true"], ["True"]))
        return self._json(told)

    def _search(self, query: dict[str, list[str]]) -> None:
        def one(name: str, default: str = "") -> str:
            return query.get(name, [default])[-1]

        words = one("search").lower().split()
        allowed = self.hub.tokens.get(self.seen.token, set())
        found = [
            repo
            for repo in self.hub.repos.values()
            if all(word in repo.id.lower() for word in words)
            and ("gguf" not in query.get("filter", []) or repo.has_gguf())
            and (not repo.private or repo.id in allowed)
            and (not one("author") or repo.id.startswith(one("author") + "/"))
        ]
        if (by := _SORTS.get(one("sort"))) is not None:
            found.sort(key=lambda repo: getattr(repo, by), reverse=True)
        size = max(1, min(int(one("limit", "1000")), self.hub.page))
        full = one("full").lower() == "true"
        page, more = self._page(found, size, query)
        self._json([repo.listed(full, query.get("expand", [])) for repo in page], more)

    def _tree(self, repo: Repo, sha: str, under: str, query: dict[str, list[str]]) -> None:
        prefix = f"{under}/" if under else ""
        entries: dict[str, dict[str, Any]] = {}
        for name, file in repo.commits[sha].items():
            if not name.startswith(prefix):
                continue
            folder, deeper, _ = name.removeprefix(prefix).partition("/")
            if deeper:
                path = prefix + folder
                entries.setdefault(path, {"type": "directory", "path": path, "size": 0, "oid": "0" * 40})
            if not deeper or query.get("recursive") in (["true"], ["True"]):
                entries[name] = file.tree_entry()
        page, more = self._page(list(entries.values()), self.hub.page, query)
        self._json(page, more)

    def _page(self, every: list[T], size: int, query: dict[str, list[str]]) -> tuple[list[T], str]:
        """The page that the query's cursor asks for, and the address of the next one (empty: none)."""
        cursor = query.get("cursor", [""])[0]
        at = int(base64.urlsafe_b64decode(cursor)) if cursor else 0
        if at + size >= len(every):
            return every[at:], ""
        upto = base64.urlsafe_b64encode(str(at + size).encode()).decode()
        again = urlencode({**query, "cursor": [upto]}, doseq=True)
        return every[at : at + size], f"{self.hub.url}{urlsplit(self.path).path}?{again}"

    def _json(self, told: Any, more: str = "") -> None:
        headers = {"Content-Type": "application/json; charset=utf-8"}
        if more:
            headers["Link"] = f'<{more}>; rel="next"'
        self._whole(json.dumps(told).encode(), 200, headers)

    def _whole(self, body: bytes, status: int, headers: dict[str, str]) -> None:
        self.seen.status = status
        self._head(status, {"Content-Length": str(len(body)), **headers})
        if self.command != "HEAD":
            self.wfile.write(body)
            self.seen.sent = len(body)

    # --- files ---

    def _resolve(self, raw: str) -> None:
        found = _FILE.fullmatch(raw)
        if found is None:
            raise Refused(404)
        name = unquote(found[1])
        repo = self._repo(name, files=True)
        sha = self._commit(repo, found[2])
        file = repo.commits[sha].get(unquote(found[3]))
        if file is None or isinstance(file.content, Listed):
            raise Refused(404, "EntryNotFound", "Entry not found", **{"X-Repo-Commit": sha})
        knobs = file.knobs.over(self.hub.knobs)
        self._fail(knobs, "files")
        headers = {} if knobs.no_commit else {"X-Repo-Commit": sha}
        headers |= {"X-Linked-Size": str(file.told_size), "X-Linked-Etag": file.linked_etag}
        there = knobs.redirect_to
        if knobs.redirect:
            there = (
                f"/{file.content.sha256}/{len(self.hub.handed_out)}?name={quote(file.name, errors='replace')}"
            )
            self.hub.handed_out[there] = (file, 0)
            there = self.hub.cdn.url + there
        if there is not None:
            return self._whole(b"", 302, headers | {"Location": there, "ETag": file.linked_etag})
        return self._body(file, knobs, headers)

    def _handed_out(self, target: str) -> None:
        """The second server has no accounts: whoever has an address may use it while it is good."""
        if target not in self.hub.handed_out:
            raise Refused(404)
        file, uses = self.hub.handed_out[target]
        knobs = file.knobs.over(self.hub.knobs)
        if knobs.redirect_uses is not None and uses >= knobs.redirect_uses:
            raise Refused(403)
        self.hub.handed_out[target] = (file, uses + 1)
        self._body(file, knobs, {})

    def _body(self, file: File, knobs: Knobs, headers: dict[str, str]) -> None:
        content = file.content
        etag = file.etag
        asked = self._asked(content.size, etag, headers, knobs)
        start, end = asked or (0, content.size)
        if asked is not None:
            shift = knobs.shift_range or 0
            start, end = start + shift, min(end + shift, content.size)
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{content.size}"
        self.seen.file = file.name
        self.seen.start = start
        self.seen.status = 206 if asked else 200
        headers |= {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes"}
        if etag:
            headers["ETag"] = etag
        if knobs.chunked:
            headers["Transfer-Encoding"] = "chunked"
        elif not knobs.until_close:
            headers["Content-Length"] = str(end - start + (knobs.length_off or 0))
        self._head(self.seen.status, headers)
        if self.command != "HEAD":
            self._send(file, knobs, start, end)
        if knobs.length_off or knobs.until_close:
            self._close(reset=False)

    def _asked(self, size: int, etag: str, headers: dict[str, str], knobs: Knobs) -> tuple[int, int] | None:
        """The bytes asked for, as start and end; None: all. Raises 416."""
        found = _RANGE.fullmatch(self.seen.headers.get("range", ""))
        condition = self.seen.headers.get("if-range")
        if found is None or knobs.ignore_range or not (found[1] or found[2]):
            return None
        if condition is not None and condition not in (etag, headers.get("Last-Modified")):
            return None
        if not found[1]:
            return max(0, size - int(found[2])), size
        start = int(found[1])
        end = min(int(found[2]) + 1, size) if found[2] else size
        if start >= end:
            raise Refused(416, **{"Content-Range": f"bytes */{size}"})
        return start, end

    def _send(self, file: File, knobs: Knobs, start: int, end: int) -> None:
        """The bytes; knobs that are turned meanwhile count."""
        # Answers that end before do not count.
        cut = knobs.cut if knobs.cut and knobs.cut.after < end - start and knobs.cut.take() else None
        stall = (
            knobs.stall if knobs.stall and knobs.stall.after < end - start and knobs.stall.take() else None
        )
        content, at = file.content, start
        while at < end:
            now = file.knobs.over(self.hub.knobs)
            size = min(now.drip[0] if now.drip else TICK, end - at)
            for limit in (cut, stall):
                if limit is not None and self.seen.sent < limit.after:
                    size = min(size, limit.after - self.seen.sent)
            if cut is not None and self.seen.sent >= cut.after:
                self._close(reset=cut.reset)
            if stall is not None and self.seen.sent >= stall.after:
                self.hub.end.wait(stall.seconds)
                stall = None
            if now.rate:
                now.pace.wait(size, now.rate, self.hub.end)
            if now.drip:
                self.hub.end.wait(now.drip[1])
            if self.hub.end.is_set():
                self._close(reset=False)
            self._put(content.read(at, size), bool(knobs.chunked))
            at += size
        if knobs.chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _put(self, data: bytes, chunked: bool) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data) if chunked else data)
        self.seen.sent += len(data)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _close(self, *, reset: bool) -> NoReturn:
        self.close_connection = True
        if reset:
            # Wait until what was sent has left; then closing sends RST.
            time.sleep(0.05)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())
        raise ConnectionAbortedError
