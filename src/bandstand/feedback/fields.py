"""Lenient readers of single JSON fields: each returns a clean value or says which field is wrong and why."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime

from bandstand.errors import BadInput

_SECONDS_BELOW = 1e11
"""Epoch numbers under this are seconds (it is the year 5138), from it on milliseconds (it is 1973)."""

_LATEST = 253_402_300_799.0
"""The last second of the year 9999, the last one that ISO 8601 can write."""


def mapping(value: object, field: str) -> Mapping[str, object]:
    """A JSON object; a missing one is empty.

    Raises:
        BadInput: for anything else.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise BadInput(f"{field} must be an object, not {_kind(value)}", field=field)
    return value


def text(value: object, field: str, limit: int) -> str | None:
    """Text of at most ``limit`` characters without surrounding blanks; whole numbers become text, blank is None.

    Raises:
        BadInput: for other types, text that is too long, or text that is not valid Unicode.
    """
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise BadInput(f"{field} must be text, not {_kind(value)}", field=field)
    value = value.strip()
    if len(value) > limit:
        raise BadInput(f"{field} has {len(value)} characters; at most {limit} are allowed", field=field)
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise BadInput(f"{field} holds half of a surrogate pair; send valid Unicode", field=field) from error
    return value or None


def number(value: object, field: str) -> float | None:
    """A finite number, also one that was sent as text.

    Raises:
        BadInput: for other types, NaN and infinities.
    """
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise BadInput(f"{field} must be a number, not {_kind(value)}", field=field)
    try:
        result = float(value)
    except (ValueError, OverflowError) as error:
        raise BadInput(f"{field} must be a number", field=field) from error
    if not math.isfinite(result):
        raise BadInput(f"{field} must be finite", field=field)
    return result


def timestamp(value: object, field: str) -> float | None:
    """Seconds since 1970 from ISO 8601 (without a zone: UTC) or from epoch milliseconds, or seconds below 1e11.

    Raises:
        BadInput: when it is neither, or lies before 1970 or after 9999.
    """
    if value is None or value == "":
        return None
    seconds = _from_iso(value) if isinstance(value, str) else None
    if seconds is None:
        try:
            seconds = number(value, field) or 0.0
        except BadInput as error:
            raise BadInput(
                f"{field} must be ISO 8601 such as 2025-02-18T20:20:39Z, or epoch milliseconds", field=field
            ) from error
        seconds = seconds if abs(seconds) < _SECONDS_BELOW else seconds / 1000.0
    if not 0.0 <= seconds <= _LATEST:
        raise BadInput(f"{field} must lie between 1970 and 9999", field=field)
    return seconds


def iso(seconds: float) -> str:
    """The time as UBI wants it: ISO 8601 in UTC with microseconds and ``Z``."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _from_iso(value: str) -> float | None:
    # Bare digits are epoch numbers here, although ISO 8601 would read eight of them as a date.
    if value.strip().isdigit():
        return None
    try:
        parsed = datetime.fromisoformat(value.strip().replace(" UTC", "Z"))  # BigQuery writes it out
    except ValueError:
        return None
    try:
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    except OverflowError:
        return None


def _kind(value: object) -> str:
    names = {bool: "true/false", list: "a list", dict: "an object", int: "a number", float: "a number", str: "text"}
    return names.get(type(value), type(value).__name__)
