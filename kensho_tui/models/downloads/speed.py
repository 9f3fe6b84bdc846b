"""Bytes per second lately."""

from collections import deque

WINDOW_S = 8.0
LEAST_S = 0.5


class Speed:
    """Over the last seconds: neither nervous nor late. Times are of any clock that does not go back."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def note(self, now: float, done: int) -> None:
        """`done` bytes are there at `now`; fewer than before: it begins anew."""
        if self._seen and done < self._seen[-1][1]:
            self._seen.clear()
        self._seen.append((now, done))
        while len(self._seen) > 2 and self._seen[1][0] <= now - WINDOW_S:
            self._seen.popleft()

    def forget(self) -> None:
        """It stands still on purpose."""
        self._seen.clear()

    @property
    def rate(self) -> float:
        """Bytes per second; 0 until there is enough to tell."""
        if len(self._seen) < 2:
            return 0.0
        (start, before), (end, after) = self._seen[0], self._seen[-1]
        return (after - before) / (end - start) if end - start >= LEAST_S else 0.0
