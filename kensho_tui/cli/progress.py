"""How far a download is, as `pull` tells it: a line that is drawn anew, plain lines, or JSON events."""

import math
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, Protocol, TextIO

from kensho_tui.cli.drawn_line import DrawnLine, can_redraw
from kensho_tui.cli.output import ascii_only, print_json_line
from kensho_tui.cli.table import cells, cut
from kensho_tui.core.sizes import GIB, KIB, MIB, human_size
from kensho_tui.core.text import one_line

if TYPE_CHECKING:
    from kensho_tui.core.hub_contract import Download

QUIET_S = 5.0
"""Without a byte for so long, that is what is told, and no rate."""
LEAST_NAME, LEAST_NOTE, LEAST_BAR, MOST_BAR = 12, 24, 8, 24
"""Cells: of names and notes so many are shown at least, or all."""
EVERY_S, EVERY_PERCENT = 10.0, 10
EVENT_S = 0.5
GAP = "  "


# --- words (pure) -----------------------------------------------------------------------------------


def percent(download: "Download") -> int | None:
    """Whole per cent, never 100 before all is there; None while the size is not known."""
    fraction = download.fraction
    if fraction is None:
        return None
    return 100 if download.done >= download.total else min(math.floor(fraction * 100), 99)


def amount(done: int, total: int) -> str:
    """``0.4/2.6 GiB``, ``12/98 MiB``; without a total ``12 MiB``."""
    if total <= 0:
        return human_size(done)
    unit, name, digits = (
        (GIB, "GiB", 1) if total >= GIB else (MIB, "MiB", 0) if total >= MIB else (KIB, "KiB", 0)
    )
    return f"{done / unit:.{digits}f}/{total / unit:.{digits}f} {name}"


def rate(bytes_s: float) -> str:
    """``48.2 MiB/s``, ``112 MiB/s``, ``730 KiB/s``."""
    if bytes_s < MIB:
        return f"{bytes_s / KIB:.0f} KiB/s"
    return f"{bytes_s / MIB:.{0 if bytes_s >= 100 * MIB else 1}f} MiB/s"


def time_left(seconds: float) -> str:
    """``42 s left``, ``12 min left``, ``2 h 05 min left``."""
    return f"{duration(seconds)} left"


def duration(seconds: float) -> str:
    whole = math.ceil(max(seconds, 0.0))
    if whole < 90:
        return f"{whole} s"
    minutes = math.ceil(whole / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"


class Segment(NamedTuple):
    """Where room is short the highest ``rank`` goes first. In a line that is drawn anew it takes ``room``
    cells at least, so that what follows stays where it is.
    """

    rank: int
    text: str
    room: int = 0


def segments(download: "Download", passed: float, now: datetime) -> list[Segment]:
    """What is told after the name. ``passed``: seconds since `download` was told, which its own times have
    gone on for.
    """
    share, total = percent(download), download.total
    found = [
        Segment(0, f"{share} %" if share is not None else "", 5),
        Segment(2, amount(download.done, total) if download.done or total else "", len(amount(total, total))),
    ]
    if download.state == "running":
        found += _speed(download, passed)
    elif download.state == "waiting":
        found.append(Segment(1, _again(max(download.wait_s - passed, 0.0), now), 13))
    elif download.state == "queued":
        found.append(Segment(1, "waiting for its turn"))
    else:
        found.append(Segment(1, download.state))
    if download.parts > 1:
        found.append(Segment(4, f"part {download.part} of {download.parts}"))
    return [segment for segment in found if segment.text]


def _again(seconds: float, now: datetime) -> str:
    if seconds < 60:
        return f"again in {duration(seconds)}"
    return f"again at {(now + timedelta(seconds=seconds)).strftime('%H:%M')}"


def _speed(download: "Download", passed: float) -> list[Segment]:
    quiet = download.quiet_s + passed
    if download.quiet_s and quiet >= QUIET_S:
        return [Segment(1, f"nothing came for {duration(quiet)}")]
    left = download.eta_s
    return [
        Segment(3, rate(download.rate) if download.rate > 0 else "", 10),
        Segment(1, time_left(left - passed) if left is not None and download.rate > 0 else "", 11),
    ]


def progress_line(
    download: "Download", columns: int, now: datetime, *, passed: float = 0.0, plain: bool = False
) -> str:
    """All of it in at most `columns` cells; ``plain`` has an ASCII bar."""
    name, note = one_line(download.model), one_line(download.note, 120)
    told = [(each.rank, each.text.rjust(each.room)) for each in segments(download, passed, now)]
    quantisation = "" if name_says(name, download.quantisation) else one_line(download.quantisation, 40)
    if quantisation:
        told.insert(0, (5, quantisation))
    # While it waits, why it does is worth more than a bar that stands still.
    bar = download.fraction is not None and download.state != "waiting"
    short = min(cells(name), LEAST_NAME)
    least = short + (LEAST_BAR + len(GAP)) * bar
    while told and least + _room(told) > columns and max(told)[0]:
        told.remove(max(told))
    spare = columns - least - _room(told)
    if bar and spare < 0:
        bar, spare = False, spare + LEAST_BAR + len(GAP)
    wanted = min(cells(note), LEAST_NOTE) + len(GAP) if note else 0
    longer = min(max(spare - wanted, 0), cells(name) - short)
    spare -= longer
    if note and spare >= wanted:
        told.append((3, cut(note, spare - len(GAP))))
        spare -= cells(note) + len(GAP)
    if bar:
        wide = min(LEAST_BAR + max(spare, 0), MOST_BAR)
        at = 1 if told[:1] == [(5, quantisation)] else 0
        told.insert(at, (0, _bar(download.fraction or 0.0, wide, plain)))
    return cut(GAP.join((cut(name, short + longer), *(text for _, text in told))), columns)


def _room(told: list[tuple[int, str]]) -> int:
    return sum(cells(text) + len(GAP) for _, text in told)


def _bar(fraction: float, wide: int, plain: bool) -> str:
    full = math.floor(fraction * wide)
    done, rest = "#-" if plain else "▓░"
    return done * full + rest * (wide - full)


def name_says(name: str, quantisation: str) -> bool:
    """Whether a model's name tells its quantisation already."""
    return quantisation.casefold() in name.casefold()


def plain_line(download: "Download", now: datetime, *, between: str = ", ") -> str:
    """One line for a log or a list."""
    told = (each.text for each in segments(download, 0.0, now))
    note = one_line(download.note, 120)
    return between.join((one_line(download.model), *told, *([note] if note else [])))


# --- telling ----------------------------------------------------------------------------------------


class Reporter(Protocol):
    """What becomes of a download, told while it goes on. `tell` may come at any time, again and again."""

    def looking(self, what: str) -> None:
        """The host was asked for it; that takes as long as the hub does."""

    def begun(self, download: "Download", what: str) -> None: ...

    def tell(self, download: "Download") -> None: ...

    def ended(self, download: "Download", *, already: bool = False) -> None:
        """It goes on no more by itself, or is no longer watched. ``already``: it was done before."""

    def clear(self) -> None:
        """Something else is said now."""


def reporter(as_json: bool) -> Reporter:
    """The one for where the output goes."""
    if as_json:
        return Events()
    return Line(sys.stderr) if can_redraw(sys.stderr) else Lines(sys.stderr)


class Line:
    """One line on a terminal, drawn over itself and only when it changed."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._line = DrawnLine(stream)
        self._plain = ascii_only(stream)
        self._clock = clock
        self._told: tuple[Download, float] | None = None

    def looking(self, what: str) -> None:
        self._line.draw(cut(f"looking for {one_line(what)}", self._line.columns))

    def begun(self, download: "Download", what: str) -> None:
        self.tell(download)

    def tell(self, download: "Download") -> None:
        if self._told is None or self._told[0] != download:
            self._told = (download, self._clock())
        passed = self._clock() - self._told[1]
        now = datetime.now()
        line = progress_line(download, self._line.columns, now, passed=passed, plain=self._plain)
        self._line.draw(line)

    def ended(self, download: "Download", *, already: bool = False) -> None:
        self.clear()

    def clear(self) -> None:
        self._line.draw("")


class Lines:
    """Plain lines: at each state, at each tenth, and else every ten seconds."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._last: tuple[str, str, int] | None = None
        self._at = 0.0

    def looking(self, what: str) -> None: ...

    def begun(self, download: "Download", what: str) -> None: ...

    def tell(self, download: "Download") -> None:
        now = (download.state, download.note, (percent(download) or 0) // EVERY_PERCENT)
        if now == self._last and self._clock() - self._at < EVERY_S:
            return
        self._last, self._at = now, self._clock()
        line = plain_line(download, datetime.now())
        print(f"kensho-tui: {line}", file=self._stream, flush=True)

    def ended(self, download: "Download", *, already: bool = False) -> None: ...

    def clear(self) -> None: ...


class Events:
    """One JSON document a line on stdout; progress at most twice a second, states as they change."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._state = ""
        self._at = -math.inf
        self._done = -1

    def looking(self, what: str) -> None: ...

    def begun(self, download: "Download", what: str) -> None:
        self._state = download.state
        self._say("start", download, what=what, origin=download.origin, quantisation=download.quantisation)

    def tell(self, download: "Download") -> None:
        if download.state != self._state:
            self._state = download.state
            self._say("state", download, wait_s=download.wait_s, note=download.note, error=download.error)
        elif download.done != self._done and self._clock() - self._at >= EVENT_S:
            self._say("progress", download, rate=download.rate, eta_s=download.eta_s)

    def ended(self, download: "Download", *, already: bool = False) -> None:
        if download.state == "done":
            self._say("done", download, path=download.path, already=already)
        else:
            self.tell(download)

    def clear(self) -> None: ...

    def _say(self, event: str, download: "Download", **more: object) -> None:
        self._at, self._done = self._clock(), download.done
        print_json_line(
            {
                "event": event,
                "id": download.id,
                "model": download.model,
                "state": download.state,
                "done": download.done,
                "total": download.total,
                "part": download.part,
                "parts": download.parts,
                **more,
            }
        )
