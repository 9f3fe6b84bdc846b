"""One try to fetch one file, in a thread: a request for what is missing, written and hashed as it comes."""

import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO, Literal
from urllib.parse import unquote, urlsplit

from kensho_tui.core.errors import DamagedError, KenshoError
from kensho_tui.core.text import one_line
from kensho_tui.models.downloads.answer import Again, Complete, Known, judge, may_resume
from kensho_tui.models.downloads.part_file import PartFile
from kensho_tui.models.downloads.patience import Patience
from kensho_tui.models.downloads.space import LOOK_EVERY, Space
from kensho_tui.models.hub.remote import RemotePart
from kensho_tui.models.line import Line

if TYPE_CHECKING:
    import httpx2

LOCAL_BLOCK = 1 << 20


class Handle(Line):
    """What the thread and the loop share. ``done`` bytes of the file are here, the last came at ``heard``.

    Once it is cut the thread ends soon, and writes nothing more.
    """

    def __init__(self) -> None:
        super().__init__()
        self.done = 0
        self.heard = time.monotonic()
        self.doing: Literal["asking", "reading", "fetching"] = "asking"


@dataclass
class Try:
    """All that one try needs. ``learned(size, etag)`` is called before the first byte is written: what the
    note says must be so when the host dies in between. ``headers`` may block.
    """

    part: RemotePart
    etag: str
    headers: Callable[[str], dict[str, str]]
    file: PartFile
    space: Space
    patience: Patience
    learned: Callable[[int, str], None]
    handle: Handle = field(default_factory=Handle)
    _looked: int = 0

    def run(self) -> bool:
        """True: the file is complete. False: it was stopped.

        Raises `Again`, `Changed`, `KenshoError`, OSError.
        """
        handle = self.handle
        with self.file as file:
            handle.done = file.size
            handle.doing = "reading"
            file.catch_up(handle.is_cut)
            handle.doing = "asking"
            if handle.is_cut():
                return False
            if self.part.size and file.size > self.part.size:
                file.clear()
            if self.part.size and file.size == self.part.size:
                return True
            try:
                self._local() if self.part.url.startswith("file:") else self._remote()
            except Complete:
                return True
            except KenshoError:
                raise
            except Exception:
                if handle.is_cut():  # a line that is cut while it is read fails in many ways
                    return False
                raise
            return not handle.is_cut()

    # --- from a server ---------------------------------------------------------------------------------

    def _remote(self) -> None:
        import httpx2

        here = self.file.size
        headers = {**self.headers(self.part.url), "Accept-Encoding": "identity"}
        if here:
            headers["Range"] = f"bytes={here}-"
            if may_resume(self.etag):
                headers["If-Range"] = self.etag
        patience = self.patience
        timeout = httpx2.Timeout(patience.stall_s, connect=patience.connect_s)
        try:
            with (
                httpx2.Client(timeout=timeout, follow_redirects=True, max_redirects=10) as client,
                client.stream(
                    "GET", self.part.url, headers=headers, extensions={"trace": self.handle.trace}
                ) as response,
            ):
                self._take(response)
        except httpx2.TooManyRedirects:
            raise KenshoError("the address leads in a circle", hint="Try another one") from None
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
            raise KenshoError(
                f"the address cannot be used: {one_line(str(error))}", hint="Nothing was fetched"
            ) from None
        except httpx2.RemoteProtocolError as error:  # also an address that no request can be made to
            raise Again(reason_of(error), "empty") from None
        except httpx2.TransportError as error:
            raise Again(reason_of(error)) from None

    def _take(self, response: "httpx2.Response") -> None:
        first, last = self.part.url, response.url
        ways = [each.url.scheme for each in (*response.history, response)]
        if first.startswith("https:") and any(scheme != "https" for scheme in ways):
            raise KenshoError(
                "the server sends us to an address without encryption", hint="Nothing was fetched"
            )
        headers = {name.lower(): value for name, value in response.headers.items()}
        for earlier in response.history:
            headers.setdefault("x-linked-etag", earlier.headers.get("x-linked-etag", ""))
        file = self.file
        known = Known(file.size, self.part.size, self.part.sha256, self.etag)
        body = judge(response.status_code, headers, known, last.host, datetime.now(UTC))
        if body.how == "anew":
            file.clear()
        self.learned(body.size, body.etag)
        self.handle.doing = "fetching"
        self._write(response.iter_raw(), file.size if body.how == "skip" else 0, body.size)
        if file.size < (body.size or self.part.size) and not self.handle.is_cut():
            raise Again("the line was cut", "empty")

    def _write(self, blocks: Iterator[bytes], skip: int, size: int) -> None:
        """Write what comes, but for the first `skip` bytes, which are here."""
        handle, file = self.handle, self.file
        for block in blocks:
            if handle.is_cut():
                return
            handle.heard = time.monotonic()
            if skip:
                passed = min(skip, len(block))
                skip -= passed
                block = block[passed:]  # noqa: PLW2901 - the rest of the same block
            if size and file.size + len(block) > size:
                raise DamagedError("the server sends more than the file's size", hint="Try again later")
            file.append(block)
            handle.done = file.size
            self._look_at_space()

    def _look_at_space(self) -> None:
        if self.file.size - self._looked >= LOOK_EVERY:
            self._looked = self.file.size
            self.space.look()

    # --- from this machine -----------------------------------------------------------------------------

    def _local(self) -> None:
        """A copy, resumed like the rest. Another file of that name begins anew."""
        path = unquote(urlsplit(self.part.url).path)
        try:
            # Without O_NONBLOCK a FIFO would wait for its writer.
            source = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        except OSError as error:
            raise KenshoError(
                f"{one_line(path)} cannot be read: {error.strerror}", hint="Put it back, then resume"
            ) from None
        with os.fdopen(source, "rb") as opened:
            self._copy(opened, one_line(path))

    def _copy(self, source: BinaryIO, called: str) -> None:
        file, status = self.file, os.fstat(source.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise KenshoError(f"{called} is no file any more", hint="Put it back, then resume")
        etag = _version(status)
        if file.size and (etag != self.etag or file.size > status.st_size):
            file.clear()
        self.learned(status.st_size, etag)
        self.handle.doing = "fetching"
        source.seek(file.size)
        left = iter(lambda: source.read(min(LOCAL_BLOCK, status.st_size - file.size)), b"")
        self._write(left, 0, status.st_size)
        if not self.handle.is_cut() and _version(os.fstat(source.fileno())) != etag:
            file.clear()
            raise DamagedError(
                f"{called} changed while it was copied", hint="Resume when nothing writes to it any more"
            )


def _version(status: os.stat_result) -> str:
    """Another one when the file was written to."""
    return f'"{status.st_dev}-{status.st_ino}-{status.st_mtime_ns}-{status.st_size}"'


def reason_of(error: "httpx2.TransportError") -> str:
    """Why a line broke, in words."""
    import httpx2

    words: tuple[tuple[type[Exception], str], ...] = (
        (httpx2.ConnectTimeout, "the server does not answer"),
        (httpx2.TimeoutException, "nothing came any more"),
        (httpx2.ProxyError, "the proxy refuses"),
        (httpx2.ConnectError, "there is no way to the server"),
    )
    said = next((text for kind, text in words if isinstance(error, kind)), "the line was cut")
    detail = one_line(str(error), 100)
    return (
        f"{said} ({detail})"
        if isinstance(error, httpx2.ConnectError | httpx2.ProxyError) and detail
        else said
    )
