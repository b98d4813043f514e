"""The values that tables hold, as an entity's fields want them: lists, dates, durations, attributes, numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from math import isfinite, isnan, log1p

import orjson

from bandstand.catalog.fields import as_text
from bandstand.errors import BadInput

SEPARATOR = "|"
"""Between the items of a list that is written in one cell."""

_NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d+)?", re.ASCII)
_CLOCK = re.compile(r"(?:(\d+):)?(\d{1,3}):([0-5]\d(?:\.\d+)?)", re.ASCII)
_ISO = re.compile(r"(\d{4})(?:[-/](\d\d?)(?:[-/](\d\d?))?)?(?:[T ].*)?", re.ASCII)
_PARTS = re.compile(r"(\d\d?)([./-])(\d\d?)\2(\d{4})", re.ASCII)
_EPOCH_FROM, _MILLISECONDS_FROM = 1e8, 1e11
_COMPACT = range(1000_01_01, 9999_12_32)


def plain(value: object) -> object:
    """A value as JSON has it, or a date: numbers of any precision as numbers, what else a database may hold as text."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    known = value is None or isinstance(value, str | int | float | date | list | tuple | Mapping)
    return value if known else str(value)


def is_there(value: object) -> bool:
    """Whether a value says something: no null, no blank text, and no NaN, which is how data frames say nothing."""
    if isinstance(value, str):
        return bool(value.strip())
    return value is not None and not (isinstance(value, float) and isnan(value))


def text(value: object) -> str:
    """A text; of numbers their digits, of dates the ISO form.

    Raises:
        BadInput: it is a list or an object.
    """
    if isinstance(value, str | int | float):
        return as_text(value).strip()
    if isinstance(value, date):
        return value.isoformat()
    raise BadInput(f"a text is wanted, not {value!r}: map a part of it, as in --map title=song.name")


def texts(value: object, separator: str = SEPARATOR) -> list[str]:
    """A list: as it is, as a JSON array in a text, or by its separator."""
    if isinstance(value, str) and value.startswith("[") and isinstance(found := _json(value), list):
        value = found
    if isinstance(value, str):
        value = value.split(separator)
    items = value if isinstance(value, list | tuple) else [value]
    return [item for item in map(text, items) if item]


def number(value: object) -> float:
    """A number, also one that is written as text.

    Raises:
        BadInput: it is none.
    """
    value = plain(value)
    try:
        found = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else float("nan")
    except ValueError:
        found = float("nan")
    if not isfinite(found):
        raise BadInput(f"must be a number, not {value!r}")
    return found


def amount(value: object) -> float:
    """A number from 0 on, such as a count of plays; raises `BadInput`."""
    found = number(value)
    if found < 0:
        raise BadInput(f"must not be negative, but is {value!r}")
    return found


def seconds(value: object) -> float:
    """Seconds, also as 3:45 or 1:02:03; raises `BadInput`."""
    clock = _CLOCK.fullmatch(value.strip()) if isinstance(value, str) else None
    if clock is None:
        return amount(value)
    return 3600 * int(clock[1] or 0) + 60 * int(clock[2]) + float(clock[3])


def released(value: object) -> str | None:
    """A date as YYYY, YYYY-MM or YYYY-MM-DD, from these, from 17.8.1959, 19590817, and epoch seconds or milliseconds.

    Parts that are 0 are left out (1959-00-00). 17/8/1959 is read where only one order of day and month is possible.

    Raises:
        BadInput: it is none of these.
    """
    if isinstance(value, date):
        return value.isoformat()[:10]
    if isinstance(value, str):
        value = value.strip()
        if parts := _PARTS.fullmatch(value):
            return _by_parts(
                value, parts, day_first=parts[2] == "." or int(parts[1]) > 12 or int(parts[3]) > 12 or None
            )
        if not _NUMBER.fullmatch(value):
            return _iso(value)
    return _by_number(number(value))


def day_first(value: object) -> str | None:
    """A date whose parts are day, month, year; anything else as `released` reads it."""
    return _ordered(value, day_first=True)


def month_first(value: object) -> str | None:
    """A date whose parts are month, day, year; anything else as `released` reads it."""
    return _ordered(value, day_first=False)


def _ordered(value: object, *, day_first: bool) -> str | None:
    parts = _PARTS.fullmatch(value.strip()) if isinstance(value, str) else None
    return released(value) if parts is None else _by_parts(str(value), parts, day_first=day_first)


def _by_parts(value: str, parts: re.Match[str], *, day_first: bool | None) -> str:
    one, other = int(parts[1]), int(parts[3])
    if day_first is None:
        raise BadInput(f"{value} may be two days: say which with released=COLUMN:dmy or released=COLUMN:mdy")
    if day_first and parts[2] != "." and one <= 12 < other:
        one, other = other, one  # only one order is possible
    day, month = (one, other) if day_first else (other, one)
    return _valid(value, int(parts[4]), month, day)


def _iso(value: str) -> str | None:
    match = _ISO.fullmatch(value)
    if match is None:
        raise BadInput(f"must be a year, an ISO date, day.month.year or an epoch time, not {value!r}")
    year, month, day = (int(part or 0) for part in match.groups())
    return _valid(value, year, month, day) if year else None


def _by_number(value: float) -> str | None:
    whole = int(value)
    if value == whole and 0 <= whole <= 9999:
        return f"{whole:04d}" if whole else None
    if value == whole and whole in _COMPACT:
        return _valid(str(whole), whole // 10_000, whole // 100 % 100, whole % 100)
    if abs(value) < _EPOCH_FROM:
        raise BadInput(f"must be a year, an ISO date, day.month.year or an epoch time, not {value:g}")
    try:
        moment = value / 1e3 if abs(value) >= _MILLISECONDS_FROM else value
        return datetime.fromtimestamp(moment, UTC).date().isoformat()
    except (ValueError, OverflowError, OSError) as cause:
        raise BadInput(f"{value:g} is no time: {cause}") from cause


def _valid(value: str, year: int, month: int, day: int) -> str:
    try:
        date(year, month or 1, day or 1)
    except ValueError as cause:
        raise BadInput(f"{value} is no date: {cause}") from cause
    if not month:
        return f"{year:04d}"
    return f"{year:04d}-{month:02d}-{day:02d}" if day else f"{year:04d}-{month:02d}"


def attributes(value: object) -> object:
    """Attributes by name: as they are, or of a text as JSON or ``genre=jazz:0.9|mood=calm``; raises `BadInput`."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("{") and isinstance(found := _json(value), dict):
        return found
    read: dict[str, dict[str, float]] = {}
    for item in filter(str.strip, value.split(SEPARATOR)):
        name, equals, rest = item.partition("=")
        if not equals:
            raise BadInput(f"attributes are written genre=jazz:0.9|mood=calm, not {item!r}", field="attributes")
        shown, colon, confidence = rest.rpartition(":")
        read.setdefault(name.strip(), {})[shown if colon else rest] = number(confidence) if colon else 1.0
    return read


def values(value: object, separator: str = SEPARATOR) -> object:
    """The values of one attribute, perhaps with confidences."""
    return value if isinstance(value, Mapping) else texts(value, separator)


def free(value: object) -> object:
    """Free fields by name: as they are, or as a JSON object in a text; raises `BadInput`."""
    if not isinstance(value, str):
        return value
    found = _json(value)
    if not isinstance(found, dict):
        raise BadInput(f'fields are written {{"bpm": 120}}, not {value!r}', field="fields")
    return found


def typed(value: object) -> object:
    """What a text of a table without types probably is: a number, true, false, or the text."""
    if not isinstance(value, str):
        return value.isoformat() if isinstance(value, date) else value
    shown = value.strip()
    if shown.lower() in ("true", "false"):
        return shown.lower() == "true"
    if not _NUMBER.fullmatch(shown):
        return shown
    return float(shown) if "." in shown else int(shown)


def as_it_is(value: object) -> object:
    """What a table with types holds; dates as ISO text."""
    return value.isoformat() if isinstance(value, date) else value


def _json(value: str) -> object:
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return None


FUNCTIONS: Mapping[str, Callable[[object], object]] = {
    "log": lambda value: log1p(amount(value)),
    "ms": lambda value: amount(value) / 1e3,
    "dmy": day_first,
    "mdy": month_first,
}
"""What may stand behind a column in a mapping: the logarithm of a count, milliseconds, and how dates are written."""
