"""What the turns of a host come to."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tally:
    """``streams`` under way, ``queued`` among them, and tokens that models have written and read so far."""

    streams: int
    queued: int
    written: int
    read: int
