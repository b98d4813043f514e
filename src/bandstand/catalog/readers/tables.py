"""Tables of any shape as records by column: CSV, TSV, NDJSON and Parquet, told apart by their content."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count, islice
from pathlib import Path
from typing import Any

import orjson

from bandstand.catalog.readers.base import Rejected, read_lines
from bandstand.catalog.readers.csv import read_records
from bandstand.errors import BadInput, MissingDependency

Record = Mapping[str, Any]
"""The values of a row by column: text in CSV and TSV, what was stored elsewhere."""

_PARQUET = b"PAR1"
_DELIMITERS = "\t;,"
_ROWS_AT_ONCE = 10_000
_LOOKED_AT = 1_000


def read_table(path: Path) -> Iterator[tuple[int, Record | Rejected]]:
    """Yield (line, or in Parquet row, from 1; record) of every row; one that cannot be read as `Rejected`.

    Raises:
        BadInput: the file is missing, empty, damaged, or has no header.
        MissingDependency: it is Parquet, and pyarrow is not installed.
    """
    if not path.is_file():
        raise BadInput(f"there is no file {path}")
    with path.open("rb") as file:
        if file.read(len(_PARQUET)) == _PARQUET:
            return _parquet(path)
    first = next(read_lines(path), "")
    if not first.strip():
        raise BadInput(f"{path} is empty, or begins with a blank line: the first line names the columns")
    if first.lstrip().startswith("{"):
        return _ndjson(path)
    return read_records(path, delimiter=max(_DELIMITERS, key=first.count))


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


def nested(record: Record, column: str) -> object:
    """The value of a column, which may name a value inside others (``object.id``); None where there is none."""
    if column in record:
        return record[column]
    value: object = record
    for name in column.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
