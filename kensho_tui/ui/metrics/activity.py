"""One line of everything else that a sample tells. Pure."""

from textual.content import Content

from kensho_tui.core.sample_contract import Sample
from kensho_tui.ui import format as fmt
from kensho_tui.ui.lines import fitting, quiet

SEPARATOR = " · "


def activity(sample: Sample | None, width: int) -> Content:
    """What is queued, streamed and fetched, how often the cache helped, what database and host take."""
    if sample is None:
        return Content()
    parts = [
        (0, _count(sample.streams, "answer") + " under way"),
        (1, f"{sample.queued} in the queue"),
        (3, _downloads(sample)),
        (2, _cache(sample)),
        (4, f"database {fmt.size(sample.database)}"),
        (5, f"host {sample.host_cpu * 100:.1f} % of a core"),
    ]
    shown = fitting([(rank, quiet(text)) for rank, text in parts], width, len(SEPARATOR))
    return quiet(SEPARATOR).join(shown)


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'s' if number != 1 else ''}"


def _downloads(sample: Sample) -> str:
    if not sample.downloads:
        return "no downloads"
    return f"{_count(sample.downloads, 'download')} at {sample.download_rate / 1e6:.1f} MB/s"


def _cache(sample: Sample) -> str:
    if not sample.cache_asked:
        return "cache not asked yet"
    return f"{fmt.thousands(sample.cache_hits)} of {fmt.thousands(sample.cache_asked)} from cache"
