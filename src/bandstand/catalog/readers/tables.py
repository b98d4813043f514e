"""Tables of any shape as records by column: CSV, TSV, NDJSON, JSON and Parquet, told apart by their content."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

import orjson

from bandstand.catalog.readers.base import Rejected, open_packed, read_lines
from bandstand.catalog.readers.csv import header_of, read_records
from bandstand.errors import BadInput, MissingDependency

Record = Mapping[str, Any]
"""The values of a row by column: text in CSV and TSV, what was stored elsewhere."""

_PARQUET = b"PAR1"
_DELIMITERS = "\t;,"
_ROWS_AT_ONCE = 10_000
_LOOKED_AT = 1_000


@dataclass(frozen=True, slots=True)
class Table:
    """Rows by column, from the first one as often as ``records`` is called: (line or row from 1, record).

    ``columns`` are those of the header, or of the first thousand rows; ``typed``: values have types, not all of them
    are text.
    """

    columns: tuple[str, ...]
    records: Callable[[], Iterator[tuple[int, Record | Rejected]]]
    typed: bool


def table_of(path: Path) -> Table:
    """The table in a file; raises as `read_table`."""
    if _form(path) == "delimited":
        return Table(header_of(path, delimiter=_delimiter(path)), lambda: read_table(path), typed=False)
    return Table(columns_of(path), lambda: read_table(path), typed=True)


def read_table(path: Path) -> Iterator[tuple[int, Record | Rejected]]:
    """Yield (line, or in Parquet and JSON row, from 1; record) of every row; one that cannot be read as `Rejected`.

    Raises:
        BadInput: the file is missing, empty, damaged, or has no header.
        MissingDependency: it is Parquet, and pyarrow is not installed.
    """
    form = _form(path)
    if form == "delimited":
        return read_records(path, delimiter=_delimiter(path))
    return _READ[form](path)


def is_table(path: Path) -> bool:
    """Whether a file looks like a table: by its content, or as its first line names several columns."""
    try:
        form = _form(path)
    except BadInput:
        return False
    return form != "delimited" or any(delimiter in next(read_lines(path), "") for delimiter in _DELIMITERS)


def _form(path: Path) -> str:
    """What kind of table a file holds, by how it begins."""
    if not path.is_file():
        raise BadInput(f"there is no file {path}")
    with path.open("rb") as file:
        if file.read(len(_PARQUET)) == _PARQUET:
            return "parquet"
    first = next(read_lines(path), "")
    if not first.strip():
        raise BadInput(f"{path} is empty, or begins with a blank line: the first line names the columns")
    return {"{": "ndjson", "[": "json"}.get(first.lstrip()[0], "delimited")


def _delimiter(path: Path) -> str:
    return max(_DELIMITERS, key=next(read_lines(path), "").count)


def columns_of(path: Path) -> tuple[str, ...]:
    """The columns of the first thousand rows, in the order in which they come; raises as `read_table`."""
    records = (record for _, record in islice(read_table(path), _LOOKED_AT) if not isinstance(record, Rejected))
    return tuple(dict.fromkeys(column for record in records for column in record))


def _ndjson(path: Path) -> Iterator[tuple[int, Record | Rejected]]:
    for line, text in enumerate(read_lines(path), start=1):
        if not text.isspace():
            yield line, _object(line, text)


def _object(line: int, text: str) -> Record | Rejected:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return Rejected(line, f"not JSON: {error}", text.strip())
    return value if isinstance(value, dict) else Rejected(line, "a line must be a JSON object", text.strip())


def _parquet(path: Path) -> Iterator[tuple[int, Record | Rejected]]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError as cause:
        raise MissingDependency("Parquet is read with pyarrow: pip install pyarrow") from cause
    numbers = count(1)
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_ROWS_AT_ONCE):
                yield from ((next(numbers), record) for record in batch.to_pylist())
    except (pa.ArrowException, OSError) as cause:
        raise BadInput(f"{path} cannot be read as Parquet: {cause}") from cause


def _json(path: Path) -> Iterator[tuple[int, Record | Rejected]]:
    """The objects of one array, read one by one."""
    import ijson

    try:
        with open_packed(path) as file:
            for row, value in enumerate(ijson.items(file, "item", use_float=True), start=1):
                yield (
                    row,
                    value if isinstance(value, dict) else Rejected(row, "a row must be a JSON object", str(value)),
                )
    except (ijson.JSONError, UnicodeDecodeError, EOFError, zlib.error, OSError) as cause:
        raise BadInput(f"{path} cannot be read as a JSON array of objects: {cause}") from cause


_READ: Mapping[str, Callable[[Path], Iterator[tuple[int, Record | Rejected]]]] = {
    "ndjson": _ndjson,
    "json": _json,
    "parquet": _parquet,
}


def nested(record: Record, column: str) -> object:
    """The value of a column, which may name a value inside others (``object.id``); None where there is none."""
    if column in record:
        return record[column]
    value: object = record
    for name in column.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
