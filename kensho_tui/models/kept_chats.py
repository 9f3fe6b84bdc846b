"""A chat goes on without prefill after its model was unloaded: its KV cache is saved then, and restored.

Saved at every orderly end of a worker, never after each turn, and only where evaluating the chat again would
take longer than a second. What cannot be saved or restored costs time, never a word.
"""

import asyncio
import logging

import msgspec

from kensho_tui.core.errors import KenshoError
from kensho_tui.core.frames import End, Generate, Save
from kensho_tui.models.kv_files import KvFiles, state_key
from kensho_tui.models.resident import OnFrame, Resident

log = logging.getLogger(__name__)


class KeptChats:
    """Saves and restores what residents hold of chats. ``files`` None: nothing is kept."""

    def __init__(self, files: KvFiles | None) -> None:
        self._files = files

    async def loaded(self, resident: Resident) -> None:
        """Remember which file it was that has been loaded: it may be replaced while it is resident."""
        if self._files is not None:
            resident.key = await asyncio.to_thread(_key, resident)

    async def generate(self, resident: Resident, chat: str, request: Generate, on_frame: OnFrame) -> End:
        """`Resident.generate`, from the chat's saved cache where the worker holds another chat's."""
        restore = None
        if self._files is not None and resident.chat != chat:
            restore = await asyncio.to_thread(self._files.find, chat, resident.key)
            if restore is not None:
                request = msgspec.structs.replace(request, restore=str(restore), key=resident.key)
        resident.chat = chat
        end = await resident.generate(request, on_frame)
        if restore is not None and self._files is not None and end.refused:
            log.warning("the saved cache %s is of no use and dropped: %s", restore.name, end.refused)
            await asyncio.to_thread(self._files.drop, restore)
        return end

    async def save(self, resident: Resident) -> None:
        """Keep what an idle resident holds of its chat, where that is worth it."""
        files, chat = self._files, resident.chat
        if files is None or not chat or resident.state != "ready" or not resident.alive:
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
        raise ValueError("nothing is loaded")
    return state_key(
        resident.model.path, loaded.build, loaded.context, request.kv_type, request.gpu_layers, loaded.device
    )
