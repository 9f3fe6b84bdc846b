"""The upper half of F4: gauges, GPUs, workers, the last answer, all else in a line."""

from typing import TYPE_CHECKING, NamedTuple

from textual.content import Content
from textual.timer import Timer

from kensho_tui.core import contract as c
from kensho_tui.core.errors import HostError, UsageError
from kensho_tui.core.metrics_contract import GENERATIONS, Generation, ListGenerations
from kensho_tui.core.sample_contract import Sample
from kensho_tui.core.text import one_line
from kensho_tui.ui import format as fmt
from kensho_tui.ui.lines import quiet
from kensho_tui.ui.live import Live
from kensho_tui.ui.metrics.graph import glyphs_for
from kensho_tui.ui.metrics.layout import heights
from kensho_tui.ui.metrics.now.activity import activity
from kensho_tui.ui.metrics.now.devices import GONE, device_rows
from kensho_tui.ui.metrics.now.feed import LIVE_S, Feed
from kensho_tui.ui.metrics.now.gauges import JOINED, JOINED_KEPT, Shown, Source, gauge_rows, gauges
from kensho_tui.ui.metrics.now.timeline import Elapsed, last_rows, live_rows
from kensho_tui.ui.metrics.now.workers import worker_rows
from kensho_tui.ui.metrics.text_rows import TextRows

if TYPE_CHECKING:
    from kensho_tui.ui.app import KenshoApp

LIVE_TICK_S = 0.25


class Span(NamedTuple):
    """A time that graphs show, in seconds and in words."""

    seconds: float
    said: str


SPANS = (Span(LIVE_S, "2 minutes"), Span(3600, "1 hour"), Span(86400, "1 day"), Span(30 * 86400, "30 days"))


PARTS = ("trouble", "gauges", "devices", "workers", "answer", "activity")
"""From top to bottom."""


class NowPane(TextRows):
    """Draws what the feed reads, once for each sample; nothing is read and drawn while it is `left`."""

    def __init__(self, app: "KenshoApp") -> None:
        super().__init__(id="metrics-live")
        self._kensho = app
        self.feed = Feed(app, self.renew)
        self._glyphs = glyphs_for(app.settings)
        self._span = SPANS[0]
        self._bare = False
        self._parts: dict[str, list[Content]] = {}
        self._last: Generation | None = None
        self._asked = False
        self._chats: object = None
        """The chats when the last answer was asked for: they are others once another one has ended."""
        self._elapsed: Elapsed | None = None
        self._ticking: Timer | None = None

    # --- when it is seen ------------------------------------------------------------------------------

    def on_mount(self) -> None:
        self._ticking = self.set_interval(LIVE_TICK_S, self._show_answer, pause=True)

    def entered(self) -> None:
        self.feed.start()
        self.read_last()
        self.renew()

    def left(self) -> None:
        self.feed.stop()
        if self._ticking is not None:
            self._ticking.pause()

    def on_resize(self) -> None:
        self.renew()

    @property
    def span(self) -> Span:
        return self._span

    def next_span(self) -> None:
        self._span = SPANS[(SPANS.index(self._span) + 1) % len(SPANS)]
        self.feed.look_back(self._span.seconds)
        self.renew()

    def shorten(self, bare: bool) -> None:
        """Only the gauges: something below needs the room."""
        if bare != self._bare:
            self._bare = bare
            self.renew()

    # --- what is shown --------------------------------------------------------------------------------

    def host_changed(self) -> None:
        """The session has news: an answer may have begun or ended."""
        if self._kensho.session.recent is not self._chats:
            self._chats = self._kensho.session.recent
            self.read_last()
        self._show_answer()

    def renew(self) -> None:
        """Everything anew, as it is now; what has not changed is not drawn."""
        width = self.size.width
        if not width:
            return
        latest, now = self.feed.latest, self.feed.now
        parts = {"gauges": [quiet(self._nothing())]} if latest is None else self._machine(latest, now, width)
        parts["answer"] = self._answer(width)
        parts["activity"] = [activity(now, width, self._kensho.session.bench)] if now is not None else []
        self._parts = parts
        self._draw()

    def _machine(self, latest: Sample, now: Sample | None, width: int) -> dict[str, list[Content]]:
        """Its gauges, its GPUs where there are several, and what its workers use."""
        shape = heights(self._kensho.size.height)
        shown = self._shown(latest.at)
        source = Source(self.feed.samples, self.feed.history)
        drawn = gauge_rows(gauges(latest, now, source), shown, width, shape.graph)
        parts = {"trouble": self._trouble(), "gauges": self._spaced(drawn)}
        if len(latest.devices) > 1:
            rows = device_rows(latest, now, source, shown, width, shape.devices)
            parts["devices"] = self._spaced(rows)
        known = {worker.pid: worker for worker in self._kensho.session.workers}
        models = self._kensho.key_label("models")
        parts["workers"] = self._spaced(worker_rows(latest, now, known, width, shape.workers, models))
        return parts

    def _spaced(self, rows: list[Content]) -> list[Content]:
        """Set apart from what follows, where there is room."""
        return [*rows, Content()] if heights(self._kensho.size.height).roomy else rows

    def _draw(self) -> None:
        kept = PARTS[:2] if self._bare else PARTS
        self.show([row for name in kept for row in self._parts.get(name, ())])

    def _shown(self, until: float) -> Shown:
        history = self.feed.history
        if history is not None:
            step, joined = history.step_s, JOINED_KEPT * history.step_s
        else:
            step, joined = self.feed.interval_s, JOINED * self.feed.interval_s
        return Shown(until, self._span.seconds, step, joined, self._glyphs)

    def _trouble(self) -> list[Content]:
        if self.feed.state == "lost":
            said = "the host does not answer: graphs go on when it is back"
            return [Content.styled(said, "$warning")]
        now = self.feed.now
        if now is None or len(now.devices) != 1 or now.devices[0].total:  # each of several has a row
            return []
        return [Content.styled(f"{one_line(now.devices[0].name, 60)}: {GONE}", "$error")]

    def _nothing(self) -> str:
        return {
            "waiting": "the first sample is on its way",
            "live": "the first sample is on its way",
            "lost": "the host does not answer; this goes on when it is back",
            "too old": "this host is older than the app and takes no samples: /restart replaces it",
        }[self.feed.state]

    # --- the last answer ------------------------------------------------------------------------------

    def read_last(self) -> None:
        self._kensho.run_quietly(self._read_last, "last-generation")

    async def _read_last(self) -> None:
        try:
            found = await self._kensho.session.host.call(GENERATIONS, ListGenerations(limit=1))
        except (HostError, UsageError):
            return  # the feed says so
        self._asked = True
        self._last = next(iter(found.generations), None)
        self._show_answer()

    def _show_answer(self) -> None:
        if self.size.width:
            self._parts["answer"] = self._answer(self.size.width)
            self._draw()

    def _answer(self, width: int) -> list[Content]:
        """The answer under way in the open chat, else the last one there was."""
        session = self._kensho.session
        # While a benchmark runs all of them wait, also one that nothing has been heard of yet.
        waits = session.bench is not None
        live = next((one for one in session.live.values() if waits or one.piece is not None), None)
        if self._ticking is not None:
            (self._ticking.pause if live is None else self._ticking.resume)()
        if live is not None:
            return self._spaced(self._live(live, width))
        self._elapsed = None
        found = last_rows(self._last, self._asked, self._kensho.now(), self._glyphs, width)
        return self._spaced(found)

    def _live(self, live: Live, width: int) -> list[Content]:
        session, piece = self._kensho.session, live.piece
        phase = piece.phase if piece is not None else c.Phase(name="queued")
        now = session.clock()
        if self._elapsed is None or self._elapsed.stream != live.stream:
            self._elapsed = Elapsed.of(live.stream, phase.name, live.since, live.first_at)
        self._elapsed.take(phase.name, now)
        messages = session.chat.messages if session.chat is not None else ()
        model = next((one.model for one in messages if session.live.get(one.id) is live), None)
        figures = [
            f"{fmt.thousands(piece.tokens)} tokens" if piece is not None and piece.tokens else "",
            fmt.speed(speed) if (speed := live.tok_s(now)) else "",
            one_line(model or session.model or "", 40),
        ]
        said = fmt.phase_text(phase, now - live.since, bench=session.bench)
        return live_rows(self._elapsed, said, figures, self._glyphs, width)
