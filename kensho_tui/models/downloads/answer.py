"""What a server's answer to a request for bytes means (pure). RFC 9110 §13.1.5 and §14 say what it may be."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

from kensho_tui.core.errors import (
    GatedError,
    HubError,
    KenshoError,
    LimitedError,
    NotFoundError,
    OfflineError,
)
from kensho_tui.core.text import one_line

MOST = 1 << 44
"""Bytes of a file that are believed (16 TB)."""

_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})\Z")
_WHOLE = re.compile(r"bytes \*/(\d{1,18})\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True)
class Known:
    """What is known of a file before it is asked for: bytes that are ``here``, ``size`` (0: unknown),
    ``sha256`` and ``etag`` (empty: unknown).
    """

    here: int = 0
    size: int = 0
    sha256: str = ""
    etag: str = ""


@dataclass(frozen=True)
class Body:
    """Bytes come. ``append``: from where ours end; ``skip``: from the start, ours are passed over; ``anew``:
    ours are of something else. ``size`` is the whole file's (0: not told).
    """

    how: Literal["append", "skip", "anew"]
    size: int
    etag: str


class Again(Exception):
    """It did not work, and may the next time. ``after_s``: what the server wants.

    "line": there was none, or it broke. "server": it is out of order. "limited": it was asked too often.
    "empty": it answered, and nothing came of it; that is not tried for ever.
    """

    def __init__(
        self,
        reason: str,
        kind: Literal["line", "server", "limited", "empty"] = "line",
        *,
        after_s: float | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.kind = kind
        self.after_s = after_s


class Changed(Exception):
    """What is there now is not what the hub promised."""


class Complete(Exception):
    """Everything is here already."""


def judge(status: int, headers: Mapping[str, str], known: Known, host: str, now: datetime) -> Body:
    """`headers` by lower-case names. Raises `Again`, `Changed`, `Complete`, or a `KenshoError`."""
    linked = plain_etag(headers.get("x-linked-etag", ""))
    if known.sha256 and _SHA256.match(linked) and linked != known.sha256:
        raise Changed(f"{host} has another version of the file")
    etag = headers.get("etag", "")[:300]
    if status == 206:
        return _rest(headers, known, etag)
    if status == 200:
        return _whole(headers, known, etag)
    if status == 416:
        raise _unsatisfiable(headers, known)
    raise _refused(status, headers, host, now)


def _rest(headers: Mapping[str, str], known: Known, etag: str) -> Body:
    found = _RANGE.match(headers.get("content-range", "").strip())
    if found is None or int(found[1]) != known.here or not int(found[1]) <= int(found[2]) < int(found[3]):
        raise Again("the server sent another part of the file than was asked for", "empty")
    size = int(found[3])
    if (known.size and size != known.size) or (known.etag and etag and etag != known.etag):
        raise Changed("the file changed on the server")
    return Body("append", _sound(size), etag)


def _whole(headers: Mapping[str, str], known: Known, etag: str) -> Body:
    size = length(headers)
    if known.sha256 and known.size and size and size != known.size:
        raise Changed("the file on the server has another size")
    if not known.here:
        return Body("append", size, etag)
    # A server that ignores Range sends the same again: what is here is passed over and progress stays.
    same = etag == known.etag if etag and known.etag else bool(known.sha256)
    same = same and size in (0, known.size or size) and known.here <= (size or known.here)
    if not same and known.sha256:
        raise Changed("the file changed on the server")
    return Body("skip" if same else "anew", size, etag)


def length(headers: Mapping[str, str]) -> int:
    """Content-Length; 0 where it is not told. Raises `HubError` for one that cannot be."""
    text = headers.get("content-length", "").strip()
    if not text or headers.get("content-encoding", "identity") not in ("", "identity"):
        return 0
    if not re.fullmatch(r"\d{1,18}", text):
        raise HubError(f"the server tells a length of {one_line(text, 40)}", hint="Nothing was fetched")
    return _sound(int(text))


def _sound(size: int) -> int:
    if size > MOST:
        raise HubError(f"the server tells a size of {size:,} bytes", hint="Nothing was fetched")
    return size


def _unsatisfiable(headers: Mapping[str, str], known: Known) -> Exception:
    """Nothing lies behind what is here: it is complete, or of something else."""
    found = _WHOLE.match(headers.get("content-range", "").strip())
    size = int(found[1]) if found else known.size
    if size and size == known.here and known.size in (0, size):
        return Complete()
    return Changed("the file on the server is shorter than what is here")


def _refused(status: int, headers: Mapping[str, str], host: str, now: datetime) -> Exception:
    after_s = retry_after(headers.get("retry-after", ""), now)
    if status == 429:
        return Again(f"{host} limits how much may be asked for", "limited", after_s=after_s)
    if status in (408, 425) or status >= 500:
        kind: Literal["empty", "server"] = "empty" if status == 501 else "server"
        return Again(f"{host} answers with error {status}", kind, after_s=after_s)
    return refusal(status, host)


def refusal(status: int, host: str) -> KenshoError:
    """Why `host` gives nothing, where asking again is no use."""
    if status in (401, 403):
        return GatedError(
            f"{host} gives this file to people with access only ({status})",
            hint="Accept its terms on its page, then set HF_TOKEN or run hf auth login, and restart the host",
        )
    if status in (404, 410):
        return NotFoundError(f"{host} has no such file ({status})", hint="Check the name, or search the hub")
    if status == 429:
        return LimitedError(f"{host} limits how much may be asked for", hint="Wait a while, then try again")
    return HubError(f"{host} answers with {status}", hint="Try again later, or another address")


def given_up(again: Again, name: str, here: int) -> KenshoError:
    """Enough tried: what it failed by in the end, with ``here`` bytes kept."""
    kept = f"{here:,} bytes are kept" if here else "nothing is lost"
    said, hint = f"{name}: {again.reason}", f"Resume to try once more; {kept}"
    if again.kind == "line":
        return OfflineError(said, hint=f"Resume when there is a way again; {kept}")
    return (
        LimitedError(said, hint=hint)
        if again.kind == "limited"
        else HubError(f"{said}, again and again", hint=hint)
    )


def plain_etag(text: str) -> str:
    """Without quotes and the mark of a weak one."""
    return text.strip().removeprefix("W/").strip('"')


def retry_after(text: str, now: datetime) -> float | None:
    """Seconds, from a number or a date; None for anything else."""
    text = text.strip()
    if re.fullmatch(r"\d{1,9}", text):
        return float(text)
    try:
        then = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    return max((then - now).total_seconds(), 0.0)


def may_resume(etag: str) -> str:
    """What If-Range may carry: a strong tag; empty: none."""
    return etag if etag.startswith('"') and etag.endswith('"') and len(etag) > 2 else ""
