"""Ids that sort by the time at which they were made."""

from __future__ import annotations

import secrets


def timed_id(now: float) -> str:
    """An id that sorts by time: milliseconds since 1970, and six random hex digits."""
    return f"{int(now * 1000):012x}-{secrets.token_hex(3)}"
