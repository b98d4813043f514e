"""Entities out: as NDJSON, CSV or Parquet, from which an ingest makes the same entities again."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any, cast

import msgspec

from bandstand.catalog.codec import FIELDS, EntityAnswer
from bandstand.catalog.readers.cells import SEPARATOR
from bandstand.errors import BadInput, MissingDependency, StorageError
from bandstand.types import Attribute, Entity

_LISTS = ("artists", "aliases", "members")
_ROWS_AT_ONCE = 10_000


def export(entities: Iterable[Entity], path: Path) -> int:
    """Write entities to a file, in the form that its name ends in; returns how many. It is there whole or not at all.

    Raises:
        BadInput: it ends in none of .ndjson, .jsonl and .csv (also with .gz) and .parquet.
        MissingDependency: it is Parquet, and pyarrow is not installed.
        StorageError: it cannot be written.
    """
    write = _writer(path)
    part = path.with_name(f"{path.name}.part")
    try:
        count = write(entities, part)
        part.replace(path)
    except OSError as cause:
        raise StorageError(f"cannot write {path}: {cause.strerror}. Make its folder writable or free space.") from cause
    finally:
        part.unlink(missing_ok=True)
    return count


def _writer(path: Path) -> Callable[[Iterable[Entity], Path], int]:
    ending = path.suffixes[-2:-1] if path.suffix == ".gz" else path.suffixes[-1:]
    text = {".ndjson": _ndjson, ".jsonl": _ndjson, ".csv": _csv}.get("".join(ending))
    if text is not None:
        return lambda entities, part: _text(entities, part, text, packed=path.suffix == ".gz")
    if path.suffix == ".parquet":
        return _parquet
    raise BadInput(
        f"{path.name} says no format: let it end in .ndjson, .csv (or .gz of these) or .parquet", field="path"
    )


def _text(
    entities: Iterable[Entity], part: Path, write: Callable[[Iterable[Entity], IO[str]], int], *, packed: bool
) -> int:
    with part.open("wb") as raw:
        file = cast("IO[bytes]", gzip.GzipFile(fileobj=raw, mode="wb", mtime=0)) if packed else raw
        with io.TextIOWrapper(file, encoding="utf-8", newline="") as text:
            return write(entities, text)


def _ndjson(entities: Iterable[Entity], file: IO[str]) -> int:
    count = 0
    for count, entity in enumerate(entities, start=1):  # noqa: B007 - the last one is the count
        file.write(msgspec.json.encode(EntityAnswer.of(entity)).decode() + "\n")
    return count


def _csv(entities: Iterable[Entity], file: IO[str]) -> int:
    rows, count = csv.writer(file), 0
    rows.writerow(FIELDS)
    for count, entity in enumerate(entities, start=1):  # noqa: B007
        cells = {**_values(entity), **{name: _list(getattr(entity, name)) for name in _LISTS}}
        rows.writerow([cells[name] for name in FIELDS])
    return count


def _values(entity: Entity) -> dict[str, Any]:
    """The values of an entity's fields, None where there is none; attributes and free fields in one text."""
    values: dict[str, Any] = {name: getattr(entity, name) for name in FIELDS}
    values["popularity"] = entity.popularity or None
    values["attributes"] = _attributes(entity.attributes)
    free = {each.name: each.value for each in entity.fields}
    return {**values, "fields": msgspec.json.encode(free).decode() if free else None}


def _list(items: Sequence[str]) -> str:
    """Items with `SEPARATOR` between them; as JSON where they would not be read so again."""
    plain = SEPARATOR.join(items)
    return msgspec.json.encode(items).decode() if SEPARATOR in "".join(items) or plain.startswith("[") else plain


def _attributes(attributes: Sequence[Attribute]) -> str | None:
    """``genre=jazz:0.9|mood=calm:1.0``; as JSON where a name or a value holds one of the signs."""
    signs = {sign for each in attributes for sign in each.name + each.value} & {*"|=:{"}
    if not signs:
        return "|".join(f"{each.name}={each.value}:{each.confidence!r}" for each in attributes) or None
    named: dict[str, dict[str, float]] = {}
    for each in attributes:
        named.setdefault(each.name, {})[each.value] = each.confidence
    return msgspec.json.encode(named).decode()


def _parquet(entities: Iterable[Entity], part: Path) -> int:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError as cause:
        raise MissingDependency("Parquet is written with pyarrow: pip install pyarrow") from cause
    types = {**dict.fromkeys(_LISTS, pa.list_(pa.string())), **dict.fromkeys(("popularity", "duration"), pa.float64())}
    schema, count = pa.schema([(name, types.get(name, pa.string())) for name in FIELDS]), 0
    with pq.ParquetWriter(part, schema) as file:
        for rows in _parts(map(_values, entities)):
            file.write_table(pa.Table.from_pylist(rows, schema=schema))
            count += len(rows)
    return count


def _parts(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while part := list(islice(rows, _ROWS_AT_ONCE)):
        yield part
