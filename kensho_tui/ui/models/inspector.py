"""The highlighted model: its details, asked for when the row rests, and what is tried with it."""

from typing import TYPE_CHECKING

from msgspec.structs import replace
from textual.timer import Timer

from kensho_tui.core import contract as c
from kensho_tui.core.errors import KenshoError, UsageError
from kensho_tui.core.model_contract import FIT, Details, Fit
from kensho_tui.ui import format as fmt
from kensho_tui.ui.models.details import Seen
from kensho_tui.ui.models.rows import Workers, name_of
from kensho_tui.ui.models.sheet import DetailsPane
from kensho_tui.ui.models.what_if import WhatIf, other_kv, wider

if TYPE_CHECKING:
    from kensho_tui.ui.app import KenshoApp

ASK_AFTER_S = 0.12
"""Rows that are only passed are not asked for."""


class Inspector:
    """Shows in `pane` what is known at once, and what the host says as it comes."""

    def __init__(self, app: "KenshoApp", pane: DetailsPane) -> None:
        self._app = app
        self._pane = pane
        self._info: c.ModelInfo | None = None
        self._workers = Workers()
        self._known: dict[str, Details] = {}
        self._what = WhatIf()
        self._tried: Fit | None = None
        self._asking = False
        self._problem = ""
        self._resting: Timer | None = None

    def look_at(self, info: c.ModelInfo | None, workers: Workers) -> None:
        """Another row, or the same with other facts: then what was known is asked for again."""
        same = info is not None and self._info is not None and info.name == self._info.name
        known = same and info == self._info and _of(info, workers) == _of(info, self._workers)
        self._info, self._workers = info, workers
        if known:
            self._show()
            return
        if not same:
            self._what, self._tried, self._problem = WhatIf(), None, ""
        self._asking = info is not None and not info.problem
        self._show(top=not same)
        if self._resting is not None:
            self._resting.stop()
        self._resting = self._pane.set_timer(ASK_AFTER_S, self._ask) if info is not None else None

    def rest(self) -> None:
        """The pane is somebody else's now."""
        self._info = None
        if self._resting is not None:
            self._resting.stop()

    def _show(self, *, top: bool = False) -> None:
        info = self._info
        if info is None:
            self._pane.show(None)
            return
        details = self._known.get(info.name)
        usual = details.fit if details is not None else None
        seen = Seen(info, self._workers, details, self._tried or usual, self._asking, self._problem)
        self._pane.show(seen, top=top)

    # --- asking ---------------------------------------------------------------------------------------

    def _ask(self) -> None:
        info = self._info
        if info is not None:
            self._app.run_quietly(lambda: self._fetch(info.name), "model-details")

    async def _fetch(self, name: str) -> None:
        """Nobody asked by hand, so what goes wrong is said in the pane."""
        problem = ""
        try:
            self._known[name] = await self._app.models.details(name)
        except KenshoError as error:
            problem = error.line()
        if self._is(name):
            self._problem, self._asking = problem, False
            self._show()
            if self._what != WhatIf():
                self._try(self._what)

    # --- trying ---------------------------------------------------------------------------------------

    @property
    def _fit(self) -> Fit:
        details = self._known.get(self._info.name) if self._info is not None else None
        found = self._tried or (details.fit if details is not None else None)
        if found is None:
            raise UsageError("what this model takes is not known yet")
        return found

    async def wider(self, step: int) -> None:
        """The next larger or smaller context."""
        fit = self._fit
        trained = self._info.context if self._info is not None else 0
        self._try(wider(self._what, fit, trained, step))

    async def other_kv(self) -> None:
        self._try(other_kv(self._what, self._fit))

    async def exact(self) -> None:
        """Let llama.cpp's own allocator count."""
        self._try(self._what._replace(exact=True))

    def _try(self, what: WhatIf) -> None:
        info = self._info
        if info is None:
            return
        self._what, self._asking = what, True
        self._show()
        self._app.run_quietly(lambda: self._fetch_fit(info.name, what), "model-fit")

    async def _fetch_fit(self, name: str, what: WhatIf) -> None:
        try:
            tried = await self._app.session.host.call(FIT, what.request(name))
            if self._is(name):
                self._tried = tried
        finally:
            if self._is(name):
                self._asking = False
                self._show()

    def _is(self, name: str) -> bool:
        return self._info is not None and self._info.name == name

    async def keep(self) -> None:
        """Make what is tried the model's default."""
        info = self._info
        if info is None or (self._what.context, self._what.kv_type) == (None, None):
            raise UsageError(
                "nothing else is tried", hint="[ and ] change the context, k the KV cache's type"
            )
        details = await self._app.models.details(info.name)
        context, kv_type = self._what.context, self._what.kv_type
        defaults = replace(
            details.defaults,
            context=context or details.defaults.context,
            kv_type=kv_type or details.defaults.kv_type,
        )
        kept = [f"{fmt.thousands(context)} tokens"] if context is not None else []
        kept += [f"a {kv_type} KV cache"] if kv_type is not None else []
        said = f"{name_of(info)} has {' and '.join(kept)} from now on"
        await self._app.models.set_defaults(info, defaults, said)
        self._what, self._tried = WhatIf(), None
        self._ask()


def _of(info: c.ModelInfo | None, workers: Workers) -> tuple[object, ...]:
    """What of the model's worker changes its details; that a load goes on is none of it."""
    worker = workers.of(info.name) if info is not None else None
    return (worker.state, worker.pinned, worker.footprint, worker.context) if worker is not None else ()
