"""What models ran with, setting by setting: in cells and in words, and what of it tells runs apart. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter

from textual.content import Content

from kensho_tui.core.metrics_contract import Generation, SetupMetrics
from kensho_tui.core.text import one_line
from kensho_tui.ui import format as fmt
from kensho_tui.ui.lines import quiet

Ran = SetupMetrics | Generation
UNKNOWN = "not known"


@dataclass(frozen=True)
class Setting:
    """One, in ``cell`` under its ``title``, in ``words`` where no title is; both are empty where it is
    not known, or says nothing."""

    title: str
    name: str
    cell: Callable[[Ran], str]
    words: Callable[[Ran], str]
    rank: int = 0
    right: bool = False


def layers(ran: Ran) -> str:
    """-1 asks for all of them; on a CPU that is none, and says nothing."""
    if ran.device == "CPU":
        return ""
    return "all" if ran.gpu_layers < 0 else str(ran.gpu_layers or "")


def _number(title: str, name: str, says: Callable[[int], str], rank: int = 0) -> Setting:
    def cell(ran: Ran) -> str:
        number: int = getattr(ran, name)
        return fmt.thousands(number) if number else ""

    def words(ran: Ran) -> str:
        number: int = getattr(ran, name)
        return says(number) if number else ""

    return Setting(title, name, cell, words, rank, right=True)


def _text(title: str, name: str, rank: int = 0) -> Setting:
    def cell(ran: Ran) -> str:
        return one_line(getattr(ran, name), 40)

    return Setting(title, name, cell, cell, rank)


_FLASH = {"on": "flash attention", "off": "no flash attention"}

# Ranks as in `rows.SETTINGS`.
SETTINGS = (
    _text("device", "device"),
    _number("context", "context", lambda tokens: f"{fmt.thousands(tokens)} tokens"),
    _text("KV", "kv_type", rank=2),
    _number("threads", "threads", lambda count: fmt.counted(count, "thread"), rank=3),
    _number("prefill", "threads_batch", lambda count: fmt.counted(count, "prefill thread"), rank=4),
    _number("batch", "batch", lambda tokens: f"batch {tokens}", rank=7),
    Setting(
        "flash",
        "flash",
        lambda ran: _FLASH.get(ran.flash, "") and ran.flash,
        lambda ran: _FLASH.get(ran.flash, ""),
        8,
    ),
    Setting(
        "GPU layers",
        "gpu_layers",
        layers,
        lambda ran: layers(ran) and f"{layers(ran)} GPU layers",
        5,
        right=True,
    ),
)


_values = attrgetter(*(one.name for one in SETTINGS))


def _known(runs: Sequence[Ran]) -> list[Ran]:
    """One of each kind, where anything is known: where it is not, no model was at work."""
    return [run for run in {_values(run): run for run in runs}.values() if words(run)]


def differing(runs: Sequence[Ran]) -> list[Setting]:
    """The settings by which these differ."""
    known = _known(runs)
    return [one for one in SETTINGS if len({one.cell(run) for run in known}) > 1]


def words(run: Ran, settings: Sequence[Setting] = SETTINGS) -> str:
    """``CPU · 8,192 tokens · f16 · 3 threads · 4 prefill threads · batch 256 · flash attention``."""
    return " · ".join(filter(None, (one.words(run) for one in settings)))


def common(runs: Sequence[Ran], width: int) -> list[Content]:
    """Rows that say what all of them have, of a single one that is everything; none: nothing is known."""
    known = _known(runs)
    apart = differing(known)
    said = words(known[0], [one for one in SETTINGS if one not in apart]) if known else ""
    return quiet(f"{'all ' if apart else ''}with {said}").wrap(width) if said else []


def names(first: Ran, second: Ran) -> tuple[str, str]:
    """What one ran with, and the other: no more than tells them apart."""
    apart = differing([first, second])
    return _name(first, apart), _name(second, apart)


def _name(run: Ran, apart: Sequence[Setting]) -> str:
    if not apart:  # the file was replaced by one with other weights
        return f"{fmt.size(run.active_weights)} of weights"
    known = [one.words(run) for one in apart]
    return " · ".join(word or "-" for word in known) if any(known) else UNKNOWN


def facts(run: Ran, apart: Sequence[Setting]) -> dict[str, str]:
    """By title."""
    return {one.title: one.cell(run) or UNKNOWN for one in apart}
