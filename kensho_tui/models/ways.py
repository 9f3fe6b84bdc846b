"""All about a model, and the way it is loaded, that its words depend on. No model is loaded to tell."""

import asyncio

from msgspec import Struct

from kensho_tui.core.contract import ModelInfo
from kensho_tui.core.errors import KenshoError
from kensho_tui.core.frames import Load
from kensho_tui.models.kv_files import file_identity
from kensho_tui.models.library import Library
from kensho_tui.models.plan import Planner


class Way(Struct, frozen=True):
    """``files``: identity of all parts; ``template``: Jinja source; ``context`` in tokens."""

    files: str
    template: str
    context: int
    kv_type: str
    adapters: tuple[str, ...] = ()


class Ways:
    """How models would answer, and how a worker did."""

    def __init__(self, planner: Planner, library: Library) -> None:
        self._planner = planner
        self._library = library

    async def planned(self, model: ModelInfo) -> Way | None:
        """How `model` would answer now; None where that cannot be told."""
        try:
            plan = await self._planner.plan(model)
        except KenshoError:
            return None
        own = plan.shape.template if plan.shape is not None else None
        return _way(await asyncio.to_thread(file_identity, model.path), plan.request, own)

    async def taken(self, model: ModelInfo, identity: str, request: Load) -> Way | None:
        """How a worker answers that loaded the files of `identity` in this way."""
        try:
            own = (await self._library.shape(model)).template
        except KenshoError:
            own = None
        return _way(identity, request, own)


def _way(identity: str, request: Load, own: str | None) -> Way | None:
    if not identity:
        return None
    return Way(identity, request.template or own or "", request.context, request.kv_type)
