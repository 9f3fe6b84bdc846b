"""An answer as a time line: what it waited for, read and wrote, each as long as it took. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from textual.content import Content

from kensho_tui.core.contract import PhaseName
from kensho_tui.core.metrics_contract import Generation
from kensho_tui.core.text import one_line
from kensho_tui.ui import format as fmt
from kensho_tui.ui.lines import QUIET, in_a_row, quiet
from kensho_tui.ui.metrics.figures.said import how_it_ended
from kensho_tui.ui.metrics.graph import Glyphs

NAMES = ("queue", "load", "prefill", "decode")
STYLES = (QUIET, "$accent", "$secondary", "$primary")
PHASES: dict[PhaseName, int] = {"queued": 0, "prefill": 2, "decode": 3, "stalled": 3}
"""Where each phase belongs; all others are of the load."""
LOAD = 1
NONE = "no answer yet: ask something in F2"
LEAST_BAR = 8
"""Cells of all bars below which the names are cut to their first letters."""
LAST = "last answer"
MOST_BAR = 64


@dataclass
class Elapsed:
    """Seconds of a live answer by phase, each counted as long as it is seen.

    What was before it was looked at first is taken for the phase that it was in then; only when its first
    words came is known.
    """

    stream: str
    seconds: list[float] = field(default_factory=lambda: [0.0] * len(NAMES))
    at: float = 0.0
    phase: int = 0

    @classmethod
    def of(cls, stream: str, phase: PhaseName, since: float, first_at: float | None) -> "Elapsed":
        """Of an answer that has gone on since then (monotonic seconds)."""
        found = cls(stream, at=since, phase=PHASES.get(phase, LOAD))
        if first_at is not None:
            found.phase = PHASES["prefill"]
            found.take("decode", first_at)
        return found

    def take(self, phase: PhaseName, now: float) -> None:
        """It is in `phase` at `now` (monotonic seconds)."""
        self.seconds[self.phase] += max(now - self.at, 0.0)
        self.at, self.phase = now, PHASES.get(phase, LOAD)


def cells(seconds: Sequence[float], width: int) -> list[int]:
    """How many of `width` cells each part has; what took time has one at least, and nothing has none."""
    whole = sum(seconds)
    if whole <= 0 or width <= 0:
        return [0] * len(seconds)
    parts = [value / whole * width for value in seconds]
    given = [max(int(part), 1) if value > 0 else 0 for part, value in zip(parts, seconds, strict=True)]
    while sum(given) < width:
        given[max(range(len(given)), key=lambda at: parts[at] - given[at])] += 1
    while sum(given) > width and max(given) > 1:
        given[given.index(max(given))] -= 1
    return given


def line(seconds: Sequence[float], end: str, glyphs: Glyphs, width: int) -> Content:
    """The names of the phases with their bars, and `end` behind them; names give way on a narrow line."""
    names: Sequence[str] = NAMES
    nothing = sum(value <= 0 for value in seconds)
    room = width - len(end) - nothing - sum(len(name) + 2 for name in names) - 1
    if room < LEAST_BAR:
        room += sum(len(name) - 1 for name in names)
        names = tuple(name[0] for name in names)
    drawn = []
    bars = cells(seconds, min(max(room, 0), MOST_BAR))
    for name, glyph, style, count in zip(names, glyphs.phases, STYLES, bars, strict=True):
        bar = glyph * count if count else glyphs.none
        drawn.append(Content.assemble(quiet(f"{name} "), (bar, style if count else QUIET)))
    return Content.assemble(Content(" ").join(drawn), "  ", (end, "bold")).truncate(width, ellipsis=True)


def last_rows(
    found: Generation | None, asked: bool, now: datetime, glyphs: Glyphs, width: int
) -> list[Content]:
    """Two rows of the last answer: its time line and its figures. `asked`: the host was asked for it."""
    if found is None:
        return [quiet(NONE if asked else "the last answer: not read yet"), Content()]
    name, quantisation = one_line(found.model or "", 40), one_line(found.quantisation, 12)
    head = [(2, fmt.with_quantisation(name, quantisation)), (8, fmt.clock(found.created, now))]
    timings = found.timings
    if found.from_cache:
        took = f" in {fmt.seconds(timings.total_s)}" if timings is not None else ""
        told = Content.assemble(("from cache", "$success"), quiet(f"{took}: no model was at work"))
        return [told.truncate(width, ellipsis=True), _joined([(4, LAST), *head], width)]
    if timings is None:
        said = f"last answer {one_line(found.state, 20)}: it was not measured"
        return [quiet(said).truncate(width, ellipsis=True), _joined(head, width)]
    wrote = timings.ttft_s > 0
    decode = max(timings.total_s - timings.ttft_s, 0.0) if wrote else 0.0
    seconds = (timings.queue_s, timings.load_s, timings.prefill_s, decode)
    end = f"TTFT {fmt.seconds(timings.ttft_s)}" if wrote else f"no text in {fmt.seconds(timings.total_s)}"
    drawn = line(seconds, end, glyphs, width)
    return [drawn, _joined([(4, LAST), *_figures(found, seconds), *head], width)]


def _figures(found: Generation, seconds: Sequence[float]) -> list[tuple[int, str]]:
    """Each with its rank: the highest are left out first."""
    timings, usage = found.timings, found.usage
    took = [f"{name} {fmt.seconds(value)}" for name, value in zip(NAMES, seconds, strict=True) if value > 0]
    parts = [(5, ", ".join(took))]
    if timings is not None and timings.decode_tok_s:
        parts.append((1, fmt.speed(timings.decode_tok_s)))
    if usage is not None:
        cached = f", {fmt.thousands(usage.cached_tokens)} cached" if usage.cached_tokens else ""
        read = (
            f"{fmt.thousands(usage.prompt_tokens)} in{cached}, {fmt.thousands(usage.completion_tokens)} out"
        )
        parts.append((3, read))
    if timings is not None and timings.prompt_tok_s:
        parts.append((7, f"prompt {fmt.speed(timings.prompt_tok_s)}"))
    parts.append((6, how_it_ended(found)))
    return parts


def _joined(parts: Sequence[tuple[int, str]], width: int) -> Content:
    return in_a_row([(rank, quiet(text)) for rank, text in parts], width)


def live_rows(
    elapsed: Elapsed, said: str, figures: Sequence[str], glyphs: Glyphs, width: int
) -> list[Content]:
    """The same of an answer under way: `said` is what it does now."""
    parts = [(at, text) for at, text in enumerate(figures) if text]
    return [line(elapsed.seconds, said, glyphs, width), _joined(parts, width)]
