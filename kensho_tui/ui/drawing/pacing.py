"""When the next frame may go: after the terminal has answered the one before.

Each frame ends with a question (CSI 6n). The terminal answers when it has worked off what came before it,
which is the only sign of a slow line there is: the kernel, sshd and TCP hold far more than a frame.
"""

import math
from collections import deque
from typing import NamedTuple

QUESTION = "\x1b[6n"
PATIENCE_S = 2.0
FREE_INTERVAL_S = 1 / 8
# While the line has not taken all bytes, nothing tells when it will.
LINE_FULL_S = 1 / 20

LEAST_BUDGET = 200
# A frame should not keep the line for longer than this; below half of it, the next may be twice as long.
FRAME_S = 0.12
# No line is slower (9600 baud): time that an answer takes beyond that is the way, and not the bytes.
SLOWEST_BYTES_S = 1000.0
_UNLIMITED = 1 << 14
_MOST_OPEN = 64


class _Sent(NamedTuple):
    at: float
    size: int


class Pacer:
    """Decides by times given to it (seconds of any clock) and bytes; knows neither terminal nor loop.

    `budget` is about how many bytes the next frame should have at most, None on a fast line.
    """

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Another terminal, or the same one after other programs: nothing is known of it."""
        self.budget: int | None = None
        self._open: deque[_Sent] = deque(maxlen=_MOST_OPEN)
        self._first_at = math.inf
        self._last_at = -math.inf
        self._answered_at = -math.inf
        self._way_s = 0.0

    @property
    def paced(self) -> bool:
        """Whether the terminal has ever answered."""
        return self._answered_at > -math.inf

    def wait_s(self, now: float, unwritten: int) -> float:
        """Seconds until a frame may go without an answer, 0 when it may now."""
        if not self._open:
            return 0.0
        if unwritten:
            return LINE_FULL_S
        if self.paced:
            return max(0.0, max(self._last_at, self._answered_at) + PATIENCE_S - now)
        return max(0.0, max(self._first_at + PATIENCE_S, self._last_at + FREE_INTERVAL_S) - now)

    def sent(self, now: float, size: int) -> None:
        """A frame of `size` bytes with its question was handed to the line."""
        if self.paced:
            # Our patience has ended: answers that are still missing are lost.
            self._open.clear()
        self._open.append(_Sent(now, size))
        self._first_at = min(self._first_at, now)
        self._last_at = now

    def answered(self, now: float) -> None:
        """The terminal has answered, the oldest open question first."""
        previous, self._answered_at = self._answered_at, now
        if self._open:
            sent = self._open.popleft()
            self._measure(now - max(sent.at, previous), sent.size)

    def _measure(self, took_s: float, size: int) -> None:
        """Learn how many bytes the line carries in `FRAME_S`, apart from the way there and back."""
        # A budget may be twice what has been seen to be carried.
        bytes_s = max(SLOWEST_BYTES_S, (self.budget or 0) / FRAME_S / 2)
        self._way_s = min(max(self._way_s, took_s - size / bytes_s), took_s)
        carrying_s = took_s - self._way_s
        if carrying_s > FRAME_S:
            self.budget = max(LEAST_BUDGET, int(size * FRAME_S / carrying_s))
        elif self.budget is not None and carrying_s < FRAME_S / 2 and size > self.budget / 2:
            self.budget = self.budget * 2 if self.budget * 2 < _UNLIMITED else None
