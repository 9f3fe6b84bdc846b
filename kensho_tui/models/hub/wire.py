"""What goes over the line to a hub, bounded: waits, sizes, where tokens go. Imported in threads only.

The library keeps one client for the process and hands it no time limits; every request of that client passes
through here. Whoever waits for a thread's request holds its `Watch`, and can end it at any moment.
"""

from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, TypeVar

import httpx2

from kensho_tui.core.errors import HubError, KenshoError, OfflineError
from kensho_tui.core.text import one_line
from kensho_tui.models.downloads.answer import retry_after
from kensho_tui.models.hub.failures import limited, unavailable, unreadable, unsendable, utc_now
from kensho_tui.models.hub.watch import Watch

CONNECT_S, READ_S = 10.0, 20.0
MOST_REDIRECTS = 10
AGAIN_AFTER_S = 0.5

T = TypeVar("T")
_current: ContextVar[Watch | None] = ContextVar("_current", default=None)


def watched(watch: Watch, work: Callable[[], T]) -> T:
    """The result of `work`, whose requests are `watch`'s. Raises `KenshoError` for whatever the line does."""
    before = _current.set(watch)
    try:
        return work()
    except httpx2.TransportError as error:
        raise broken(error, watch.origin) from None
    except UnicodeEncodeError:
        raise unsendable() from None
    except OSError as error:
        raise unreadable(error) from None
    finally:
        _current.reset(before)


class Bounded(httpx2.SyncByteStream):
    """The body of a reply, up to so many bytes."""

    def __init__(self, stream: httpx2.SyncByteStream, watch: Watch) -> None:
        self._stream = stream
        self._watch = watch

    def __iter__(self) -> Iterator[bytes]:
        left = self._watch.most
        for block in self._stream:
            self._watch.check()
            left -= len(block)
            if left < 0:
                what = f"{self._watch.origin} sends more than {self._watch.most >> 20} MiB for an answer"
                raise HubError(what, hint="Nothing of it was used; ask for something else")
            yield block

    def close(self) -> None:
        self._stream.close()


class Client(httpx2.Client):
    """The library's client: with time limits, and without its retries, which wait for minutes."""

    def __init__(self) -> None:
        super().__init__(
            event_hooks={"request": [_before], "response": [_after]},
            follow_redirects=True,
            max_redirects=MOST_REDIRECTS,
            # A connection of its own for each request is one that can be ended.
            limits=httpx2.Limits(max_connections=32, max_keepalive_connections=0),
        )

    def send(self, request: httpx2.Request, **how: Any) -> httpx2.Response:
        """Once more where that may help. Raises `KenshoError` for what the library would try again."""
        watch = _current.get()
        if watch is None:  # whoever else uses the library in this process
            return super().send(request, **how)
        try:
            try:
                return super().send(request, **how)
            except (_Unavailable, httpx2.NetworkError, httpx2.RemoteProtocolError):
                watch.pause(AGAIN_AFTER_S)
            return super().send(request, **how)
        except _Unavailable as error:
            raise unavailable(error.status, watch.origin) from None
        except httpx2.TransportError as error:
            watch.check()
            raise broken(error, watch.origin) from None
        except httpx2.TooManyRedirects:
            raise HubError(f"{watch.origin} leads in a circle", hint="Try again later") from None


class _Unavailable(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def _before(request: httpx2.Request) -> None:
    """Every hop of a request, before it is sent."""
    watch = _current.get()
    if watch is None:
        return
    watch.check()
    origin = origin_of(request.url)
    if origin != watch.origin:
        request.headers.pop("authorization", None)
        if watch.origin.startswith("https:") and request.url.scheme != "https":
            raise HubError(f"{watch.origin} leads to an address without encryption", hint="Try again later")
    request.headers.pop("cookie", None)
    request.headers["accept-encoding"] = "identity"  # what is small packed may be huge unpacked
    request.extensions["timeout"] = {"connect": CONNECT_S, "read": READ_S, "write": READ_S, "pool": CONNECT_S}
    request.extensions["trace"] = watch.trace


def _after(response: httpx2.Response) -> None:
    """Every answer, before its body is read."""
    watch = _current.get()
    if watch is None:
        return
    status = response.status_code
    if status == 429:
        raise limited(watch.origin, _patience(response))
    if status >= 500 or status == 408:
        raise _Unavailable(status)
    if response.headers.get("content-encoding", "identity").lower() not in ("", "identity"):
        raise HubError(
            f"{watch.origin} answers in an encoding that was not asked for", hint="Try again later"
        )
    if isinstance(response.stream, httpx2.SyncByteStream):
        response.stream = Bounded(response.stream, watch)


def _patience(response: httpx2.Response) -> float | None:
    """Seconds that the hub asks to wait; None: it does not say."""
    from huggingface_hub.utils import parse_ratelimit_headers  # type: ignore[attr-defined]

    told = retry_after(response.headers.get("retry-after", ""), utc_now())
    if told is None:
        try:
            limit = parse_ratelimit_headers(response.headers)
        except ValueError:  # more digits than Python makes a number of
            return None
        told = float(limit.reset_in_seconds) if limit is not None else None
    return told


def origin_of(url: httpx2.URL | str) -> str:
    """Scheme, host and port: what a token is for."""
    parsed = httpx2.URL(url)
    return f"{parsed.scheme}://{parsed.netloc.decode('ascii')}"


def broken(error: httpx2.TransportError, origin: str) -> KenshoError:
    """A line that could not be had, or was lost."""
    if isinstance(error, httpx2.LocalProtocolError):
        return unsendable()  # its own words would show the token
    detail = one_line(str(error), 120)
    if isinstance(error, httpx2.ConnectTimeout | httpx2.ConnectError | httpx2.ProxyError):
        what = "the proxy refuses" if isinstance(error, httpx2.ProxyError) else "there is no way to it"
        return OfflineError(
            f"{origin} cannot be reached: {what}" + (f" ({detail})" if detail else ""),
            hint="Check the network, HF_ENDPOINT and the proxy; models that are here work without it",
        )
    if isinstance(error, httpx2.TimeoutException):
        return HubError(f"{origin} does not answer within {READ_S:.0f} s", hint="Try again later")
    if isinstance(error, httpx2.UnsupportedProtocol):
        return HubError(f"{origin} leads to an address that cannot be used", hint="Check HF_ENDPOINT")
    return HubError(
        f"the connection to {origin} broke" + (f" ({detail})" if detail else ""), hint="Try again"
    )
