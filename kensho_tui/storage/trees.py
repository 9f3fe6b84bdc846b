"""Rows out of the trees of a damaged database: page by page, jumping over what cannot be one.

A page is believed only where everything it says is possible; what SQLite would check while it reads is
checked here for each page and each cell alone, so that one bad page costs what it held and no more.
"""

import codecs
import struct
from bisect import bisect_left
from collections.abc import Callable, Generator, Iterator
from typing import NamedTuple

from kensho_tui.storage.pages import HEADER, Pages

Value = str | bytes | int | float | None
Codes = list[int]
"""The kinds of a row's columns, as SQLite writes them ("serial types")."""
Accepts = Callable[[Codes], bool]

LOWEST, HIGHEST = -(1 << 63), (1 << 63) - 1

_INDEX_BRANCH, _TABLE_BRANCH, _INDEX_LEAF, _TABLE_LEAF = 2, 5, 10, 13
_INTEGERS = (0, 1, 2, 3, 4, 6, 8)  # bytes of the integer codes
_MOST_LOOKS = 8  # at one page


class Span(NamedTuple):
    """Row numbers above ``low``, up to ``high``."""

    low: int
    high: int


EVERYTHING = Span(LOWEST - 1, HIGHEST)


class Row(NamedTuple):
    """``width`` columns; fewer values where the end of the row is lost, the last of them perhaps in part."""

    number: int
    values: list[Value]
    width: int
    cut: bool


class _Cell(NamedTuple):
    number: int
    size: int  # of the row, in bytes
    local: bytes  # its beginning
    following: int  # the page it goes on at; 0: none
    codes: Codes


class Trees:
    """The trees of `pages`. ``bad`` counts pages that could not be read as what they should be.

    A page belongs to the first tree that can use it, one of a long text to all that say so: a pointer that is
    wrong shall not cost others a page. Each is looked at a few times at most, which bounds every walk. Where
    ``knows_free``, a page that no tree leads to is lost, unless the list of free pages has it.
    """

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._looks = bytearray(pages.count + 1)
        self._used = bytearray(pages.count + 1)
        self._free = bytearray(pages.count + 1)
        for number in pages.free():
            self._free[number] = 1
        self.knows_free = sum(self._free) == pages.free_count
        self.bad = 0

    def table(self, root: int, accepts: Accepts, lost: list[Span]) -> Iterator[Row]:
        """The rows of a table; spans that could not be reached are added to `lost`."""
        stack = [(root, EVERYTHING)]
        while stack:
            number, span = stack.pop()
            page = self._take(number)
            at = HEADER if number == 1 else 0
            kind = page[at] if page else 0
            children = self._children(page, at, span) if page and kind == _TABLE_BRANCH else None
            if children is not None:
                self._used[number] = 1
                stack += reversed(children)
            elif page and kind == _TABLE_LEAF and (number == root or _count(page, at)):
                self._used[number] = yield from self._leaf(page, at, accepts, span, lost)
            else:
                self.bad += 1
                lost.append(span)

    def index(self, root: int, accepts: Accepts) -> Iterator[Row]:
        """The rows of an index, or of a table without row numbers. Not whole if ``bad`` has grown."""
        stack = [root]
        while stack:
            number = stack.pop()
            page = self._take(number)
            if not page or page[0] not in (_INDEX_LEAF, _INDEX_BRANCH):
                self.bad += 1
                continue
            self._used[number] = 1
            branch = page[0] == _INDEX_BRANCH
            whole = True
            for place in _places(page, 0, 12 if branch else 8, self._pages.usable):
                if branch and place is not None:
                    stack.append(int.from_bytes(page[place : place + 4], "big"))
                cell = self._cell(page, place, branch, accepts, numbered=False)
                row = self._row(cell) if cell else None
                if row and not row.cut:
                    yield row
                else:
                    whole = False
            if branch:
                stack.append(int.from_bytes(page[8:12], "big"))
            self.bad += not whole

    def strays(self, wanted: Callable[[int, Codes], str | None]) -> Iterator[tuple[str, Row]]:
        """Rows of leaves that no tree led to and that are not free, with the table `wanted` knows them by.

        A leaf is one only where all of its cells are rows of the same table.
        """
        for page_number in range(2, self._pages.count + 1):
            if self._used[page_number] or self._free[page_number]:
                continue
            page = self._pages.read(page_number)
            if not page or page[0] != _TABLE_LEAF:
                continue
            cells = [
                self._cell(page, place, False, lambda codes: True)
                for place in _places(page, 0, 8, self._pages.usable)
            ]
            names = {wanted(cell.number, cell.codes) if cell else None for cell in cells}
            name = names.pop() if len(names) == 1 else None
            if name is None:
                continue
            self._used[page_number] = 1
            for cell in cells:
                if cell:
                    yield name, self._row(cell)

    def _take(self, number: int) -> bytes | None:
        """A page that no tree uses yet."""
        return self._look(number) if 0 < number <= self._pages.count and not self._used[number] else None

    def _look(self, number: int) -> bytes | None:
        if not 0 < number <= self._pages.count or self._looks[number] == _MOST_LOOKS:
            return None
        self._looks[number] += 1
        return self._pages.read(number)

    def _children(self, page: bytes, at: int, span: Span) -> list[tuple[int, Span]] | None:
        """The pages below a branch, each with its row numbers; None where it cannot be one."""
        found: list[tuple[int, Span]] = []
        low = span.low
        for place in _places(page, at, 12, self._pages.usable):
            if place is None:
                return None
            child = int.from_bytes(page[place : place + 4], "big")
            try:
                key = _signed(_varint(page, place + 4)[0])
            except IndexError:
                return None
            if not (low < key <= span.high and 1 < child <= self._pages.highest):
                return None
            found.append((child, Span(low, key)))
            low = key
        last = int.from_bytes(page[at + 8 : at + 12], "big")
        if not 1 < last <= self._pages.highest:
            return None
        return [*found, (last, Span(low, span.high))]

    def _leaf(
        self, page: bytes, at: int, accepts: Accepts, span: Span, lost: list[Span]
    ) -> Generator[Row, None, bool]:
        """Its rows; returns whether there was any."""
        whole, any_row = True, False
        for place in _places(page, at, 8, self._pages.usable):
            cell = self._cell(page, place, False, accepts)
            if cell and span.low < cell.number <= span.high:
                any_row = True
                yield self._row(cell)
            else:
                whole = False
        if not whole:
            self.bad += 1
            lost.append(span)
        return any_row

    def _cell(
        self, page: bytes, place: int | None, branch: bool, accepts: Accepts, *, numbered: bool = True
    ) -> _Cell | None:
        if place is None:
            return None
        usable = self._pages.usable
        try:
            size, at = _varint(page, place + 4 if branch else place)
            number, at = _varint(page, at) if numbered else (0, at)
            local = _local(size, usable, numbered)
            end = at + local
            if not 0 < size <= usable * self._pages.count or end + (4 if local < size else 0) > usable:
                return None
            codes = _codes(page[at:end], size)
        except IndexError:
            return None
        if codes is None or not accepts(codes):
            return None
        following = int.from_bytes(page[end : end + 4], "big") if local < size else 0
        return _Cell(_signed(number), size, page[at:end], following, codes)

    def _row(self, cell: _Cell) -> Row:
        payload = cell.local + self._overflow(cell) if cell.following else cell.local
        at = _varint(payload, 0)[0]
        values: list[Value] = []
        for code in cell.codes:
            width = _width(code)
            if at + width > len(payload):
                if code > 12 and code % 2:
                    values.append(_beginning(payload[at:]))
                return Row(cell.number, values, len(cell.codes), cut=True)
            values.append(_value(code, payload[at : at + width]))
            at += width
        return Row(cell.number, values, len(cell.codes), cut=False)

    def _overflow(self, cell: _Cell) -> bytes:
        """The rest of a row, up to the first page that cannot be part of it."""
        parts: list[bytes] = []
        missing, number = cell.size - len(cell.local), cell.following
        room = self._pages.usable - 4
        while missing > 0:
            page = self._look(number)
            number = int.from_bytes(page[:4], "big") if page else 0
            last = missing <= room
            # Only the last page names no other; one of nothing but zeros was never written.
            if not page or (number != 0 if last else not 1 < number <= self._pages.highest) or not any(page):
                self.bad += 1
                break
            parts.append(page[4 : 4 + min(missing, room)])
            missing -= room
        return b"".join(parts)


def spans_hold(spans: list[Span], number: int) -> bool:
    """Whether one of `spans`, which are in order, has `number`."""
    at = bisect_left(spans, number, key=lambda span: span.high)
    return at < len(spans) and spans[at].low < number


def _count(page: bytes, at: int) -> int:
    return int.from_bytes(page[at + 3 : at + 5], "big")


def _places(page: bytes, at: int, head: int, usable: int) -> Iterator[int | None]:
    """Where the cells of a page begin; None for a place that is none."""
    first = at + head
    end = first + 2 * _count(page, at)
    if end > usable:
        yield None
        return
    for (place,) in struct.iter_unpack(">H", page[first:end]):
        yield place if end <= place < usable - 1 else None


def _local(size: int, usable: int, numbered: bool) -> int:
    """How many bytes of a row of `size` lie in its leaf."""
    most = usable - 35 if numbered else (usable - 12) * 64 // 255 - 23
    if size <= most:
        return size
    least = (usable - 12) * 32 // 255 - 23
    some = least + (size - least) % (usable - 4)
    return some if some <= most else least


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number, and where it ends. Raises `IndexError`."""
    value = data[at]
    if value < 0x80:
        return value, at + 1
    value &= 0x7F
    for place in range(at + 1, at + 8):
        byte = data[place]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, place + 1
    return value << 8 | data[at + 8], at + 9


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number


def _codes(local: bytes, size: int) -> Codes | None:
    """The kinds of the columns; None where they cannot be those of a row of `size` bytes."""
    length, at = _varint(local, 0)
    total = length
    codes: Codes = []
    while at < length:
        code, at = _varint(local, at)
        if code in (10, 11):
            return None
        total += _width(code)
        codes.append(code)
    return codes if at == length and total == size else None


def _width(code: int) -> int:
    if code > 11:
        return (code - 12) // 2
    return 8 if code == 7 else 0 if code > 7 else _INTEGERS[code]


def _value(code: int, data: bytes) -> Value:
    if code > 12 and code % 2:
        return data.decode("utf-8", "replace")
    if code > 11:
        return data
    if code == 7:
        (number,) = struct.unpack(">d", data)
        return float(number)
    if code > 7:
        return code - 8
    return int.from_bytes(data, "big", signed=True) if code else None


def _beginning(data: bytes) -> str:
    """Text that breaks off, without the half of a character."""
    return codecs.getincrementaldecoder("utf-8")("replace").decode(data)
