"""Spans of time in seconds; times themselves are seconds since 1970 (UTC) everywhere."""

from __future__ import annotations

MINUTE_S = 60
HOUR_S = 60 * MINUTE_S
DAY_S = 24 * HOUR_S
WEEK_S = 7 * DAY_S
YEAR_S = 365.2425 * DAY_S
"""The mean year of the Gregorian calendar."""
