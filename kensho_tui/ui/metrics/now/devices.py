"""GPUs as rows, where there is more than one: a compact line each. Pure."""

from rich.cells import cell_len
from textual.content import Content

from kensho_tui.core.sample_contract import DeviceSample, Sample
from kensho_tui.core.text import one_line
from kensho_tui.ui import format as fmt
from kensho_tui.ui.lines import quiet
from kensho_tui.ui.metrics.now.gauges import FULL, GAP, NOTHING, Points, Shown, Source, widths

LEAST_CELLS = 36
"""Of a row; two rows side by side need twice that."""
NAME_FROM = 70
"""Cells of a row from which on it says the card's name."""
NAME_CELLS = 24
LEAST_GRAPH = 4
GONE = "its driver does not answer"


def device_rows(
    latest: Sample, now: Sample | None, source: Source, shown: Shown, width: int, most: int
) -> list[Content]:
    """At most `most` rows; the last says how many more GPUs there are."""
    devices = (now or latest).devices
    side = 2 if len(devices) > 2 and width >= 2 * LEAST_CELLS + GAP else 1
    cells = widths(side, width)
    lines = [
        _row(number, device, _load(source, device.device), shown, cells[number % side], now is not None)
        for number, device in enumerate(devices)
    ]
    rows = [Content(" " * GAP).join(lines[at : at + side]) for at in range(0, len(lines), side)]
    if len(rows) <= most:
        return rows
    left = len(devices) - side * max(most - 1, 0)
    return [*rows[: max(most - 1, 0)], quiet(f"and {left} more GPUs: a taller terminal shows them")]


def _load(source: Source, device: str) -> Points:
    def load(sample: Sample) -> float | None:
        return next((one.load for one in sample.devices if one.device == device and one.total), None)

    return source.points(load, "gpu", (device,))


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
