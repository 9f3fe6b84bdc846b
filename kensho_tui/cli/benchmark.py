"""What a command that meets a benchmark under way says of it. Light: imported by `ask`."""

from typing import TYPE_CHECKING

from kensho_tui.core.text import one_line

if TYPE_CHECKING:
    from kensho_tui.core.contract import BenchNow

BENCH_STOPS = "kensho-tui bench --stop"
MOST_NAME, LEAST_NAME = 60, 8


def benchmark(found: "BenchNow", name_cells: int = MOST_NAME) -> str:
    """``benchmark of SmolLM2, about 42 s`` still."""
    from kensho_tui.cli.progress import duration

    left = f", about {duration(found.left_s)}" if found.left_s is not None else ""
    return f"benchmark of {one_line(found.model, name_cells)}{left}"


def waiting(found: "BenchNow", columns: int) -> str:
    """What an answer waits for that is queued, in at most `columns` cells: a long name gives way first."""
    from kensho_tui.cli.table import cells, cut

    name = cells(one_line(found.model, MOST_NAME))
    while cells(said := f"waits for the {benchmark(found, name)} · {BENCH_STOPS} ends it") > columns:
        if name <= LEAST_NAME:
            break
        name -= 1
    return cut(said, columns)
