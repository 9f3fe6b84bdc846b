"""One line of everything else that a sample tells. Pure."""

from textual.content import Content

from kensho_tui.core.contract import BenchNow
from kensho_tui.core.sample_contract import Sample
from kensho_tui.ui import format as fmt
from kensho_tui.ui.lines import SEPARATOR, in_a_row, quiet

SINCE = " since the host started"


def activity(sample: Sample | None, width: int, bench: BenchNow | None = None) -> Content:
    """What is measured, streamed, queued and fetched, how often the cache helped, what database and host
    take."""
    if sample is None:
        return Content()
    parts = _parts(sample, bench, SINCE)
    if len(SEPARATOR.join(text for _, text in parts)) > width:
        parts = _parts(sample, bench, "")
    return in_a_row([(rank, quiet(text)) for rank, text in parts], width)


def _parts(sample: Sample, bench: BenchNow | None, since: str) -> list[tuple[int, str]]:
    """Each with its rank: the highest are left out first. ``since`` when the cache has counted."""
    parts = [
        (0, fmt.benchmark(bench) if bench is not None else ""),
        (0, _count(sample.streams - sample.queued, "answer") + " under way"),
        (1, f"{sample.queued} in the queue"),
        (3, _downloads(sample)),
        (2, _cache(sample, since)),
        (4, f"database {fmt.size(sample.database)}"),
        (5, f"host {sample.host_cpu * 100:.1f} % of a core"),
    ]
    return [part for part in parts if part[1]]


def _count(number: int, what: str) -> str:
    return fmt.counted(number, what) if number else f"no {what}s"


def _downloads(sample: Sample) -> str:
    if not sample.downloads:
        return "no downloads"
    return f"{_count(sample.downloads, 'download')} at {fmt.rate(sample.download_rate)}"


def _cache(sample: Sample, since: str) -> str:
    if not sample.cache_asked:
        return f"cache not asked{since or ' yet'}"
    hits, asked = fmt.thousands(sample.cache_hits), fmt.thousands(sample.cache_asked)
    return f"{hits} of {asked} from cache{since}"
