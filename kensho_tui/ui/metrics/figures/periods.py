"""How far back figures go. Pure."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from kensho_tui.core.metrics_contract import DayMetrics


DAYS_OF_NO_YEAR = 120
"""Of so many days at most nobody asks what year they are in."""


class Period(NamedTuple):
    """The last ``days`` with this one, where the person is (0: all there are)."""

    name: str
    days: int

    def since(self, now: datetime) -> str | None:
        """The moment it begins, ISO 8601 in UTC; None: no bound."""
        if not self.days:
            return None
        today = now.astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
        first = today - timedelta(days=self.days - 1)
        return first.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


ALL_TIME = Period("all time", 0)
PERIODS = (Period("30 days", 30), ALL_TIME, Period("today", 1), Period("7 days", 7))
"""The first is how it is at first: what a machine did of late, which is quickly summed up, too."""


def next_period(period: Period) -> Period:
    return PERIODS[(PERIODS.index(period) + 1) % len(PERIODS)]


def last_days(now: datetime, days: int) -> list[str]:
    """Dates of so many days up to today, in UTC as the figures have them."""
    today = now.astimezone(UTC).date()
    return [str(today - timedelta(days=back)) for back in reversed(range(days))]


def by_date(days: Sequence["DayMetrics"], dates: Sequence[str]) -> list["DayMetrics | None"]:
    """The figures of each of these dates; None: nothing ran."""
    found = {day.day: day for day in days}
    return [found.get(one) for one in dates]


def every_date(days: Sequence["DayMetrics"]) -> list[str]:
    """All dates from the first to the last, those without runs among them."""
    try:
        first, last = date.fromisoformat(days[0].day), date.fromisoformat(days[-1].day)
    except (IndexError, ValueError):
        return [day.day for day in days]
    return [str(first + timedelta(days=at)) for at in range((last - first).days + 1)]


def short_date(day: str, *, year: bool = False) -> str:
    """``21 Nov`` for ``2026-11-21``, with its ``year`` ``21 Nov 2026``: the day it is called, wherever the
    person is."""
    try:
        when = date.fromisoformat(day)
    except ValueError:
        return day
    return f"{when.day} {when:%b}{f' {when.year}' if year else ''}"


def from_to(days: Sequence[str], now: datetime) -> str:
    """``8 Nov to 21 Nov``: the first of these days and the last. With years where these are not now's, and
    where months lie between."""
    if not days:
        return ""
    this_year = {day[:4] for day in days} == {str(now.year)}
    year = not this_year or len(days) > DAYS_OF_NO_YEAR
    return " to ".join(short_date(day, year=year) for day in dict.fromkeys((days[0], days[-1])))
