"""One question to the hub at a time: what it waits for, what went wrong, and asking it again."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from textual.content import Content

from kensho_tui.core.errors import KenshoError
from kensho_tui.core.text import one_line
from kensho_tui.ui.lines import QUIET, quiet

if TYPE_CHECKING:
    from kensho_tui.ui.app import KenshoApp

GROUP = "hub"
LONG_S = 1.0
"""From then on it is said how long a wait has taken."""


class Asking:
    """`changed` is called when the answer is there, or it is known that there is none."""

    def __init__(self, app: "KenshoApp", changed: Callable[[], None]) -> None:
        self._app = app
        self._changed = changed
        self._number = 0
        self._since = 0.0
        self._last: tuple[str, Callable[[], Awaitable[None]]] | None = None
        self.waiting = ""
        """What for; empty: nothing is asked."""
        self.error: KenshoError | None = None

    def ask(self, what: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do `work`, which asks and keeps the answer. What was asked before is given up."""
        self._number += 1
        number = self._number
        self._last = what, work
        self.waiting, self.error, self._since = what, None, self._app.session.clock()

        async def run() -> None:
            error = None
            try:
                await self._app.session.connected()
                await work()
            except KenshoError as failed:
                error = failed
            finally:
                if number == self._number:
                    self.waiting, self.error = "", error
                    self._changed()

        self._app.run_quietly(run, GROUP)

    @property
    def busy(self) -> bool:
        """Whether there is something to be said in place of an answer."""
        return bool(self.waiting) or self.error is not None

    def again(self) -> bool:
        """Ask what went wrong once more. False: nothing did."""
        if self.error is None or self._last is None:
            return False
        self.ask(*self._last)
        return True

    def stop(self) -> bool:
        """Give up waiting, or put an error away. False: there was neither."""
        there = self.busy
        if self.waiting:
            self._app.workers.cancel_group(self._app, GROUP)
        self._number += 1
        self.waiting, self.error = "", None
        return there

    def content(self) -> Content | None:
        """What is said in place of an answer; None: there is one."""
        if self.waiting:
            past = self._app.session.clock() - self._since
            took = f" · {past:.0f} s" if past >= LONG_S else ""
            return Content.assemble((f"◌ {self.waiting} …", "$primary"), quiet(f"{took} · Esc stops"))
        if self.error is None:
            return None
        said = Content.styled(f"✗ {one_line(self.error.message, 400)}", "$error")
        hint = one_line(self.error.hint, 400)
        lines = [said, Content(hint)] if hint else [said]
        keys = Content.assemble(
            ("r", "bold"), (" tries again · ", QUIET), ("Esc", "bold"), (" goes back", QUIET)
        )
        return Content("\n").join([*lines, keys])
