"""The upper half of the metrics screen: gauges, GPUs, workers, the last answer, all else in a line."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from textual.content import Content
from textual.timer import Timer

from kensho_tui.core.errors import HostError, UsageError
from kensho_tui.core.metrics_contract import GENERATIONS, Generation, ListGenerations
from kensho_tui.core.sample_contract import Sample, SampleHistory
from kensho_tui.ui import format as fmt
from kensho_tui.ui.lines import quiet
from kensho_tui.ui.live import Live
from kensho_tui.ui.metrics.activity import activity
from kensho_tui.ui.metrics.devices import device_rows, load_points
from kensho_tui.ui.metrics.feed import LIVE_S, Feed
from kensho_tui.ui.metrics.gauges import JOINED, JOINED_KEPT, Shown, Source, gauge_rows, gauges
from kensho_tui.ui.metrics.graph import glyphs_for
from kensho_tui.ui.metrics.layout import heights
from kensho_tui.ui.metrics.rows import Rows
from kensho_tui.ui.metrics.timeline import Elapsed, last_rows, live_rows
from kensho_tui.ui.metrics.workers import worker_rows
from kensho_tui.ui.status_bar import numbers

if TYPE_CHECKING:
    from kensho_tui.ui.app import KenshoApp

LIVE_TICK_S = 0.25


class Span(NamedTuple):
    """A time that graphs show, in seconds and in words."""

    seconds: float
    said: str


SPANS = (Span(LIVE_S, "2 minutes"), Span(3600, "1 hour"), Span(86400, "1 day"), Span(30 * 86400, "30 days"))


class LivePart(Rows):
    """Draws what the feed reads, once for each sample; nothing is read and drawn while it is `left`."""

    def __init__(self, app: "KenshoApp", told: Callable[[], None]) -> None:
        """`told` is called when the host's state changes, which the screen's frame shows."""
        super().__init__(id="metrics-live")
        self._kensho = app
        self._told = told
        self.feed = Feed(app, self._sampled)
        self._glyphs = glyphs_for(app.settings)
        self._span = SPANS[0]
        self._bare = False
        self._parts: dict[str, list[Content]] = {}
        self._last: Generation | None = None
        self._asked = False
        self._streams = 0
        self._chats: object = None
        self._elapsed: Elapsed | None = None
        self._ticking: Timer | None = None
        self._state = ""

    # --- when it is seen ------------------------------------------------------------------------------

    def on_mount(self) -> None:
        self._ticking = self.set_interval(LIVE_TICK_S, self._tick, pause=True)

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

    def _sampled(self) -> None:
        now = self.feed.now
        if now is not None and now.streams != self._streams:
            ended, self._streams = now.streams < self._streams, now.streams
            if ended:
                self.read_last()
        self.renew()
        if self.feed.state != self._state:
            self._state = self.feed.state
            self._told()

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
        parts["activity"] = [activity(now, width)] if now is not None else []
        self._parts = parts
        self._draw()

    def _machine(self, latest: Sample, now: Sample | None, width: int) -> dict[str, list[Content]]:
        """Its gauges, its GPUs where there are several, and what its workers use."""
        shape = heights(self._kensho.size.height)
        shown = self._shown(latest.at)
        samples, history = list(self.feed.samples), self._history()
        drawn = gauge_rows(gauges(latest, now, Source(samples, history)), shown, width, shape.graph)
        parts = {"trouble": self._trouble(), "gauges": self._spaced(drawn)}
        if len(latest.devices) > 1:
            points = [load_points(samples, history, one.device) for one in latest.devices]
            rows = device_rows(latest, now, points, shown, width, shape.devices)
            parts["devices"] = self._spaced(rows)
        known = {worker.pid: worker for worker in self._kensho.session.workers}
        parts["workers"] = self._spaced(worker_rows(latest, now, known, width, shape.workers))
        return parts

    def _spaced(self, rows: list[Content]) -> list[Content]:
        """Set apart from what follows, where there is room."""
        return [*rows, Content()] if heights(self._kensho.size.height).roomy else rows

    def _draw(self) -> None:
        kept = ("trouble", "gauges") if self._bare else self._ORDER
        self.show([row for name in kept for row in self._parts.get(name, ())])

    _ORDER = ("trouble", "gauges", "devices", "workers", "answer", "activity")

    def _shown(self, until: float) -> Shown:
        history = self._history()
        if history is not None:
            step, joined = history.step_s, JOINED_KEPT * history.step_s
        else:
            step, joined = self.feed.interval_s, JOINED * self.feed.interval_s
        return Shown(until, self._span.seconds, step, joined, self._glyphs)

    def _history(self) -> SampleHistory | None:
        return self.feed.history if self._span.seconds > LIVE_S else None

    def _trouble(self) -> list[Content]:
        if self.feed.state == "lost":
            said = "the host does not answer: graphs go on when it is back"
            return [Content.styled(said, "$warning")]
        latest = self.feed.now
        gone = [one for one in latest.devices if not one.total] if latest is not None else []
        if not gone or len(latest.devices if latest is not None else ()) > 1:
            return []
        return [Content.styled(f"{gone[0].name}: its driver does not answer", "$error")]

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

    def _tick(self) -> None:
        self._show_answer()

    def _show_answer(self) -> None:
        if self.size.width:
            self._parts["answer"] = self._answer(self.size.width)
            self._draw()

    def _answer(self, width: int) -> list[Content]:
        """The answer under way in the open chat, else the last one there was."""
        live = next((one for one in self._kensho.session.live.values() if one.piece is not None), None)
        if self._ticking is not None:
            (self._ticking.pause if live is None else self._ticking.resume)()
        if live is not None:
            return self._spaced(self._live(live, width))
        self._elapsed = None
        found = last_rows(self._last, self._asked, self._kensho.now(), self._glyphs, width)
        return self._spaced(found)

    def _live(self, live: Live, width: int) -> list[Content]:
        session, piece = self._kensho.session, live.piece
        assert piece is not None  # noqa: S101 - for the type checker: whoever calls has looked
        now = session.clock()
        if self._elapsed is None or self._elapsed.stream != live.stream:
            self._elapsed = Elapsed.of(live.stream, piece.phase.name, live.since, live.first_at)
        self._elapsed.take(piece.phase.name, now)
        figures = [f"{fmt.thousands(piece.tokens)} tokens" if piece.tokens else ""]
        speed = numbers(session).tok_s
        figures.append(fmt.speed(speed) if speed else "")
        figures.append(session.model or "")
        said = fmt.phase_text(piece.phase, now - live.since)
        return live_rows(self._elapsed, said, figures, self._glyphs, width)
