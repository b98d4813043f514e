"""Records of files with a header and a delimiter."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

from bandstand.catalog.readers.base import Rejected, read_lines
from bandstand.errors import BadInput

Record = Mapping[str, str]

_LONGEST_CELL = 32_000_000
"""Characters of one cell: a playlist has up to 100,000 members of up to 256."""


def read_records(
    path: Path, *, required: tuple[str, ...] = (), delimiter: str = ","
) -> Iterator[tuple[int, Record | Rejected]]:
    """Yield (line on which it ends, record) for each record below the header; a malformed one as `Rejected`.

    Raises:
        BadInput: there is no header, or a column is missing or named twice.
    """
    csv.field_size_limit(_LONGEST_CELL)
    rows = csv.reader(read_lines(path), strict=True, delimiter=delimiter)
    header = _header(path, rows, required)
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


def header_of(path: Path, *, delimiter: str) -> tuple[str, ...]:
    """The columns that the first line names; raises as `read_records`."""
    return tuple(_header(path, csv.reader(read_lines(path), strict=True, delimiter=delimiter), ()))


def _header(path: Path, rows: Iterator[list[str]], required: tuple[str, ...]) -> list[str]:
    try:
        header = [name.strip() for name in next(rows, [])]
    except csv.Error as error:
        raise BadInput(f"{path} has no CSV header: {error}") from error
    if missing := [name for name in required if name not in header]:
        raise BadInput(f"{path}: the header lacks {', '.join(missing)}")
    if len(set(header)) < len(header):
        raise BadInput(f"{path}: a column is named twice in the header")
    return header


def raw(record: Record) -> str:
    """Return a record for the rejects file."""
    return ",".join(record.values())
