"""What a person is told of a download (pure)."""

from dataclasses import dataclass
from pathlib import Path

from kensho_tui.core.hub_contract import Download, DownloadState
from kensho_tui.models.downloads.records import Record

QUIET_FROM_S = 3.0
"""A line without a byte for so long is said to be quiet: what its rate was says nothing any more."""


@dataclass(frozen=True, kw_only=True)
class Moment:
    """How a download stands now. ``rate`` in bytes per second, ``quiet_s`` since the last byte, ``wait_s``
    until the next try.
    """

    name: str
    state: DownloadState
    done: int
    rate: float
    quiet_s: float
    wait_s: float
    note: str
    path: Path | None


def view(record: Record, now: Moment) -> Download:
    model = record.model
    failure = record.failure if now.state == "failed" else None
    quiet = now.state == "running" and now.quiet_s >= QUIET_FROM_S
    rate = now.rate if now.state == "running" and not quiet else 0.0
    return Download(
        id=record.id,
        model=now.name,
        origin=model.origin,
        state=now.state,
        done=now.done,
        total=model.size,
        quantisation=model.quantisation,
        parts=len(model.parts),
        part=min(record.checked + 1, len(model.parts)),
        rate=rate,
        eta_s=max(model.size - now.done, 0) / rate if rate > 0 and model.size else None,
        quiet_s=now.quiet_s if quiet else 0.0,
        wait_s=max(now.wait_s, 0.0) if now.state == "waiting" else 0.0,
        note=now.note,
        error=failure.message if failure is not None else "",
        hint=failure.hint if failure is not None else "",
        code=failure.code if failure is not None else "",
        path=str(now.path) if now.path is not None else "",
        seen=record.seen,
        added=record.added,
    )
