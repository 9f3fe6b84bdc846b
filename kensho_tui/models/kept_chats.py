"""A chat goes on without prefill after its model was unloaded: its KV cache is saved then, and restored.

Saved at every orderly end of a worker, never after each turn, and only where evaluating the chat again would
take longer than a second. What cannot be saved or restored costs time, never a word.
"""

import asyncio
import logging

import msgspec

from kensho_tui.core.errors import KenshoError
from kensho_tui.core.frames import End, Generate, Save
from kensho_tui.models.kv_files import KvFiles, file_identity, state_key
from kensho_tui.models.resident import Resident
from kensho_tui.storage.rows import ModelIdentity

log = logging.getLogger(__name__)


class KeptChats:
    """Saves and restores what residents hold of chats. ``files`` None: nothing is kept."""

    def __init__(self, files: KvFiles | None) -> None:
        self._files = files

    async def watch(self, resident: Resident) -> None:
        """Before a load: note which file that is."""
        resident.identity = await asyncio.to_thread(file_identity, resident.model.path)
        resident.file = await asyncio.to_thread(ModelIdentity.of, resident.model.path)

    async def loaded(self, resident: Resident) -> None:
        """After it: what its caches are good for. Nothing, where the file was replaced in between."""
        if await asyncio.to_thread(file_identity, resident.model.path) != resident.identity:
            resident.identity = ""
        resident.key = _key(resident) if resident.identity and self._files is not None else ""

    async def before(self, resident: Resident, chat: str, request: Generate) -> Generate:
        """The request, with the chat's saved cache where the worker holds another chat's."""
        if resident.chat == chat:
            return request
        resident.chat = ""  # until the turn has come to an end nobody knows whose cache it is
        if self._files is None or not resident.key:
            return request
        found = await asyncio.to_thread(self._files.find, chat, resident.key)
        if found is None:
            return request
        return msgspec.structs.replace(request, restore=str(found), key=resident.key)

    async def after(self, resident: Resident, chat: str, request: Generate, end: End) -> None:
        """The worker holds this chat now; a saved cache that it refused is dropped."""
        resident.chat = chat
        if self._files is not None and end.refused:
            log.warning("a saved cache is of no use and dropped: %s", end.refused)
            await asyncio.to_thread(self._files.drop, request.restore)

    async def save(self, resident: Resident) -> None:
        """Keep what a resident that is leaving holds of its chat, where that is worth it."""
        files, chat = self._files, resident.chat
        if files is None or not chat or not resident.key or not resident.alive:
            return
        try:
            path = await asyncio.to_thread(files.place, chat, resident.key)
            saved = await resident.save(Save(path=str(path), key=resident.key, limit=files.quota))
            if saved.tokens:
                log.info("%d tokens of a chat are kept, %d bytes", saved.tokens, saved.size)
                await asyncio.to_thread(files.prune)
        except (KenshoError, OSError, TimeoutError) as error:
            log.warning("a chat's cache could not be kept: %s", error)


def _key(resident: Resident) -> str:
    """For which model file, build and shape of the cache a saved one is good."""
    loaded, request = resident.loaded, resident.request
    if loaded is None or request is None:
        return ""
    shape = (loaded.build, loaded.context, request.kv_type, request.gpu_layers, loaded.device)
    # Without fused attention values lie otherwise; a sliding window's cache is as long as its batch allows.
    # Told only where they are set: what an older version saved is good still.
    more = [f"flash={request.flash}"] * (request.flash is not None)
    more += [f"batch={request.batch}"] * bool(request.batch)
    return state_key(resident.model.path, resident.identity, *shape, *more)
