"""How things are said on screen: pure functions from values to short texts."""

from collections.abc import Callable
from datetime import UTC, datetime

from kensho_tui.core.contract import BenchNow, Message, Phase, Timings
from kensho_tui.core.text import one_line

GIB = 1024**3


def bar(fraction: float, width: int, full: str = "▓", empty: str = "░") -> str:
    """A bar of `width` cells: ``▓▓░░░``."""
    filled = round(min(max(fraction, 0.0), 1.0) * width)
    return full * filled + empty * (width - filled)


def percent(fraction: float) -> str:
    return f"{round(min(max(fraction, 0.0), 1.0) * 100)} %"


def whole_percent(fraction: float) -> int:
    """Rounded down: a hundred is all of it, and not nearly all. What only lacks the last bit of a float is
    whole."""
    return int(min(max(fraction, 0.0), 1.0) * 100 + 1e-9)


def gigabytes(used: int, total: int) -> str:
    """``1.1/24 G``: one decimal where it matters."""
    return f"{_gib(used)}/{_gib(total)} G"


def size(count: int) -> str:
    """``1.1 G``, ``98 M``: three digits at most."""
    if count >= GIB * 0.95:
        return f"{_gib(count)} G"
    return f"{count / 1024**2:.0f} M" if count >= 1024**2 or not count else "< 1 M"


def of(part: int, whole: int) -> str:
    """``1.4 of 2.3 G``, ``341 M of 1.0 G``: the unit once where it is the same."""
    some, all_ = size(part), size(whole)
    number, _, unit = some.rpartition(" ")
    return f"{number if all_.endswith(f' {unit}') else some} of {all_}"


def _gib(size: int) -> str:
    value = size / GIB
    return f"{value:.1f}" if value < 10 else f"{value:.0f}"


def rate(bytes_per_second: float) -> str:
    """``12.5 M/s``, ``49 K/s``."""
    mega = bytes_per_second / 1024**2
    return f"{mega:.1f} M/s" if mega >= 0.1 else f"{bytes_per_second / 1024:.0f} K/s"


def speed(tokens_per_second: float) -> str:
    """``148 tok/s``, ``12,345 tok/s``, one decimal below ten."""
    digits = 1 if tokens_per_second < 10 else 0
    return f"{tokens_per_second:,.{digits}f} tok/s"


def seconds(value: float) -> str:
    """``34 ms``, ``2.3 s``, ``75 s``."""
    if value < 1:
        return f"{value * 1000:.0f} ms"
    return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"


def whole_seconds(value: float) -> str:
    """``7 s``, ``4 min``: how long something has been or will be, without jitter."""
    count = max(round(value), 1)
    return f"{count} s" if count < 100 else f"{round(count / 60)} min"


def with_quantisation(model: str, quantisation: str, separator: str = " ") -> str:
    """Both, where the name does not say the second already."""
    return model if quantisation in model else f"{model}{separator}{quantisation}"


def counted(number: int, what: str) -> str:
    """``1 thread``, ``2 threads``."""
    return f"{thousands(number)} {what}{'s' if number != 1 else ''}"


def thousands(count: int) -> str:
    """``8,192``: grouped as every number is."""
    return f"{count:,}"


def parse_date(iso: str) -> datetime | None:
    """A date of the contract in local time; None for what is no date."""
    try:
        found = datetime.fromisoformat(iso)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone()
    except (ValueError, OverflowError):  # the first and the last day there is may lie beyond it here
        return None


def clock(iso: str, now: datetime) -> str:
    """``09:14`` today, ``21 Nov 09:14`` on other days, ``21 Nov 2025 09:14`` in other years."""
    when = parse_date(iso)
    if when is None:
        return ""
    time, today = when.strftime("%H:%M"), now.astimezone().date()
    if when.date() == today:
        return time
    return f"{when.day} {when:%b} {'' if when.year == today.year else f'{when.year} '}{time}"


def ago(iso: str, now: datetime) -> str:
    """``just now``, ``5 min ago``, ``3 h ago``, ``yesterday``, then the date."""
    when = parse_date(iso)
    if when is None:
        return ""
    past = (now - when).total_seconds()
    days = (now.astimezone().date() - when.date()).days
    if past < 60:
        return "just now"
    if past < 3600:
        return f"{past / 60:.0f} min ago"
    if days < 1:
        return f"{past / 3600:.0f} h ago"
    if days == 1:
        return "yesterday"
    year = f" {when.year}" if when.year != now.astimezone().year else ""
    return f"{when.day} {when.strftime('%b')}{year}"


_PHASES = {
    "queued": "waiting for its turn",
    "unloading": "unloading another model",
    "waiting": "waiting for memory",
    "starting": "starting the engine",
    "reading": "reading the model file",
    "loading": "loading the model",
    "warming": "warming up",
    "prefill": "reading the prompt",
    "decode": "answering",
    "stalled": "no sign from the model",
}


LOAD_PHASES = ("reading", "loading", "warming")


def bench_stops(key: Callable[[str], str]) -> str:
    """What ends a benchmark, wherever somebody waits for that: ``F4 b x stops it``. `key` of a command."""
    return f"{key('metrics')} b x stops it"


def benchmark(found: BenchNow, cells: int = 40) -> str:
    """``benchmark of SmolLM2, about 42 s`` still, the model's name in so many cells (0: without)."""
    of = f" of {one_line(found.model, cells)}" if cells else ""
    left = f", about {whole_seconds(found.left_s)}" if found.left_s is not None else ""
    return f"benchmark{of}{left}"


def waits_for(found: BenchNow) -> str:
    """What an answer does that is queued meanwhile."""
    return f"waits for the {benchmark(found)}"


def phase_text(
    phase: Phase, elapsed: float, share: float | None = None, bench: BenchNow | None = None
) -> str:
    """What is awaited, how far it is, and how long it has taken once that is more than a second.

    `share` of the whole load is done (None: not known): of its phases nobody must know each. `bench` is
    under way (None: none is): whoever is queued waits for its end.
    """
    note = one_line(phase.note, 80)
    words = [f"unloading {note}"] if phase.name == "unloading" and note else [_PHASES[phase.name]]
    if bench is not None and phase.name == "queued":
        note, words = "", [waits_for(bench)]
    if note and phase.name != "unloading":
        words.append(note)
    done = share if share is not None and phase.name in LOAD_PHASES else phase.fraction
    if done is not None and phase.name != "decode":
        words.append(f"{bar(done, 10)} {percent(done)}")
    if elapsed >= 1:
        words.append(f"{elapsed:.0f} s")
    return " · ".join(words)


def meta(message: Message, now: datetime) -> str:
    """The quiet right-hand side of a message's first line."""
    timings: Timings | None = message.timings
    parts = ["cached"] if message.cached else []
    if timings is not None and timings.decode_tok_s > 0:
        parts.append(speed(timings.decode_tok_s))
    parts.append(clock(message.created, now))
    return "   ".join(part for part in parts if part)
