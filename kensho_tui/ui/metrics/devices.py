"""GPUs as rows, where there is more than one: a compact line each. Pure."""

from collections.abc import Iterable, Sequence

from rich.cells import cell_len
from textual.content import Content

from kensho_tui.core.sample_contract import DeviceSample, Sample, SampleHistory
from kensho_tui.core.text import one_line
from kensho_tui.ui import format as fmt
from kensho_tui.ui.lines import quiet
from kensho_tui.ui.metrics.gauges import FULL, GAP, NOTHING, Points, Shown, of_history, widths

LEAST_CELLS = 36
"""Of a row; two rows side by side need twice that."""
NAME_FROM = 70
"""Cells of a row from which on it says the card's name."""
NAME_CELLS = 24
LEAST_GRAPH = 4
GONE = "its driver does not answer"


def load_points(samples: Iterable[Sample], history: SampleHistory | None, device: str) -> Points:
    if history is not None:
        return of_history(history, "gpu", frozenset((device,)), max)
    return [(one.at, _load(one, device)) for one in samples]


def _load(sample: Sample, device: str) -> float | None:
    return next((one.load for one in sample.devices if one.device == device and one.total), None)


def device_rows(
    latest: Sample, now: Sample | None, points: Sequence[Points], shown: Shown, width: int, most: int
) -> list[Content]:
    """At most `most` rows; the last says how many more GPUs there are."""
    devices = (now or latest).devices
    side = 2 if len(devices) > 2 and width >= 2 * LEAST_CELLS + GAP else 1
    cells = widths(side, width)
    lines = [
        _row(number, device, points[number], shown, cells[number % side], now is not None)
        for number, device in enumerate(devices)
    ]
    rows = [Content(" " * GAP).join(lines[at : at + side]) for at in range(0, len(lines), side)]
    if len(rows) <= most:
        return rows
    left = len(devices) - side * max(most - 1, 0)
    return [*rows[: max(most - 1, 0)], quiet(f"and {left} more GPUs: a taller terminal shows them")]


def _row(
    number: int, device: DeviceSample, points: Points, shown: Shown, width: int, current: bool
) -> Content:
    if not device.total:
        said = f"{number} {one_line(device.name, NAME_CELLS)}: " if width >= NAME_FROM else f"{number} "
        told = Content.assemble(quiet(said), (GONE, "$error")).truncate(width, ellipsis=True)
        return told + " " * (width - told.cell_length)
    figures = [
        (fmt.percent(device.load) if device.load is not None and current else NOTHING, 5, ""),
        (fmt.gigabytes(device.used, device.total) if current else NOTHING, 9, _style(device)),
        (f"{device.temperature:.0f} °C" if device.temperature is not None and current else NOTHING, 6, ""),
        (f"{device.power:.0f} W" if device.power is not None and current else NOTHING, 5, ""),
    ]
    right = Content(" ").join(
        Content.assemble(" " * max(cells - cell_len(text), 0), (text, style or "$foreground"))
        for text, cells, style in figures
    )
    name = f"{number} "
    if width >= NAME_FROM:
        name += f"{one_line(device.name, NAME_CELLS):<{NAME_CELLS}} "
    room = width - len(name) - right.cell_length - 1
    drawn = shown.lines(points, room, 1, 1.0)[0] if room >= LEAST_GRAPH else " " * max(room, 0)
    return Content.assemble(quiet(name), (drawn, "$primary"), " ", right)


def _style(device: DeviceSample) -> str:
    return "$warning" if device.used / device.total >= FULL else ""
