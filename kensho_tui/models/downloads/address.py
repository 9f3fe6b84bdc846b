"""A GGUF file at any web address, as a model to fetch."""

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from kensho_tui.core.errors import HubError, KenshoError, OfflineError, UsageError
from kensho_tui.core.text import one_line
from kensho_tui.models.downloads.answer import length, refusal
from kensho_tui.models.downloads.fetch import reason_of
from kensho_tui.models.downloads.patience import Patience
from kensho_tui.models.files import name_of
from kensho_tui.models.hub.names import is_file_name
from kensho_tui.models.hub.remote import RemoteModel, RemotePart, UrlReference
from kensho_tui.models.line import Line
from kensho_tui.models.sources import ENDING, part_of

if TYPE_CHECKING:
    import httpx2

_WHOLE = re.compile(r"bytes \d+-\d+/(\d{1,18})\Z")


def file_name(url: str) -> str:
    """The name of the file at `url` (pure). Raises `UsageError` for one that cannot be a model's here."""
    try:
        name = PurePosixPath(unquote(urlsplit(url).path, errors="strict")).name
    except ValueError:
        name = ""
    if not name.lower().endswith(ENDING):
        raise UsageError(
            f"{one_line(url, 120)} is no address of a .gguf file",
            hint="Give the address of the file itself, or a repository as owner/name",
        )
    if not is_file_name(name):
        raise UsageError(f"{one_line(name, 120)} cannot be the name of a file here")
    part = part_of(name)
    if part is not None and int(part[2]) > 1:
        raise UsageError(
            f"{one_line(name, 120)} is one part of a model that was split",
            hint="Name the repository: then all parts are fetched",
        )
    return name


def resolve_address(
    reference: UrlReference, headers: dict[str, str], patience: Patience, line: Line
) -> RemoteModel:
    """Ask the server how large the file is (blocks, until `line` is cut). Raises `KenshoError`."""
    import httpx2

    url, name = reference.url, file_name(reference.url)
    shown = without_secrets(url)
    timeout = httpx2.Timeout(patience.stall_s, connect=patience.connect_s)
    asked = {**headers, "Range": "bytes=0-0", "Accept-Encoding": "identity"}
    try:
        with (
            httpx2.Client(timeout=timeout, follow_redirects=True, max_redirects=10) as client,
            client.stream("GET", url, headers=asked, extensions={"trace": line.trace}) as response,
        ):
            size = _size(response)
    except httpx2.TooManyRedirects:
        raise HubError(f"{shown} leads in a circle", hint="Try another address") from None
    except httpx2.TransportError as error:
        raise OfflineError(f"{shown}: {reason_of(error)}", hint="Check the address and the network") from None
    except (httpx2.InvalidURL, httpx2.HTTPError):
        raise KenshoError(f"{shown} is no address that can be used") from None
    part = RemotePart(url=url, name=name, size=size)
    return RemoteModel(what=url, name=name_of(name), origin=shown, folder="", parts=(part,))


def _size(response: "httpx2.Response") -> int:
    headers = {name.lower(): value for name, value in response.headers.items()}
    if response.status_code == 206:
        found = _WHOLE.match(headers.get("content-range", ""))
        return int(found[1]) if found else 0
    if response.status_code == 200:
        return length(headers)
    raise refusal(response.status_code, response.url.host)


def without_secrets(url: str) -> str:
    """The address as it may be shown: a signature in its query or a password are nobody's business."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return one_line(f"{parts.scheme}://{host}{parts.path}", 300)
