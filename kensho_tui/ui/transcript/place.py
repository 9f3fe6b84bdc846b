"""Where a row is, and what the transcript is told of the world. Light: imported at the app's start."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from kensho_tui.core.contract import BenchNow
    from kensho_tui.ui.loading import Progress


class Place(NamedTuple):
    """A row: which message, which of its parts, which row of that."""

    item: int
    part: int
    row: int


START = Place(0, 0, 0)


class Words(NamedTuple):
    """What a message says of itself beside its text: the clock of dates, the keys of commands by name, how
    far the load of a model is that it waits for, and the benchmark under way."""

    now: Callable[[], datetime]
    key: Callable[[str], str]
    load: Callable[[str | None], "Progress | None"] = lambda model: None
    bench: Callable[[], "BenchNow | None"] = lambda: None
