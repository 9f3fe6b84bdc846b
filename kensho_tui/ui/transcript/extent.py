"""Heights of things stacked in a column, and where each of them begins. Pure."""

from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate


class Extent:
    """The heights (rows) of a stack, estimates or not. Asking for a top costs what changed above it."""

    def __init__(self, heights: Iterable[int] = ()) -> None:
        self._heights = list(heights)
        self._tops = [0]

    def __len__(self) -> int:
        return len(self._heights)

    def __getitem__(self, index: int) -> int:
        return self._heights[index]

    @property
    def total(self) -> int:
        return self.top(len(self._heights))

    def top(self, index: int) -> int:
        """The first row of `index`; for the length of the stack, the row below it."""
        known = len(self._tops) - 1
        if index > known:
            more = accumulate(self._heights[known:index], initial=self._tops[-1])
            next(more)
            self._tops.extend(more)
        return self._tops[index]

    def find(self, row: int) -> tuple[int, int]:
        """Whose row that is, and the how many-th of it; rows outside belong to the first or last."""
        if row >= self.total:
            last = len(self._heights) - 1
            return last, max(self._heights[last] - 1, 0)
        index = bisect_right(self._tops, max(row, 0)) - 1
        return index, max(row, 0) - self._tops[index]

    def set(self, index: int, height: int) -> None:
        if self._heights[index] != height:
            self._heights[index] = height
            del self._tops[index + 1 :]

    def insert(self, index: int, heights: Iterable[int]) -> None:
        """Put more before `index`."""
        self._heights[index:index] = heights
        del self._tops[index + 1 :]
