"""What can go wrong between a loopback hub and its client. Everything may be changed while it runs."""

import threading
import time
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Literal


@dataclass
class Times:
    """Something that happens ``times`` more times; None: always."""

    times: int | None = None

    def take(self) -> bool:
        if self.times is None:
            return True
        self.times -= 1
        return self.times >= 0


@dataclass
class Cut(Times):
    """The connection ends when ``after`` bytes of an answer were sent; ``reset``: with RST instead of FIN."""

    after: int = 0
    reset: bool = False


@dataclass
class Stall(Times):
    """Nothing more comes when ``after`` bytes of an answer were sent, for ``seconds`` (None: for good)."""

    after: int = 0
    seconds: float | None = None


@dataclass
class Failure(Times):
    """``status`` instead of an answer. ``retry_after`` in seconds, told as a number or as a ``date``.

    ``where`` "api" are searches and listings, "files" the bytes and what is told about them.
    """

    status: int = 503
    retry_after: float | None = None
    date: bool = False
    where: Literal["", "api", "files"] = ""
    headers: dict[str, str] = field(default_factory=dict)

    def told(self) -> dict[str, str]:
        if self.retry_after is None:
            return self.headers
        value = str(int(self.retry_after))
        if self.date:
            value = format_datetime(datetime.now(UTC) + timedelta(seconds=self.retry_after), usegmt=True)
        return {**self.headers, "Retry-After": value}


@dataclass
class Knobs:
    """Of the whole hub or of one file, whose own ones come first; None: as it should be.

    ``rate``            bytes per second, of all that it is set for together
    ``drip``            (bytes, seconds): so few at a time, and a pause after each
    ``cut``, ``stall``, ``failure``
    ``ignore_range``    200 and the whole file where a part was asked for
    ``shift_range``     206 with bytes from elsewhere, so many further on, and says so
    ``redirect``        bytes come from the second server, on another port
    ``redirect_uses``   requests that one of its addresses is good for (403 afterwards)
    ``redirect_to``     where a request for the file is sent instead, whatever that is
    ``told_size``       size told by listings and X-Linked-Size
    ``told_sha256``     hash told by listings and X-Linked-Etag
    ``length_off``      Content-Length says so many bytes more (or fewer) than come
    ``chunked``         no Content-Length but chunks
    ``until_close``     neither: the body ends with the connection
    ``etag``            ETag of the bytes themselves; "": none
    ``no_commit``       no X-Repo-Commit
    """

    rate: float | None = None
    drip: tuple[int, float] | None = None
    cut: Cut | None = None
    stall: Stall | None = None
    failure: Failure | None = None
    ignore_range: bool | None = None
    shift_range: int | None = None
    redirect: bool | None = None
    redirect_uses: int | None = None
    redirect_to: str | None = None
    told_size: Any = None
    told_sha256: Any = None
    length_off: int | None = None
    chunked: bool | None = None
    until_close: bool | None = None
    etag: str | None = None
    no_commit: bool | None = None

    def __post_init__(self) -> None:
        self.pace = Pace()

    def over(self, wider: "Knobs") -> "Knobs":
        """These, and those of ``wider`` where these are as they should be."""
        both = Knobs(
            **{
                each.name: mine
                if (mine := getattr(self, each.name)) is not None
                else getattr(wider, each.name)
                for each in fields(self)
            }
        )
        both.pace = self.pace if self.rate is not None else wider.pace
        return both


class Pace:
    """Lets bytes through at a rate, for all who share it together."""

    SLACK_S = 0.05
    """Time lost by oversleeping is made good; who is later than this was busy or away."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free_at = 0.0

    def wait(self, size: int, rate: float, end: threading.Event) -> None:
        """Returns when ``size`` more bytes may have gone."""
        with self._lock:
            now = time.monotonic()
            behind = now - self._free_at
            self._free_at = (now if behind > self.SLACK_S else self._free_at) + size / rate
            pause = self._free_at - now
        if pause > 0:
            end.wait(pause)
