"""Downloads as rows, their state in words, and what the details pane says of one. Pure."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import NamedTuple

from textual.content import Content

from kensho_tui.core import hub_contract as h
from kensho_tui.core.text import one_line
from kensho_tui.ui import format as fmt
from kensho_tui.ui.choice_list import Choice
from kensho_tui.ui.columns import Cell, Column
from kensho_tui.ui.lines import QUIET, quiet
from kensho_tui.ui.models import sheet
from kensho_tui.ui.models.details import short_path
from kensho_tui.ui.models.fetching import name_of
from kensho_tui.ui.models.rows import ACCENT, AMBER, GREEN, RED
from kensho_tui.ui.table import Listing, Sort

BAR_CELLS, LONG_BAR = 6, 36
STATE_CELLS = 15

# What changes several times a second has columns that are as wide whatever is in them.
DOWNLOADS = Listing(
    (
        Column("name", least=18),
        Column("quant", rank=6),
        Column("progress", cells=12),
        Column("done", rank=2, right=True, cells=14),
        Column("left", rank=1, right=True, cells=7),
        Column("state", cells=STATE_CELLS, grows=True),
        Column("added", rank=5, right=True),
    ),
    {
        "added": lambda pair: (pair[0], pair[1].added),
        "name": lambda pair: pair[1].model.casefold(),
        "progress": lambda pair: pair[1].fraction or 0.0,
        "state": lambda pair: pair[1].state,
    },
    frozenset({"added", "progress"}),
)
"""Items are downloads, with whether they stand above the others."""

MARKS = {
    "queued": Cell("·", QUIET),
    "running": Cell("↓", ACCENT),
    "waiting": Cell("◌", AMBER),
    "checking": Cell("◔", ACCENT),
    "paused": Cell("‖", AMBER),
    "failed": Cell("✗", RED),
    "cancelled": Cell("–", QUIET),
    "done": Cell("✓", GREEN),
}


def flows(download: h.Download) -> bool:
    """Whether bytes come just now."""
    return download.state == "running" and download.rate > 0 and download.quiet_s <= 0


def rate(download: h.Download) -> str:
    """``12.5 M/s``; empty while nothing comes."""
    return fmt.rate(download.rate) if flows(download) else ""


def left(download: h.Download) -> str:
    """``1:13``, ``2 h 05``: the time it still takes; empty where that is not known."""
    if not flows(download) or download.eta_s is None or not 0 <= download.eta_s < 1e6:
        return ""
    minutes, seconds = divmod(round(download.eta_s), 60)
    return f"{minutes}:{seconds:02}" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02}"


def stalled(download: h.Download) -> str:
    """``no data for 7 s``; empty where data comes, or nothing is expected to."""
    if download.state != "running" or download.quiet_s <= 0:
        return ""
    return f"no data for {fmt.whole_seconds(download.quiet_s)}"


_FAILURES = {
    "damaged": "damaged",
    "disk_full": "disk full",
    "gated": "no access",
    "limited": "asked too often",
    "not_found": "not found",
    "not_a_model": "not a model",
    "offline": "offline",
}
"""By the error's code: the point of it. All of it is in the details."""


def state(download: h.Download) -> str:
    """For the table, in no more than `STATE_CELLS` cells."""
    if download.state == "running":
        quiet_s = download.quiet_s
        return f"stalled {fmt.whole_seconds(quiet_s)}" if quiet_s > 0 else rate(download) or "connecting"
    if download.state == "waiting":
        return f"again in {fmt.whole_seconds(download.wait_s)}" if download.wait_s > 0 else "trying again"
    if download.state == "failed":
        return _FAILURES.get(download.code, "failed")
    return str(download.state)


_SENTENCES = {
    "queued": "It waits for its turn: only so many run at once",
    "running": "It is asked for; nothing has come yet",
    "waiting": "It tries again by itself",
    "checking": "All of it is here; its checksum is compared",
    "paused": "It is paused",
    "failed": "It failed",
    "cancelled": "It is cancelled",
    "done": "It is here, and was found to be whole",
}


def sentence(download: h.Download) -> str:
    """The state, so that somebody who knows nothing of it knows what happens."""
    if flows(download):
        return "It is coming"
    nothing = stalled(download)
    if nothing:
        return f"{nothing.capitalize()}; it is tried again by itself"
    said = _SENTENCES[download.state]
    if download.state == "waiting" and download.wait_s > 0:
        return f"{said} in {fmt.whole_seconds(download.wait_s)}; Enter tries now"
    return said


def amount(download: h.Download) -> str:
    """``1.4 of 2.3 G``, ``1.4 G`` where nobody knows of how much."""
    if download.total <= 0:
        return fmt.size(download.done) if download.done > 0 else ""
    if download.state == "done":
        return fmt.size(download.total)
    return fmt.of(download.done, download.total)


def progress(download: h.Download, cells: int = BAR_CELLS) -> str:
    """A bar with its per cent, which is 100 only when all is there."""
    share = download.fraction
    if share is None:
        return ""
    return f"{fmt.bar(share, cells)} {fmt.whole_percent(share):>3} %"


def download_rows(
    downloads: Iterable[h.Download], sort: Sort, now: datetime, above: Collection[str] = ()
) -> list[Choice]:
    """`above`: the ids of those that stand above the others."""
    rows = []
    for _, one in DOWNLOADS.ordered(((one.id in above, one) for one in downloads), sort):
        mark = MARKS[one.state]
        loud = one.state == "waiting" or bool(stalled(one))
        cells = (
            Cell(one_line(one.quantisation, 12)),
            Cell(progress(one), ACCENT if one.active else QUIET),
            Cell(amount(one)),
            Cell(left(one)),
            Cell(state(one), RED if one.state == "failed" else AMBER if loud else QUIET),
            Cell(fmt.ago(one.added, now)),
        )
        also = one_line(f"{one.origin} {one.quantisation} {one.state}", 300)
        rows.append(
            Choice(one.id, name_of(one), mark=mark.text, mark_style=mark.style, also=also, cells=cells)
        )
    return rows


class DownloadPage(NamedTuple):
    """All that is known of one download."""

    download: h.Download
    now: datetime

    def head(self) -> list[Content]:
        """Its name, the state in words, how far it is."""
        one = self.download
        mark = MARKS[one.state]
        lines = [
            Content.assemble((name_of(one), "bold"), quiet(f"  {one_line(one.quantisation, 12)}")),
            Content.assemble((f"{mark.text} ", mark.style), sentence(one)),
        ]
        if one.state != "done" and one.fraction is not None:
            numbers = (amount(one), rate(one), f"{left(one)} left" if left(one) else "", stalled(one))
            style = ACCENT if one.active else QUIET
            lines.append(Content.styled(progress(one, LONG_BAR), style))
            lines.append(quiet(" · ".join(number for number in numbers if number)))
        return lines

    def memory(self, width: int) -> list[Content]:
        return []

    def facts(self) -> sheet.Facts:
        """What went wrong and what helps, where it is from, what is kept."""
        one = self.download
        kept = ""
        if one.state in ("paused", "failed", "cancelled") and one.done > 0:
            deletes = "; x deletes them" if one.state == "cancelled" else ""
            kept = f"{fmt.size(one.done)}, from where it goes on{deletes}"
        return sheet.told(
            {
                "Why": one.error,
                "What helps": one.hint,
                "Note": one.note,
                "From": one.origin,
                "Kept": kept,
                "Parts": f"{one.part} of {one.parts}" if one.parts > 1 else "",
                "Added": fmt.ago(one.added, self.now),
                "File": short_path(one.path) if one.path else "",
            }
        )
