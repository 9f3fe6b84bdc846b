"""Downloads in the status bar of every screen, and what is said when one ends. Pure."""

from collections.abc import Sequence

from rich.cells import cell_len
from textual.content import Content

from kensho_tui.core.hub_contract import Download
from kensho_tui.core.text import one_line
from kensho_tui.ui import format as fmt
from kensho_tui.ui.arrivals import Arrivals
from kensho_tui.ui.lines import quiet

NAME_CELLS, FAILED_CELLS = 60, 40
LEAST_REASON, SPARE_CELLS = 20, 12
"""Cells of a reason that are always shown; cells for what stands between words, and for wrapped lines."""
DAY_S = 24 * 3600


def duration(seconds: float) -> str:
    """``0:07``, ``2:10``, ``1:02:10``, ``3 d``: how long something will still take."""
    if seconds >= DAY_S:
        return f"{seconds / DAY_S:.0f} d"
    minutes, rest = divmod(max(round(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def tray(downloads: Sequence[Download], arrivals: Arrivals) -> Content:
    """What goes on, in a few cells: ``↓ 62 % 2:10``, ``↓ 3 · 41 % 5:10``, ``‖ paused``, ``✗ 1 failed``."""
    active = [one for one in downloads if one.active]
    failed = sum(one.state == "failed" for one in downloads)
    paused = sum(one.state == "paused" for one in downloads)
    parts = []
    if active:
        count = f"{len(active)} · " if len(active) > 1 else ""
        parts.append(
            Content.assemble(("↓ ", "$primary"), f"{count}{_going(active, arrivals.of_batch(downloads))}")
        )
    elif paused:
        parts.append(quiet(f"‖ {paused} paused" if paused > 1 else "‖ paused"))
    if failed:
        parts.append(Content.styled(f"✗ {failed} failed", "$error"))
    return Content(" ").join(parts)


def _going(active: Sequence[Download], batch: Sequence[Download]) -> str:
    """How far the whole is, or what all of them wait for."""
    states = {one.state for one in active}
    if len(states) == 1 and states != {"running"}:
        return {"queued": "queued", "waiting": "waits to retry", "checking": "checking"}[states.pop()]
    got = sum(one.done for one in batch)
    total = sum(one.total for one in batch)
    far = f"{fmt.whole_percent(got / total)} %" if all(one.total for one in batch) else fmt.size(got)
    running = [one for one in active if one.state == "running"]
    quiet_s = min((one.quiet_s for one in running), default=0.0)
    if quiet_s > 0:
        return f"{far} no data for {fmt.whole_seconds(quiet_s)}"
    left = _left(active)
    return f"{far} {duration(left)}" if left is not None else far


def _left(active: Sequence[Download]) -> float | None:
    """Seconds until all of them are there; None: nobody knows."""
    if len(active) == 1:
        return active[0].eta_s
    rate = sum(one.rate for one in active)
    if rate <= 0 or not all(one.total for one in active):
        return None
    return sum(one.total - one.done for one in active) / rate


def offer(arrived: Download, key: str, cells: int) -> Content:
    """A model that is here and was not used yet."""
    return Content.assemble(("✓ ", "$success"), one_line(arrived.model, cells), " ", (key, "bold"))


def done_words(done: Sequence[Download], key: str) -> tuple[str, str]:
    """What is said of downloads that are done, and what can be done with the last of them."""
    last = one_line(done[-1].model, NAME_CELLS)
    if len(done) == 1:
        return f"✓ {last} is here", f"{key} uses it"
    return f"✓ {last} and {len(done) - 1} more are here", f"{key} uses {last}"


def failed_words(failed: Sequence[Download], key: str, cells: int) -> tuple[str, str]:
    """What is said of downloads that failed, and what would help, in so many cells: the hint gives way first,
    then the reason. All of it is in the details."""
    last = failed[-1]
    also = f" ({len(failed) - 1} more failed)" if len(failed) > 1 else ""
    shows = f"{key} shows it"
    what = f"✗ {one_line(last.model, FAILED_CELLS)} was not fetched: "
    room = max(cells - cell_len(what + also + shows) - SPARE_CELLS, LEAST_REASON)
    reason, hint = one_line(last.error, room), one_line(last.hint, 300)
    fits = cell_len(reason) + cell_len(hint) + SPARE_CELLS <= room
    return f"{what}{reason}{also}", f"{hint} · {shows}" if hint and fits else shows
