"""The header of a model that is somewhere else: read as it comes, and no further than it goes; blocks."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from kensho_tui.core.errors import HubError, LoadError
from kensho_tui.core.text import one_line
from kensho_tui.models.downloads.answer import refusal
from kensho_tui.models.gguf.read import shape_of
from kensho_tui.models.gguf.reader import read_header
from kensho_tui.models.gguf.shape import ModelShape
from kensho_tui.models.gguf.source import MoreNeeded, PrefixSource
from kensho_tui.models.hub.failures import gated
from kensho_tui.models.hub.listing import RemoteFile

MOST = 64 << 20
"""Bytes of all headers of a model; the largest vocabularies take 15 MB."""
FIRST = 256 << 10
MOST_PARTS = 64


@dataclass(frozen=True)
class Where:
    """A repository's files at one commit, and what is sent when they are asked for."""

    repo: str
    endpoint: str
    address: Callable[[str], str]
    headers: dict[str, str]


def read_remote(files: Sequence[RemoteFile], where: Where) -> ModelShape:
    """The shape of the model in `files`. Raises `LoadError` for what is none, `HubError` and its kinds."""
    if len(files) > MOST_PARTS:
        raise HubError(
            f"it has {len(files):,} parts, too many to look into", hint="It can be fetched all the same"
        )
    left = MOST
    sources = []
    for file in files:
        sources.append(_prefix(file, where, left))
        left -= sources[-1].held
    return shape_of(*sources)


def _prefix(file: RemoteFile, where: Where, most: int) -> PrefixSource:
    """So many of the file's first bytes that its header is whole."""
    from huggingface_hub import get_session

    asked = {**where.headers, "Range": f"bytes=0-{min(most, file.size) - 1}"}
    with get_session().stream("GET", where.address(file.path), headers=asked) as response:
        status = response.status_code
        if status in (401, 403):
            raise gated(where.repo, where.endpoint, with_token="authorization" in where.headers)
        if status not in (200, 206):
            raise refusal(status, one_line(response.url.host, 100))
        if status == 206:
            _check_range(response.headers.get("content-range", ""), file)
        # A server that ignores the range is left where the header ends.
        return _whole_header(response.iter_raw(), file, most)


def _whole_header(blocks: Iterator[bytes], file: RemoteFile, most: int) -> PrefixSource:
    """As many of `blocks` as its header needs."""
    data = bytearray()
    upto = min(FIRST, file.size)
    for block in blocks:
        data += block
        if len(data) < upto and len(data) < file.size:
            continue
        source = PrefixSource(bytes(data), file.size, file.name)
        try:
            read_header(source)
        except MoreNeeded as more:
            if len(data) >= most:
                raise LoadError(f"{file.name}: its header takes more than {most >> 20} MiB") from None
            upto = min(more.upto, most)
            continue
        return source
    raise HubError(f"the hub sends only {len(data):,} bytes of {file.name}", hint="Try again later")


def _check_range(told: str, file: RemoteFile) -> None:
    """What comes must be the beginning of the file that was listed."""
    start, _, size = told.removeprefix("bytes ").partition("/")
    if not start.startswith("0-") or size.strip() not in (str(file.size), "*"):
        raise HubError(
            f"the hub sends another part of {file.name} than was asked for, or of another file",
            hint="Try again later",
        )
