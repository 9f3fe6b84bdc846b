"""The metrics screen over a year of generations: milliseconds from F4 to the rows on the screen.

A headless app, 160x48, is connected to a real host with the database of `history.py`: 100,000 generations
over 365 days, of twelve models with two settings each. From the key's arrival in the app's queue to the
moment at which the table's first row with figures has been made for the terminal:

* table: models with medians, spread and counts, of 30 days as the screen begins; `first` makes the screen and
  imports what it is made of, later ones show what was known and ask anew
* days: the same row with the days of its model beside it
* all time: `p` sums up the whole year
* model: Enter on a model, to its settings; runs: Enter again, to its generations

The calls alone, in the same run, are the floor: `call models`, `call one model`.

Goal: table and all time at most 200 ms, the first time too.

    python benchmarks/metrics_open.py [--generations 100000] [--rounds 9]
"""

import asyncio
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from common import report
from history import name_of, summed_up, timed, year, year_parser
from textual.events import Key
from textual.pilot import Pilot
from textual.strip import Strip

from kensho_tui.client.facade import Kensho
from kensho_tui.config.paths import find_paths
from kensho_tui.config.settings import Settings
from kensho_tui.core.metrics_contract import MODEL_METRICS, ListModelMetrics
from kensho_tui.ui.app import KenshoApp
from kensho_tui.ui.choice_list import ChoiceList

Drawn = Callable[[str], bool]
LONGEST_S = 30.0
THOUSANDS = re.compile(r"\(\d,\d{3}\)")
"""A count that no model has in thirty days."""


class Watch:
    """Tells when a row that satisfies a condition has been made by any list of the app."""

    def __init__(self) -> None:
        self._wanted: list[tuple[Drawn, asyncio.Event]] = []
        self._at: dict[int, float] = {}
        render = ChoiceList.render_line

        def watched(this: ChoiceList, y: int) -> Strip:
            strip = render(this, y)
            for drawn, event in self._wanted:
                if not event.is_set() and drawn(strip.text):
                    self._at[id(event)] = time.perf_counter()
                    event.set()
            return strip

        ChoiceList.render_line = watched  # type: ignore[method-assign, assignment]

    async def after(self, act: Callable[[], object], *conditions: Drawn) -> list[float]:
        """Milliseconds from ``act`` until each of them held."""
        self._wanted = [(drawn, asyncio.Event()) for drawn in conditions]
        started = time.perf_counter()
        act()
        async with asyncio.timeout(LONGEST_S):
            for _, event in self._wanted:
                await event.wait()
        return [(self._at.pop(id(event)) - started) * 1000 for _, event in self._wanted]


def figures_of_a_model(row: str) -> bool:
    return "model-" in row and "±" in row


def with_days(row: str) -> bool:
    return figures_of_a_model(row) and any(sign in row for sign in "▆▇█")


def of_all_time(row: str) -> bool:
    return figures_of_a_model(row) and THOUSANDS.search(row) is not None


def settings_of_a_model(row: str) -> bool:
    return "CPU" in row and "±" in row


def generation(row: str) -> bool:
    return " end" in row and "±" not in row


async def rounds(pilot: Pilot[None], watch: Watch, count: int) -> dict[str, list[float]]:
    app = pilot.app
    took: dict[str, list[float]] = {"table": [], "days": [], "all time": [], "model": [], "runs": []}

    def pressing(key: str) -> Callable[[], object]:
        return lambda: app.post_message(Key(key, None))

    for _ in range(count + 1):
        table, days = await watch.after(pressing("f4"), figures_of_a_model, with_days)
        [all_time] = await watch.after(pressing("p"), of_all_time)
        await pilot.pause()
        [model] = await watch.after(pressing("enter"), settings_of_a_model)
        await pilot.pause()
        [runs] = await watch.after(pressing("enter"), generation)
        for name, value in zip(took, (table, days, all_time, model, runs), strict=True):
            took[name].append(value)
        await pilot.press("escape", "escape", "p", "p", "p")
        await pilot.pause(0.3)
        await pilot.press("f2")
        await pilot.pause(0.3)
    return took


async def measured(count: int) -> dict[str, dict[str, float]]:
    paths, watch = find_paths().ensure(), Watch()
    host = Kensho(paths, front_end=True)
    app = KenshoApp(host, paths, Settings(), now=lambda: datetime.now(UTC) + timedelta(seconds=1))
    async with app.run_test(size=(160, 48)) as pilot:
        while app.session.link != "connected":
            await pilot.pause(0.05)
        await pilot.pause(1.0)
        found = {name: summed_up(values) for name, values in (await rounds(pilot, watch, count)).items()}
        one = ListModelMetrics(model=name_of(3), days=366)
        found["call models"] = await timed(count, lambda: host.call(MODEL_METRICS, ListModelMetrics()))
        found["call one model"] = await timed(count, lambda: host.call(MODEL_METRICS, one))
    return found


def main() -> None:
    arguments = year_parser(__doc__).parse_args()
    with year(arguments.generations):
        found = asyncio.run(measured(arguments.rounds))
    report(f"metrics over a year of {arguments.generations:,} generations, ms", **found)


if __name__ == "__main__":
    main()
