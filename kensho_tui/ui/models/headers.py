"""What the headers of the hub's files say: asked for when a row rests, kept while the app runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from textual.timer import Timer

from kensho_tui.core import hub_contract as h
from kensho_tui.core.errors import KenshoError

if TYPE_CHECKING:
    from kensho_tui.ui.app import KenshoApp
    from kensho_tui.ui.models.sheet import DetailsPane

REST_S = 0.3
"""Rows that are only passed are not asked for: reading a header is a use of the network."""
Ref = h.HubFileRef


@dataclass(frozen=True)
class Known:
    """By file: what its header says, or why it could not be read."""

    details: Mapping[Ref, h.HubDetails] = field(default_factory=dict)
    problems: Mapping[Ref, str] = field(default_factory=dict)

    def has(self, file: Ref) -> bool:
        return file in self.details or file in self.problems


class Headers:
    """`changed` is called when more is known."""

    def __init__(self, app: "KenshoApp", pane: "DetailsPane", changed: Callable[[], None]) -> None:
        self._app = app
        self._pane = pane
        self._changed = changed
        self._resting: Timer | None = None
        self.known = Known()

    def rest_on(self, file: Ref | None) -> None:
        """Another row is highlighted; None: one of no file that could be asked for."""
        if self._resting is not None:
            self._resting.stop()
            self._resting = None
        if file is not None and not self.known.has(file):
            self._resting = self._pane.set_timer(REST_S, lambda: self._ask(file))

    def forget(self, file: Ref) -> None:
        """What went wrong with this one is tried again."""
        problems = {known: why for known, why in self.known.problems.items() if known != file}
        self.known = Known(self.known.details, problems)

    def _ask(self, file: Ref) -> None:
        self._app.run_quietly(lambda: self._fetch(file), "hub-details")

    async def _fetch(self, file: Ref) -> None:
        """Nobody asked by hand, so what goes wrong is said in the pane."""
        details, problems = dict(self.known.details), dict(self.known.problems)
        try:
            details[file] = await self._app.session.host.call(h.HUB_DETAILS, file)
        except KenshoError as error:
            problems[file] = error.line()
        self.known = Known(details, problems)
        self._changed()
