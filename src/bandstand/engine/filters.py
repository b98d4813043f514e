"""Filters as HTTP and Python have them, read into `Filters`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bandstand.errors import BadInput, shown
from bandstand.types import Clause, Filters

MAX_VALUES = 1_000
"""Values of one filter."""

MAX_NAMES = 100
"""Fields that one search may be filtered by."""

MAX_CHARS = 32_000
"""Characters of all names and values together."""

_MAX_TEXT = 2_000
_BOUNDS = ("gte", "gt", "lte", "lt")
_YEARS = range(10_000)

FILTER_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "Hard conditions by field: a value or a list of values, one of which it must have; bounds (`gte`,"
    ' `gt`, `lte`, `lt`), as in {"year": {"gte": 1960}}; {"exists": true}. Under `not` stands what must not hold.',
    "additionalProperties": True,
}
"""What `filters_of` reads, in the terms of OpenAPI."""


def filters_of(raw: Mapping[str, object]) -> Filters:
    """The filters that a JSON object describes, all of which must hold.

    By field (an attribute, a free field, year, released, popularity, duration, kind) a value or a list of values of
    which one must be there, bounds, or whether there is a value; under ``not`` what must not hold, each by itself::

        {"genre": ["jazz", "soul"], "explicit": False, "year": {"gte": 1960, "lte": 1969},
         "bpm": {"gte": 90, "lt": 120}, "released": {"gte": "2020-03"}, "label": {"exists": True},
         "not": {"mood": ["sad"]}}

    Raises:
        BadInput: something else stands there; ``field`` is the path to it.
    """
    excluded = raw.get("not")
    if (named := len(raw) + (len(excluded) if isinstance(excluded, Mapping) else 0)) > MAX_NAMES:
        raise BadInput(f"filters has {named} fields; at most {MAX_NAMES} are read", field="filters")
    found = Filters()
    for name in sorted(raw):
        if name == "not":
            found &= Filters(clauses=tuple(_excluded(raw[name])))
        else:
            found &= _asked(name, raw[name])
    if (chars := _chars(found)) > MAX_CHARS:
        raise BadInput(f"filters has {chars} characters; at most {MAX_CHARS} are read: ask for less", field="filters")
    return found


def _chars(filters: Filters) -> int:
    listed = [*filters.values, *((each.field, each.values or ()) for each in filters.clauses)]
    bounds = sum(len(str(bound)) for each in filters.clauses for bound in each.bounds.values())
    return bounds + sum(len(name) + sum(map(len, values)) for name, values in listed)


def _excluded(raw: object) -> Iterator[Clause]:
    if not isinstance(raw, Mapping):
        raise _wrong("filters.not", 'an object such as {"mood": ["sad"]}', raw)
    for name in sorted(raw):
        yield _clause(name, raw[name], f"filters.not.{name}", negated=True)


def _asked(name: str, raw: object) -> Filters:
    clause = _clause(name, raw, f"filters.{name}")
    if name == "year" and not {*clause.bounds} & {"gt", "lt"} and clause.exists is None:
        return Filters(year_gte=_year(clause.gte), year_lte=_year(clause.lte))
    if clause.values is not None:
        return Filters(values=((name, clause.values),))
    return Filters(clauses=(clause,))


def _clause(name: str, raw: object, field: str, *, negated: bool = False) -> Clause:
    _checked(name, field)
    if name == "year":
        raw = {"gte": raw, "lte": raw} if isinstance(raw, int) and not isinstance(raw, bool) else raw
        _check_years(raw, field)
    if isinstance(raw, Mapping):
        return Clause(field=name, negated=negated, **_bounds(raw, field))
    values = raw if isinstance(raw, list | tuple | set | frozenset) else (raw,)
    if len(values) > MAX_VALUES:
        raise BadInput(f"{field} has {len(values)} values; at most {MAX_VALUES} are read", field=field)
    many = values is raw
    read = tuple(_value(each, f"{field}.{at}" if many else field) for at, each in enumerate(values))
    return Clause(field=name, values=read, negated=negated)


def _bounds(raw: Mapping[Any, object], field: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, bound in raw.items():
        if name == "exists" and isinstance(bound, bool):
            found[name] = bound
        elif name in _BOUNDS and isinstance(bound, int | float | str) and not isinstance(bound, bool):
            found[name] = _checked(bound, f"{field}.{name}") if isinstance(bound, str) else bound
        elif name in (*_BOUNDS, "exists"):
            raise _wrong(f"{field}.{name}", "true or false" if name == "exists" else "a number or a text", bound)
        else:
            raise BadInput(f"unknown {field}.{name}; use {', '.join(_BOUNDS)} or exists", field=f"{field}.{name}")
    if not found:
        raise _wrong(field, "bounds such as {'gte': 1}, or {'exists': true}", dict(raw))
    return found


def _check_years(raw: object, field: str) -> None:
    if not isinstance(raw, Mapping):
        raise _wrong(field, "a year, or bounds such as {'gte': 1960, 'lte': 1969}", raw)
    for name in {*raw} & {*_BOUNDS}:
        if isinstance(raw[name], bool) or not isinstance(raw[name], int) or raw[name] not in _YEARS:
            raise _wrong(f"{field}.{name}", "a whole number from 0 to 9999", raw[name])


def _year(bound: float | str | None) -> int | None:
    return None if bound is None else int(bound)


def _value(value: object, field: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if not isinstance(value, str):
        raise _wrong(field, "a text, a number, true or false, or a list of them", value)
    return _checked(value, field)


def _checked(text: str, field: str) -> str:
    if len(text) > _MAX_TEXT:
        raise BadInput(f"{field} has {len(text)} characters; at most {_MAX_TEXT} are read", field=field)
    try:
        text.encode()
    except UnicodeEncodeError as cause:
        raise BadInput(f"{field} is not valid Unicode: {cause.reason}", field="filters") from cause
    return text


def _wrong(field: str, wanted: str, got: object) -> BadInput:
    return BadInput(f"{field} must be {wanted}, not {shown(got)}", field=field)
