"""CSV whose header names fields of an entity; lists are separated by ``|``."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

from bandstand.catalog.codec import FIELDS, entity_from_json
from bandstand.catalog.readers.base import Rejected, Row, read_lines
from bandstand.errors import BadInput

REQUIRED = ("id", "kind", "title")
_LISTS = ("artists", "aliases", "members")
Record = Mapping[str, str]


class CsvReader:
    """``id,kind,title`` and any other field; attributes are written ``genre=jazz:0.9|mood=calm``."""

    name = "csv"
    streaming = True

    def read(self, path: Path) -> Iterator[Row | Rejected]:
        """Yield a row for every record."""
        for line, record in read_records(path, required=REQUIRED, allowed=FIELDS):
            if isinstance(record, Rejected):
                yield record
                continue
            try:
                yield Row(line, entity_from_json(_fields(record)))
            except BadInput as error:
                yield Rejected(line, str(error), raw(record))


def read_records(
    path: Path, *, required: tuple[str, ...] = (), allowed: tuple[str, ...] | None = None, delimiter: str = ","
) -> Iterator[tuple[int, Record | Rejected]]:
    """Yield (line on which it ends, record) for each record below the header; a malformed one as `Rejected`.

    Raises:
        BadInput: there is no header, or a column is missing, unknown (unless ``allowed`` is None) or named twice.
    """
    rows = csv.reader(read_lines(path), strict=True, delimiter=delimiter)
    header = _header(path, rows, required, allowed)
    while True:
        try:
            values = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield rows.line_num, Rejected(rows.line_num, f"not CSV: {error}", "")
            continue
        if len(values) == len(header):
            yield rows.line_num, dict(zip(header, values, strict=True))
        elif values:
            reason = f"{len(values)} values for {len(header)} columns"
            yield rows.line_num, Rejected(rows.line_num, reason, ",".join(values))


def _header(
    path: Path, rows: Iterator[list[str]], required: tuple[str, ...], allowed: tuple[str, ...] | None
) -> list[str]:
    try:
        header = [name.strip() for name in next(rows, [])]
    except csv.Error as error:
        raise BadInput(f"{path} has no CSV header: {error}") from error
    if missing := [name for name in required if name not in header]:
        raise BadInput(f"{path}: the header lacks {', '.join(missing)}")
    if unknown := [name for name in header if allowed is not None and name not in allowed]:
        raise BadInput(f"{path}: unknown column {unknown[0]!r}; known are {', '.join(allowed or ())}")
    if len(set(header)) < len(header):
        raise BadInput(f"{path}: a column is named twice in the header")
    return header


def raw(record: Record) -> str:
    """Return a record for the rejects file."""
    return ",".join(record.values())


def _fields(record: Record) -> dict[str, object]:
    fields: dict[str, object] = {name: value for name, value in record.items() if value}
    for name in _LISTS:
        if name in fields:
            fields[name] = [item for item in record[name].split("|") if item.strip()]
    if popularity := record.get("popularity"):
        fields["popularity"] = _number(popularity, "popularity")
    if attributes := record.get("attributes"):
        fields["attributes"] = _attributes(attributes)
    return fields


def _attributes(cell: str) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for item in cell.split("|"):
        name, equals, value = item.partition("=")
        if not equals:
            raise BadInput(f"attributes are written genre=jazz:0.9|mood=calm, not {item!r}", field="attributes")
        text, colon, confidence = value.rpartition(":")
        found.setdefault(name.strip(), {})[text if colon else value] = (
            _number(confidence, "attributes") if colon else 1.0
        )
    return found


def _number(text: str, field: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise BadInput(f"{field} must be a number, not {text!r}", field=field) from error
