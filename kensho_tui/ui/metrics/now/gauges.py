"""The gauges of the metrics screen: one value and its graph each. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from textual.content import Content

from kensho_tui.core.sample_contract import DeviceSample, Sample, SampleHistory, SeriesName
from kensho_tui.ui import format as fmt
from kensho_tui.ui.lines import QUIET, both_ends, quiet
from kensho_tui.ui.metrics.graph import Glyphs, Window, graph, round_top

GAP = 2
NOTHING = "–"
FULL = 0.9
"""From this share of memory on it is said in another colour."""
LEAST_TOP_TOK_S = 10.0
JOINED, JOINED_KEPT = 2.5, 1.5
"""Samples, and what was kept of them, so many steps apart belong together; what is further apart is a gap."""
Points = Sequence[tuple[float, float | None]]


@dataclass(frozen=True)
class Gauge:
    """``top`` fills the graph (0: the highest value that is shown does). Of the notes as many are said as
    fit, the first before the others."""

    title: str
    value: str
    points: Points
    top: float = 0.0
    style: str = "$primary"
    notes: tuple[str, ...] = ()


def discrete(sample: Sample) -> list[DeviceSample]:
    """The GPUs with memory of their own; those whose driver does not answer may have some."""
    return [device for device in sample.devices if not device.unified]


def answering(devices: Iterable[DeviceSample]) -> list[DeviceSample]:
    return [device for device in devices if device.total > 0]


def vram(sample: Sample) -> int | None:
    """Bytes in use on all GPUs with memory of their own; None: no driver tells."""
    told = answering(discrete(sample))
    return sum(device.used for device in told) if told else None


def gpu_load(sample: Sample) -> float | None:
    """The mean over the GPUs that tell."""
    loads = [device.load for device in answering(sample.devices) if device.load is not None]
    return fmean(loads) if loads else None


class Source:
    """Where the points come from: the samples, or what was kept when a longer time is wanted."""

    def __init__(self, samples: Iterable[Sample], history: SampleHistory | None) -> None:
        self._samples = list(samples)
        self._history = history

    def points(
        self,
        value: Callable[[Sample], float | None],
        name: SeriesName,
        devices: Iterable[str] = ("",),
        join: Callable[[Sequence[float]], float] = fmean,
    ) -> Points:
        """Of each sample its `value`; of what was kept of ``name`` the highest of each step, those of several
        `devices` made one by `join`."""
        if self._history is None:
            return [(one.at, value(one)) for one in self._samples]
        wanted = frozenset(devices)
        found: dict[float, list[float]] = {}
        for series in self._history.series:
            if series.name == name and series.device in wanted:
                for point in series.points:
                    found.setdefault(point.at, []).append(point.most)
        return [(at, join(values)) for at, values in sorted(found.items())]


def gauges(latest: Sample, now: Sample | None, source: Source) -> list[Gauge]:
    """What this machine has, from the newest sample there is; its values from the one that holds `now`."""
    found = [_memory(latest, now, source)]
    if latest.devices:
        found.append(_gpu(latest, now, source))
    return [*found, _cpu(latest, now, source), _speed(now, source)]


def _memory(latest: Sample, now: Sample | None, source: Source) -> Gauge:
    cards = discrete(latest)
    if not cards:
        notes = ("the GPU works in it",) if latest.devices else ()
        value = fmt.gigabytes(now.ram_used, now.ram_total) if now and now.ram_total else NOTHING
        points = source.points(lambda one: one.ram_used, "memory")
        share = latest.ram_used / latest.ram_total if latest.ram_total else 0.0
        free = f"{fmt.size(max(latest.ram_total - latest.ram_used, 0))} free"
        notes = (*notes, free) if now else notes
        return Gauge("RAM", value, points, latest.ram_total, _full(share), notes)
    told = answering(discrete(now)) if now else []
    total = sum(device.total for device in answering(cards))
    points = source.points(vram, "memory", (card.device for card in cards), sum)
    if not told:
        return Gauge("VRAM", NOTHING, points, total, notes=_gone(now, cards))
    used, own = sum(device.used for device in told), sum(device.own for device in told)
    return Gauge(
        "VRAM",
        fmt.gigabytes(used, total),
        points,
        total,
        _full(used / total),
        (f"{fmt.size(own)} models", f"{fmt.size(max(total - used, 0))} free"),
    )


def _full(share: float) -> str:
    return "$warning" if share >= FULL else "$primary"


def _gone(now: Sample | None, devices: Sequence[DeviceSample]) -> tuple[str, ...]:
    return (f"{'drivers' if len(devices) > 1 else 'driver'} gone",) if now else ()


def _gpu(latest: Sample, now: Sample | None, source: Source) -> Gauge:
    points = source.points(gpu_load, "gpu", (device.device for device in latest.devices))
    told = answering(now.devices) if now else []
    load = gpu_load(now) if now else None
    title = f"GPU ×{len(latest.devices)}" if len(latest.devices) > 1 else "GPU"
    if now and not told:
        return Gauge(title, NOTHING, points, 1.0, notes=_gone(now, latest.devices))
    value = fmt.percent(load) if load is not None else NOTHING
    notes = [*_heat(told), *_power(told)]
    if told and load is None:
        notes.append("the driver tells no load")
    return Gauge(title, value, points, 1.0, notes=tuple(notes))


def _heat(devices: Sequence[DeviceSample]) -> list[str]:
    degrees = [device.temperature for device in devices if device.temperature is not None]
    return [f"{max(degrees):.0f} °C"] if degrees else []


def _power(devices: Sequence[DeviceSample]) -> list[str]:
    watts = [device.power for device in devices if device.power is not None]
    limits = [device.power_limit for device in devices if device.power_limit is not None]
    if not watts:
        return []
    most = f"/{sum(limits):.0f}" if len(limits) == len(watts) else ""
    return [f"{sum(watts):.0f}{most} W"]


def _cpu(latest: Sample, now: Sample | None, source: Source) -> Gauge:
    points = source.points(lambda one: one.cpu, "cpu")
    notes = [fmt.counted(latest.cores, "core")]
    if now and now.ram_total and discrete(latest):
        notes.insert(0, f"RAM {fmt.gigabytes(now.ram_used, now.ram_total)}")
    return Gauge("CPU", fmt.percent(now.cpu) if now else NOTHING, points, 1.0, notes=tuple(notes))


def _speed(now: Sample | None, source: Source) -> Gauge:
    points = source.points(lambda one: one.decode_tok_s, "decode")
    most = max((value for _, value in points if value is not None), default=0.0)
    notes = [f"peak {most:,.0f}"] if most else []
    if now and now.prompt_tok_s:
        notes.append(f"prompt {now.prompt_tok_s:,.0f}")
    value = f"{now.decode_tok_s:,.0f} tok/s" if now else NOTHING
    return Gauge("decode", value, points, round_top(most, LEAST_TOP_TOK_S), "$success", tuple(notes))


# --- as rows ------------------------------------------------------------------------------------------


def widths(count: int, width: int) -> list[int]:
    """Of gauges side by side in `width` cells, gaps between them not counted."""
    room = max(width - GAP * (count - 1), count)
    return [room * (at + 1) // count - room * at // count for at in range(count)]


@dataclass(frozen=True)
class Shown:
    """How long a time graphs show up to ``until``, how far apart its values are, how far apart they may be
    without a gap between them, and in what look."""

    until: float
    span_s: float
    step_s: float
    joined_s: float
    glyphs: Glyphs

    def lines(self, points: Points, width: int, height: int, top: float) -> list[str]:
        window = Window.of(self.until, self.span_s, width * self.glyphs.columns, self.step_s)
        values = window.values(points, self.joined_s)
        return graph(values, width, height, top, self.glyphs.look)


def gauge_rows(found: Sequence[Gauge], shown: Shown, width: int, height: int) -> list[Content]:
    """A row of titles and values, `height` rows of graphs, a row of notes."""
    columns = [
        [
            both_ends(quiet(one.title), Content.styled(one.value, _value_style(one)), cells, gap=1),
            *(
                Content.styled(line, one.style)
                for line in shown.lines(one.points, cells, height, one.top or 1.0)
            ),
            _notes(one.notes, cells),
        ]
        for one, cells in zip(found, widths(len(found), width), strict=True)
    ]
    return [Content(" " * GAP).join(row) for row in zip(*columns, strict=True)]


def _value_style(one: Gauge) -> str:
    if one.value == NOTHING:
        return QUIET
    return one.style if one.style == "$warning" else "bold"


def _notes(notes: Sequence[str], width: int) -> Content:
    said = ""
    for note in notes:
        longer = f"{said} · {note}" if said else note
        if len(longer) <= width:
            said = longer
    return quiet(said.ljust(width))
