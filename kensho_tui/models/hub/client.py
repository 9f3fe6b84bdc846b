"""Questions to the hub through `huggingface_hub`, in threads of their own, with an end to every wait."""

import asyncio
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlsplit

from kensho_tui import __version__
from kensho_tui.core.errors import HubError, KenshoError, UsageError
from kensho_tui.core.hub_contract import HubSort
from kensho_tui.core.text import one_line
from kensho_tui.models.downloads.threads import in_thread
from kensho_tui.models.gguf.shape import ModelShape
from kensho_tui.models.hub.failures import nonsense, offline, refused
from kensho_tui.models.hub.listing import RemoteFile
from kensho_tui.models.hub.references import endpoint_of
from kensho_tui.models.hub.watch import Watch

if TYPE_CHECKING:
    from huggingface_hub import HfApi, ModelInfo

T = TypeVar("T")

MOST = 16 << 20
"""Bytes of a reply: ten thousand files with their hashes take four MB."""
LONGEST_S = 60.0
"""For all of a question, whatever dribbles in."""
FIELDS = ("downloads", "likes", "lastModified", "gated", "private", "gguf", "siblings", "tags", "sha")
_SORTS: dict[HubSort, str] = {
    "downloads": "downloads",
    "likes": "likes",
    "updated": "last_modified",
    "size": "downloads",  # the hub does not sort by it
}
_TRUE = frozenset({"1", "ON", "YES", "TRUE"})
_preparing = threading.Lock()
_prepared = False


class HubClient:
    """The hub that the environment names. Raises `HubError` and its kinds, `NotFoundError`, `UsageError`."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ

    @property
    def endpoint(self) -> str:
        """The hub's root, without a slash at its end."""
        return endpoint_of(self._environ)

    @property
    def offline(self) -> bool:
        told = self._environ.get("HF_HUB_OFFLINE") or self._environ.get("TRANSFORMERS_OFFLINE") or ""
        return told.upper() in _TRUE

    def address(self, repo: str, commit: str, file: str) -> str:
        """Where a file's bytes are."""
        return f"{self.endpoint}/{repo}/resolve/{commit}/{quote(file)}"

    # --- questions -----------------------------------------------------------------------------------

    async def search(self, words: str, sort: HubSort, limit: int) -> "list[ModelInfo]":
        """Up to `limit` repositories with GGUF files."""

        def ask(api: "HfApi") -> "list[ModelInfo]":
            expand: Any = list(FIELDS)
            by: Any = _SORTS[sort]
            return list(api.list_models(filter="gguf", search=words, sort=by, limit=limit, expand=expand))

        return await self._asked(ask)

    async def repository(self, repo: str, revision: str | None) -> "ModelInfo":
        """A repository with all of its files at `revision`."""
        return await self._asked(
            lambda api: api.model_info(repo, revision=revision, files_metadata=True), repo
        )

    async def check_access(self, repo: str, commit: str, file: str) -> None:
        """Returns when the file may be fetched. Raises `GatedError`."""
        url = self.address(repo, commit, file)
        await self._asked(lambda api: api.get_hf_file_metadata(url=url), repo)

    async def header(
        self, repo: str, commit: str, files: Sequence[RemoteFile], longest_s: float
    ) -> ModelShape:
        """What the header of the model in `files` says. Raises `LoadError` for what is no model."""
        from kensho_tui.models.hub import remote_header

        def work() -> ModelShape:
            where = remote_header.Where(
                repo, self.endpoint, lambda path: self.address(repo, commit, path), self._headers(own=True)
            )
            return remote_header.read_remote(files, where)

        return await self._run(work, remote_header.MOST, longest_s)

    async def _run(self, work: Callable[[], T], most: int = MOST, longest_s: float = LONGEST_S) -> T:
        """The result of `work` in a thread; it is ended when nobody waits any more, or it takes too long."""
        if self.offline:
            raise offline()
        watch = Watch(self._origin(), most)

        def run() -> T:
            prepare()
            from kensho_tui.models.hub.wire import watched

            return watched(watch, work)

        try:
            async with asyncio.timeout(longest_s):
                return await in_thread(run)
        except TimeoutError:
            raise HubError(
                f"{watch.origin} did not answer in full within {longest_s:.0f} s", hint="Try again later"
            ) from None
        finally:
            watch.cut()

    async def _asked(self, ask: "Callable[[HfApi], T]", repo: str = "") -> T:
        endpoint = self.endpoint

        def work() -> T:
            import httpx2
            from huggingface_hub import HfApi
            from huggingface_hub.errors import HFValidationError

            try:
                return ask(HfApi(endpoint=endpoint, library_name="kensho-tui", library_version=__version__))
            except KenshoError:
                raise
            except HFValidationError:
                raise UsageError(f"{one_line(repo, 120)} is no name of a repository") from None
            except httpx2.TransportError:
                raise
            except httpx2.HTTPError as error:
                raise refused(error, repo, endpoint) from None
            except (OSError, UnicodeEncodeError):
                raise  # it could not even be asked
            except (ValueError, TypeError, LookupError, AttributeError, RecursionError, httpx2.InvalidURL):
                raise nonsense(endpoint) from None  # the library reads what it is told as it comes

        return await self._run(work)

    # --- who asks ------------------------------------------------------------------------------------

    def headers(self, url: str) -> dict[str, str]:
        """What to send to `url`: a token to the hub alone; blocks. Raises `OfflineError` where that is it."""
        prepare()
        from kensho_tui.models.hub.wire import origin_of, watched

        own = origin_of(url) == self._origin()
        if own and self.offline:
            raise offline()
        return watched(Watch(self._origin(), MOST), lambda: self._headers(own=own))

    def _headers(self, *, own: bool) -> dict[str, str]:
        """A token that has run out is renewed on the way, over the line."""
        from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

        return build_hf_headers(
            token=None if own else False, library_name="kensho-tui", library_version=__version__
        )

    def _origin(self) -> str:
        url = urlsplit(self.endpoint)
        if url.scheme not in ("http", "https") or not url.netloc or "@" in url.netloc:
            # What it is set to is not repeated: it may hold a password.
            raise UsageError("HF_ENDPOINT is no http address that could be used", hint="Correct or unset it")
        usual = {"http": ":80", "https": ":443"}[url.scheme]
        return f"{url.scheme}://{url.netloc.removesuffix(usual)}".lower()


def prepare() -> None:
    """Import the library, a third of a second, and give it our client; blocks."""
    global _prepared  # noqa: PLW0603 - the library has one client for the process
    with _preparing:
        if _prepared:
            return
        import huggingface_hub
        from huggingface_hub import constants
        from huggingface_hub.utils import logging

        from kensho_tui.models.hub.wire import Client

        constants.HF_HUB_DISABLE_TELEMETRY = True  # it would ask the hub for a list of agents
        logging.set_verbosity(40)  # ERROR
        huggingface_hub.set_client_factory(Client)
        _prepared = True
