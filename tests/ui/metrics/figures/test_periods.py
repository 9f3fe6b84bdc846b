"""How far back figures go."""

import time
from datetime import UTC, datetime

import pytest

from kensho_tui.ui.metrics.figures.periods import (
    PERIODS,
    Period,
    by_date,
    every_date,
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
