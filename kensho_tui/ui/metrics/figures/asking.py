"""When figures are asked for: as they come into sight, and once more after an answer ended."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from textual.timer import Timer
from textual.widget import Widget

from kensho_tui.core.errors import HostGoneError, KenshoError

if TYPE_CHECKING:
    from kensho_tui.ui.app import KenshoApp

SETTLE_S = 1.0
"""So long after an answer ended the figures are asked for: several that end at once are one question."""
SAY_AFTER_S = 0.2
"""A wait that is longer is said."""


class Asking:
    """One question at a time, and none while nobody looks."""

    def __init__(
        self,
        app: "KenshoApp",
        owner: Widget,
        load: Callable[[], Awaitable[None]],
        tell: Callable[[], None],
    ) -> None:
        """`load` asks the question, `owner` has its timers; `tell` is called when it is answered, or `words`
        are others."""
        self._app = app
        self._owner = owner
        self._load = load
        self._tell = tell
        self.words = ""
        """What is awaited, once that takes a while."""
        self.error: KenshoError | None = None
        """Why the last question was not answered."""
        self.looks = False
        self._question: object = None
        self._seen_signs: object = None
        self._waits: Timer | None = None
        self._settling: Timer | None = None

    def begin(self) -> None:
        """Somebody looks."""
        self.looks = True
        self._seen_signs = self._signs()
        self.ask()

    def end(self) -> None:
        """Nobody looks any more."""
        self.looks = False
        if self._settling is not None:
            self._settling.stop()
            self._settling = None

    def ask(self) -> None:
        """Ask; what was asked before and is not answered is asked no more."""
        self._app.run_quietly(self._ask, "figures")

    async def _ask(self) -> None:
        question = self._question = object()
        self._wait(True)
        try:
            await self._app.session.connected()
            await self._load()
            self.error = None
        except HostGoneError:
            pass  # the session gets it back, which is told; then it is asked again
        except KenshoError as error:
            self.error = error
        finally:
            if self._question is question:
                self._question = None
                self._wait(False)
        self._tell()

    def _wait(self, begins: bool) -> None:
        if self._waits is not None:
            self._waits.stop()
        self._waits = self._owner.set_timer(SAY_AFTER_S, self._say) if begins else None
        if not begins:
            self.words = ""

    def _say(self) -> None:
        connected = self._app.session.link == "connected"
        self.words = "◌ asking for figures" if connected else "◌ waiting for the host"
        self._tell()

    # --- what changed ---------------------------------------------------------------------------------

    def changed(self) -> None:
        """The session has news. When they may be an answer's end, it is asked anew a moment later."""
        if not self.looks:
            return
        before, self._seen_signs = self._seen_signs, self._signs()
        if before != self._seen_signs and self._settling is None:
            self._settling = self._owner.set_timer(SETTLE_S, self._settled)

    def _signs(self) -> object:
        """They are others when an answer has ended: fewer streams, or a chat that was written to."""
        session = self._app.session
        streams = session.status.streams if session.status is not None else 0
        chats = tuple((chat.id, chat.updated, chat.state) for chat in session.recent)
        return session.link, streams, chats

    def _settled(self) -> None:
        """Not while another question is under way: where answers end all the time none would be answered."""
        self._settling = None
        if not self.looks:
            return
        if self._question is None:
            self.ask()
        else:
            self._settling = self._owner.set_timer(SETTLE_S, self._settled)
