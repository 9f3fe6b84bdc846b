"""How far back figures go."""

import time
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from kensho_tui.ui.metrics.figures.periods import (
    PERIODS,
    Period,
    by_date,
    every_date,
    from_to,
    last_days,
    next_period,
    short_date,
)
from tests.ui.metrics.figures.scripted import days

NOW = datetime(2026, 11, 21, 9, 20, tzinfo=UTC)


def test_a_period_begins_with_a_day() -> None:
    assert Period("today", 1).since(NOW) == "2026-11-21T00:00:00.000Z"
    assert Period("7 days", 7).since(NOW) == "2026-11-15T00:00:00.000Z"
    assert Period("all", 0).since(NOW) is None


def test_periods_come_round() -> None:
    period = PERIODS[0]
    for _ in PERIODS:
        period = next_period(period)
    assert period == PERIODS[0]


def test_days_without_runs_are_among_the_dates() -> None:
    ran = days(100.0, 5, but=(2, 3))
    assert every_date(ran) == ["2026-11-17", "2026-11-18", "2026-11-19", "2026-11-20", "2026-11-21"]
    assert [day is not None for day in by_date(ran, last_days(NOW, 4))] == [True, False, False, True]
    assert every_date(()) == []


def test_a_day_has_the_same_name_at_the_other_end_of_the_world(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    assert short_date("2026-11-21") == "21 Nov"
    assert short_date("never") == "never"


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        ("2026-11-08", "2026-11-21", "8 Nov to 21 Nov"),
        ("2026-11-21", "2026-11-21", "21 Nov"),
        ("2026-07-24", "2026-11-20", "24 Jul to 20 Nov"),
        ("2026-07-24", "2026-11-21", "24 Jul 2026 to 21 Nov 2026"),
        ("2025-11-22", "2026-11-22", "22 Nov 2025 to 22 Nov 2026"),
        ("2025-12-30", "2026-01-02", "30 Dec 2025 to 2 Jan 2026"),
        ("2025-10-01", "2025-10-03", "1 Oct 2025 to 3 Oct 2025"),
    ],
)
def test_years_are_said_where_they_are_not_plain(first: str, last: str, said: str) -> None:
    ran = [replace(days(100.0, 1)[0], day=day) for day in (first, last)]
    assert from_to(every_date(ran), NOW) == said
    assert from_to((), NOW) == ""
