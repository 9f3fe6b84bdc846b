"""Dates as they are stored: ISO 8601 in UTC with milliseconds, so that text order is time order."""

from datetime import UTC, datetime


def now() -> str:
    """This moment, as ``2026-01-02T03:04:05.678Z``."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
