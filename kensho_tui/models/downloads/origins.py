"""Whatever a person names, as a model to fetch: of the hub, at an address, of this machine."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from kensho_tui.core.errors import OfflineError
from kensho_tui.models.downloads.patience import Patience
from kensho_tui.models.downloads.threads import in_thread
from kensho_tui.models.hub.references import endpoint_of, parse
from kensho_tui.models.hub.remote import (
    FileReference,
    HubReference,
    OllamaReference,
    RemoteModel,
    UrlReference,
)
from kensho_tui.models.line import Line
from kensho_tui.models.sources import Elsewhere

if TYPE_CHECKING:
    from kensho_tui.models.hub.hub import Hub


ANSWER_S = 45.0
"""For an address to say how large its file is, whatever dribbles in."""


class AllOrigins:
    """Asks the network for what lies there, and for nothing else. `hub` is made when it is wanted first."""

    def __init__(self, hub: "Callable[[], Hub]", models: Path, elsewhere: Elsewhere) -> None:
        self._hub = hub
        self._models = models
        self._elsewhere = elsewhere

    async def resolve(self, what: str, revision: str | None) -> RemoteModel:
        """Raises `KenshoError`."""
        from kensho_tui.models.downloads import local

        match parse(what, endpoint_of(os.environ)):
            case HubReference() as found:
                named = HubReference(found.repo, found.quantisation, found.file, revision or found.revision)
                return await self._hub().resolve(named)
            case UrlReference() as found:
                return await self._address(found)
            case FileReference() as found:
                return await asyncio.to_thread(local.resolve_file, found, self._models)
            case OllamaReference() as found:
                return await asyncio.to_thread(local.resolve_ollama, found, self._elsewhere)

    async def _address(self, reference: UrlReference) -> RemoteModel:
        from kensho_tui.models.downloads.address import resolve_address, without_secrets

        line = Line()

        def work() -> RemoteModel:
            return resolve_address(reference, self.headers(reference.url), Patience(), line)

        try:
            async with asyncio.timeout(ANSWER_S):
                return await in_thread(work)
        except TimeoutError:
            raise OfflineError(
                f"{without_secrets(reference.url)} did not answer within {ANSWER_S:.0f} s",
                hint="Check the address, or try again later",
            ) from None
        finally:
            line.cut()

    def headers(self, url: str) -> dict[str, str]:
        """Blocks. Raises `OfflineError` where the network is not to be used."""
        return self._hub().headers(url)
