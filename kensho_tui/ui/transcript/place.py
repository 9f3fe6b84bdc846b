"""Where a row is, and what the transcript is told of the world. Light: imported at the app's start."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple


class Place(NamedTuple):
    """A row: which message, which of its parts, which row of that."""

    item: int
    part: int
    row: int


START = Place(0, 0, 0)


class Words(NamedTuple):
    """What a message says of itself beside its text: the clock of dates, and the key that goes on."""

    now: Callable[[], datetime]
    continue_key: Callable[[], str]
