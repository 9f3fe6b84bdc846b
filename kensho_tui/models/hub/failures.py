"""What goes wrong with a hub, as errors for a person. The hub's own words are data: they are not repeated."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kensho_tui.core.errors import (
    GatedError,
    HubError,
    KenshoError,
    LimitedError,
    NotFoundError,
    OfflineError,
)
from kensho_tui.core.text import one_line

if TYPE_CHECKING:
    import httpx2

RESTART = "restart the host (/restart, or kensho-tui host stop)"
MOST_PATIENCE_S = 7 * 24 * 3600.0


def utc_now() -> datetime:
    return datetime.now(UTC)


def offline() -> KenshoError:
    return OfflineError(
        "HF_HUB_OFFLINE is set: the hub is not asked",
        hint=f"Unset it, then {RESTART}; the curated list is there without the network",
    )


def limited(origin: str, seconds: float | None) -> KenshoError:
    """It was asked too often."""
    host = _host(origin)
    if seconds is None:
        return LimitedError(f"{host} was asked too often", hint="Wait some minutes, then try again")
    wait = _spoken(min(max(seconds, 0), MOST_PATIENCE_S))
    return LimitedError(
        f"{host} was asked too often: it wants a pause of {wait}", hint=f"Try again in {wait}"
    )


def unavailable(status: int, origin: str) -> KenshoError:
    return HubError(f"{_host(origin)} is out of order (error {status})", hint="Try again later")


def nonsense(origin: str) -> KenshoError:
    """A reply that is none."""
    return HubError(
        f"{_host(origin)} answers with something that makes no sense",
        hint="Check HF_ENDPOINT, and whether the network has a page to log in first",
    )


def unreadable(error: OSError) -> KenshoError:
    """Something of this machine that is needed to ask."""
    file = one_line(str(error.filename), 120) if error.filename else "something that is needed to ask the hub"
    return HubError(
        f"{file} cannot be read: {one_line(error.strerror or str(error), 120)}",
        hint="Check the token file, HF_HOME and SSL_CERT_FILE",
    )


def unsendable() -> KenshoError:
    return GatedError(
        "the token that is set cannot be sent: it holds characters that no token has",
        hint=f"Correct HF_TOKEN or run hf auth login again, then {RESTART}",
    )


def refused(error: "httpx2.HTTPError", repo: str, endpoint: str) -> KenshoError:
    """What the library makes of an answer that is no success. ``repo`` empty: it was a search."""
    from huggingface_hub import errors

    page = f"{endpoint}/{repo}"
    if isinstance(error, errors.DisabledRepoError):
        return NotFoundError(f"{repo} was disabled by the hub", hint=f"{page} may say why")
    if isinstance(error, errors.RevisionNotFoundError):
        return NotFoundError(f"{repo} has no such revision", hint=f"Look at {page}")
    if isinstance(error, errors.RemoteEntryNotFoundError):
        return NotFoundError(f"{repo} has no such file", hint=f"Look at {page}")
    response = getattr(error, "response", None)
    status: int = getattr(response, "status_code", 0)
    with_token = response is not None and "authorization" in response.request.headers
    if isinstance(error, errors.GatedRepoError):
        return gated(repo, endpoint, with_token=with_token)
    if isinstance(error, errors.RepositoryNotFoundError):
        return missing(repo, with_token=with_token)
    return _unnamed(status, repo, endpoint, with_token=with_token)


def _unnamed(status: int, repo: str, endpoint: str, *, with_token: bool) -> KenshoError:
    """An error of which the hub tells no more than its number."""
    host = _host(endpoint)
    if status == 401 and with_token:
        return GatedError(
            f"{host} does not accept the token",
            hint=f"Run hf auth login again, or correct or unset HF_TOKEN, then {RESTART}",
        )
    if repo and status in (401, 404):
        return missing(repo, with_token=with_token)
    if status in (401, 403):
        return GatedError(f"{host} refuses this ({status})", hint="A token may help: run hf auth login")
    return HubError(f"{host} answers with error {status or 'unknown'}", hint="Try again later")


def missing(repo: str, *, with_token: bool) -> KenshoError:
    return NotFoundError(
        f"there is no repository {repo} on the hub, or it is private",
        hint="Check its name; the token that is set may not see it"
        if with_token
        else "Check its name; for a private one run hf auth login or set HF_TOKEN",
    )


def gated(repo: str, endpoint: str, *, with_token: bool) -> KenshoError:
    page = f"{endpoint}/{repo}"
    if with_token:
        return GatedError(
            f"{repo} is gated, and the token that is set has no access to it",
            hint=f"Accept its terms at {page} with the same account; some owners take days to answer",
        )
    return GatedError(
        f"{repo} is gated: only who accepted its terms may fetch it",
        hint=f"Accept them at {page}, then run hf auth login; or set HF_TOKEN and {RESTART}",
    )


def _host(origin: str) -> str:
    return one_line(urlsplit(origin).netloc or origin, 100)


def _spoken(seconds: float) -> str:
    """``40 s``, ``5 min``, ``3 h``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.0f} h"
