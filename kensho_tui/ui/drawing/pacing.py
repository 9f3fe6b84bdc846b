"""When the next frame may go: after the terminal has answered the one before.

Each frame ends with a question (CSI 6n). The terminal answers when it has worked off what came before it,
which is the only sign of a slow line there is: the kernel, sshd and TCP hold far more than a frame.

On a line that goes far but carries much, frames may be on their way together, as long as their bytes would be
through in a moment: waiting for each answer would cost every key a way there and back.
"""

import math
from collections import deque
from typing import NamedTuple

from kensho_tui.ui.drawing.line import Line

QUESTION = "\x1b[6n"
PATIENCE_S = 2.0
FREE_INTERVAL_S = 1 / 8
# While the line has not taken all bytes, nothing tells when it will.
LINE_FULL_S = 1 / 20

_MOST_OPEN = 64

# Frames on their way together: only where an answer takes longer than this,
FAR_S = 0.03
# so many at most, with bytes that are through in this time.
MOST_TOGETHER = 6
TOGETHER_S = 0.03


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
        self._line = Line()
        self._open: deque[_Sent] = deque(maxlen=_MOST_OPEN)
        self._first_at = math.inf
        self._last_at = -math.inf
        self._answered_at = -math.inf

    @property
    def budget(self) -> int | None:
        return self._line.budget

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
            return 0.0 if self._fits() else max(0.0, self._patient_until() - now)
        return max(0.0, max(self._first_at + PATIENCE_S, self._last_at + FREE_INTERVAL_S) - now)

    def _patient_until(self) -> float:
        return max(self._last_at, self._answered_at) + PATIENCE_S

    def _fits(self) -> bool:
        """Whether another frame may go along with those on their way."""
        if self._line.way_s < FAR_S or len(self._open) >= MOST_TOGETHER:
            return False
        return sum(sent.size for sent in self._open) <= self._line.bytes_s * TOGETHER_S

    @property
    def unanswered(self) -> int:
        """Frames that the terminal has not answered."""
        return len(self._open)

    def sent(self, now: float, size: int) -> None:
        """A frame of `size` bytes with its question was handed to the line."""
        if self.paced and now >= self._patient_until():
            # Answers that are still missing are lost.
            self._open.clear()
        self._open.append(_Sent(now, size))
        self._first_at = min(self._first_at, now)
        self._last_at = now

    def answered(self, now: float) -> None:
        """The terminal has answered, the oldest open question first."""
        before, self._answered_at = self._answered_at, now
        if self._open:
            sent = self._open.popleft()
            # Where the line is slow, frames on their way together queue: it is free when the last is through.
            free = max(sent.at, before - self._line.way_s)
            self._line.measured(sent.size, now - free)
