"""What the line to the terminal carries, learnt from how long frames took to be answered."""

import math

LEAST_BUDGET = 200
# A frame should not keep the line for longer than this.
FRAME_S = 0.12
# Larger frames than this need no limit.
_UNLIMITED = 1 << 14

# How much frames count less with each new one, and with one that shows another line.
_FADING, _FADING_SURPRISED = 0.8, 0.1
_SURPRISE_S = 0.05
# Sizes must spread by as much to tell the way from the bytes (standard deviation).
_SPREAD_BYTES = 60
# A first frame as large as this is taken to have been slow for its bytes.
_LARGE_BYTES = 1000
_CLOCK_S = 1e-4
_TRUST = 4


class Line:
    """An answer takes the way there and back, and a time for each byte: a straight line through the frames.

    `way_s` is its height.
    """

    def __init__(self) -> None:
        self.way_s = 0.0
        # The most that was carried, the way included, since the line was another one.
        self._carried_bytes_s = 0.0
        self._byte_s: float | None = None
        # Fading sums, and the size and time that they make on average.
        self._weight = self._squares = self._products = 0.0
        self._size = self._time = 0.0

    @property
    def budget(self) -> int | None:
        """About how many bytes a frame should have at most, None without limit."""
        if not self._byte_s or (most := FRAME_S / self._byte_s) >= _UNLIMITED:
            return None
        return max(LEAST_BUDGET, int(most))

    @property
    def bytes_s(self) -> float:
        """What it carries, not far beyond what has been seen."""
        return min(1 / self._byte_s if self._byte_s else math.inf, _TRUST * self._carried_bytes_s)

    def measured(self, size: int, took_s: float) -> None:
        """A frame of `size` bytes was answered `took_s` after the line was free for it."""
        expected_s = self.way_s + size * (self._byte_s or 0.0)
        # Two frames make a line; one does not.
        another = self._weight > 1 and abs(took_s - expected_s) > _SURPRISE_S + expected_s / 2
        self._add(size, took_s, _FADING_SURPRISED if another else _FADING)
        self._byte_s = self._slope(size, took_s)
        self.way_s = max(0.0, self._time - (self._byte_s or 0.0) * self._size)
        before = 0.0 if another else self._carried_bytes_s
        self._carried_bytes_s = max(before, size / max(took_s, _CLOCK_S))

    def _add(self, size: int, took_s: float, fading: float) -> None:
        """Mean and scatter, older frames counting less."""
        self._weight = fading * self._weight + 1
        off_size, off_time = size - self._size, took_s - self._time
        self._size += off_size / self._weight
        self._time += off_time / self._weight
        self._squares = fading * self._squares + off_size * (size - self._size)
        self._products = fading * self._products + off_size * (took_s - self._time)

    def _slope(self, size: int, took_s: float) -> float | None:
        """Seconds that a byte takes, None before anything tells."""
        if self._squares >= self._weight * _SPREAD_BYTES**2:
            return min(max(self._products / self._squares, 0.0), self._time / self._size)
        if self._byte_s is None:
            return took_s / size if size >= _LARGE_BYTES else None
        if took_s < self.way_s + size * self._byte_s / 2:
            # Frames of one size tell no more than that it goes faster now; larger ones will tell how much.
            return self._byte_s / 2
        return self._byte_s
