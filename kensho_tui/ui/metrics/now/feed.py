"""Samples while somebody looks: a loop of held reads, and what of them is remembered."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Literal

from kensho_tui.core.errors import HostError, KenshoError, UsageError
from kensho_tui.core.sample_contract import (
    SAMPLE_HISTORY,
    SAMPLES,
    ReadSampleHistory,
    ReadSamples,
    Sample,
    SampleHistory,
)

if TYPE_CHECKING:
    from textual.worker import Worker

    from kensho_tui.ui.app import KenshoApp

WAIT_S = 20.0
"""So long the host may hold a read."""
RETRY_S = 1.0
LIVE_S = 120.0
"""What graphs show of the samples themselves; a longer time is asked of what was kept."""
MARGIN_S = 10.0
"""Samples are remembered for so much longer, for the columns at the left edge."""
POINTS = 240
"""Steps that are asked for of what was kept."""
State = Literal["waiting", "live", "lost", "too old"]
"""Whether the newest sample says how things stand: there is none, it does, or the host does not answer, or it
knows of no samples."""


class Feed:
    """Reads while it runs; `changed` is called once for each reply, and when the host goes or comes back.

    ``history`` is what was kept of the last `span_s` seconds (None: nobody asked, or it is not there yet).
    """

    def __init__(self, app: "KenshoApp", changed: Callable[[], None]) -> None:
        self._app = app
        self._changed = changed
        self._samples: deque[Sample] = deque()
        self._reading: Worker[None] | None = None
        self._span_s = LIVE_S
        self._asked_at = 0.0
        self._said = False
        self.state: State = "waiting"
        self.interval_s = 1.0
        self.history: SampleHistory | None = None

    @property
    def samples(self) -> Iterable[Sample]:
        return self._samples

    @property
    def latest(self) -> Sample | None:
        """The newest one, however old it is."""
        return self._samples[-1] if self._samples else None

    @property
    def now(self) -> Sample | None:
        """The newest one, if it says how things stand now."""
        return self.latest if self.state == "live" else None

    def start(self) -> None:
        if self._reading is None:
            self._reading = self._app.run_quietly(self._run, "samples")

    def stop(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def look_back(self, span_s: float) -> None:
        """From now on so long a time is wanted; what is older than the samples here comes from the disk."""
        self._span_s = span_s
        self.history, self._asked_at = None, 0.0
        self._renew_history()

    async def _run(self) -> None:
        while True:
            try:
                await self._read()
            except UsageError:
                self._too_old()
                return
            except KenshoError as error:
                if self.state != "lost" and not isinstance(error, HostError):
                    self._app.show_error(error)
                self._set("lost")
                await asyncio.sleep(RETRY_S)

    async def _read(self) -> None:
        since = self._samples[-1].at if self._samples else 0.0
        reply = await self._app.session.host.call(SAMPLES, ReadSamples(since=since, wait=WAIT_S))
        if not reply.samples:
            self._samples.clear()
            self._set("waiting")  # what there was is old by now
            return
        self.interval_s = reply.interval_s
        if reply.samples[-1].at <= since:  # the clock was set back: what is here lies in the future
            self._samples.clear()
            since = 0.0
        self._samples.extend(one for one in reply.samples if one.at > since)
        oldest = self._samples[-1].at - LIVE_S - MARGIN_S
        while self._samples[0].at < oldest:
            self._samples.popleft()
        self.state = "live"
        self._renew_history()
        self._changed()

    def _set(self, state: State) -> None:
        if state != self.state:
            self.state = state
            self._changed()

    def _too_old(self) -> None:
        self._reading = None
        self._set("too old")
        if not self._said:
            self._said = True
            self._app.say("The host is older than the app and takes no samples", "/restart replaces it")

    # --- what was kept --------------------------------------------------------------------------------

    def _renew_history(self) -> None:
        """Ask for it when there is none yet, and when another step of it is over."""
        latest = self.latest
        if self._span_s <= LIVE_S or latest is None or self.state != "live":
            return
        if latest.at - self._asked_at >= max(self._span_s / POINTS, 5.0):
            self._asked_at = latest.at
            self._app.run_quietly(lambda: self._read_history(latest.at, self._span_s), "sample-history")

    async def _read_history(self, until: float, span_s: float) -> None:
        request = ReadSampleHistory(since=until - span_s, until=until, points=POINTS)
        try:
            found = await self._app.session.host.call(SAMPLE_HISTORY, request)
        except HostError:
            self._asked_at = 0.0  # asked again once the host answers, which `_run` finds out
            return
        if span_s == self._span_s:
            self.history = found
            self._changed()
