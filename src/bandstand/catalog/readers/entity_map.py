"""Entities from tables: which field of an entity is read from which columns, and what becomes of all other columns."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal, get_args

from bandstand.catalog.bundled import ATTRIBUTES
from bandstand.catalog.codec import FIELDS, RESERVED, entity_from_json
from bandstand.catalog.readers import cells
from bandstand.catalog.readers.base import Rejected, Row
from bandstand.catalog.readers.mapping import Expression, check_columns, expression_of
from bandstand.catalog.readers.tables import Record, Table, table_of
from bandstand.errors import BadInput, nearest

Unknown = Literal["keep", "refuse", "ignore"]
"""What becomes of a column that no field is read from: it is kept as a free field, refused, or passed over."""

_REQUIRED = ("id", "kind", "title")
_LISTS = ("artists", "aliases", "members")
_OTHERWISE = {"year": "released"}
"""Columns that are read as a field by another name, where none has that field's."""

_READ: Mapping[str, Callable[..., object]] = {
    **dict.fromkeys(("id", "kind", "title", "album", "url", "image"), cells.text),
    **dict.fromkeys(_LISTS, cells.texts),
    "attributes": cells.attributes,
    "popularity": cells.amount,
    "released": cells.released,
    "duration": cells.seconds,
    "fields": cells.free,
}


@dataclass(frozen=True, slots=True)
class Term:
    """What a field is read from: columns, or a constant; ``separator`` splits a list that is written in one value."""

    columns: tuple[Expression, ...] = ()
    constant: str | None = None
    separator: str = cells.SEPARATOR

    def read(self, record: Record) -> list[object]:
        """The values of a record that are there."""
        if self.constant is not None:
            return [self.constant]
        found = (cells.plain(column.read(record, cells.FUNCTIONS)) for column in self.columns)
        return [value for value in found if cells.is_there(value)]


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityMap:
    """How the rows of tables become entities.

    ``given`` are expressions by field: a column, two joined (``first+last``), one with a function (``plays:log``), a
    list by its separator (``tags:split:;``), or a constant in quotes (``'track'``). A field that none is given for is
    read from the column of its name. ``kind`` is that of rows which say none.
    """

    given: Mapping[str, str] = field(default_factory=dict)
    kind: str | None = None
    unknown: Unknown = "keep"

    @property
    def plain(self) -> bool:
        """Whether it says nothing: files that hold entities as they are can be read as such."""
        return not self.given and self.kind is None and self.unknown == "keep"

    def rows(self, table: Table) -> Iterator[Row | Rejected]:
        """Every row of a table, as an entity or with the reason why it is none.

        Raises:
            BadInput: a column is named that there is none of, none is found for what every entity has, or one is to be
                refused.
        """
        if not table.columns:
            yield from (record for _, record in table.records() if isinstance(record, Rejected))
            return
        columns = _Columns.of(self, table)
        scale = columns.greatest(table)
        for line, record in table.records():
            yield record if isinstance(record, Rejected) else columns.row(line, record, scale)


AS_IT_IS = EntityMap()


def entity_map(given: Iterable[tuple[str, str]] = (), *, kind: str | None = None, unknown: str = "keep") -> EntityMap:
    """A map of (field, expression) pairs.

    Raises:
        BadInput: a field, or what to do with unknown columns, is none.
    """
    if unknown not in get_args(Unknown):
        raise BadInput(f"unknown columns are {', '.join(get_args(Unknown))}, not {unknown!r}", field="unknown")
    found: dict[str, str] = {}
    for name, text in given:
        target = f"attributes.{name}" if name in ATTRIBUTES else name
        if target in found:
            raise BadInput(f"{name} is mapped twice", field="map")
        _check_target(target)
        found[target] = text
    return EntityMap(given=found, kind=kind, unknown=unknown)  # type: ignore[arg-type]


def _check_target(target: str) -> None:
    outer, dot, inner = target.partition(".")
    if target in FIELDS or (dot and inner and outer in ("attributes", "fields")):
        return
    known = (*FIELDS, *ATTRIBUTES)
    remedy = nearest(target, known) or f": map {', '.join(known)}"
    raise BadInput(f"there is no field {target!r}{remedy} (your own: fields.{inner or target})", field="map")


@dataclass(frozen=True, slots=True)
class _Columns:
    """A map as it applies to one table."""

    terms: Mapping[str, Term]
    kind: str | None
    kept: Mapping[str, str]
    own: Callable[[object], object]

    @classmethod
    def of(cls, asked: EntityMap, table: Table) -> _Columns:
        terms = {target: _term(text, table.columns) for target, text in asked.given.items()}
        for target, term in terms.items():
            for expression in term.columns:
                check_columns({target: expression}, table.columns)
        used = {expression.column.partition(".")[0] for term in terms.values() for expression in term.columns}
        used |= {expression.column for term in terms.values() for expression in term.columns}
        left = {column.strip().casefold(): column for column in table.columns if column not in used}
        for name in (*FIELDS, *ATTRIBUTES, *_OTHERWISE):
            target = f"attributes.{name}" if name in ATTRIBUTES else _OTHERWISE.get(name, name)
            if name in left and target not in terms:
                terms[target] = Term((Expression(left.pop(name)),))
        _check_required(terms, asked.kind, table.columns)
        left = {name: column for name, column in left.items() if name not in RESERVED}  # those of fields read elsewhere
        if left and asked.unknown == "refuse":
            raise BadInput(_refused(left.values()), field="unknown")
        kept = {column.strip(): column for column in left.values()} if asked.unknown == "keep" else {}
        return cls(terms, asked.kind, kept, cells.as_it_is if table.typed else cells.typed)

    def greatest(self, table: Table) -> float:
        """What popularity is divided by: the greatest of the table where that is above 1."""
        if "popularity" not in self.terms:
            return 1.0
        return max((self._popularity(record) for _, record in table.records()), default=1.0)

    def _popularity(self, record: Record | Rejected) -> float:
        try:
            found = {} if isinstance(record, Rejected) else self._field("popularity", record)
            return max(1.0, float(str(found.get("popularity", 1.0))))
        except BadInput:  # its row will be rejected
            return 1.0

    def row(self, line: int, record: Record, scale: float) -> Row | Rejected:
        try:
            return Row(line, entity_from_json(self._entity(record, scale)))
        except BadInput as error:
            return Rejected(line, str(error), json.dumps(record, ensure_ascii=False, default=str))

    def _entity(self, record: Record, scale: float) -> dict[str, object]:
        entity: dict[str, object] = {}
        for target in self.terms:
            for name, value in self._field(target, record).items():
                held = entity.get(name)
                entity[name] = {**held, **value} if isinstance(held, dict) and isinstance(value, dict) else value
        if "popularity" in entity:
            entity["popularity"] = float(str(entity["popularity"])) / scale
        if self.kind is not None:
            entity.setdefault("kind", self.kind)
        if own := self._own_fields(record):
            held = entity.get("fields")
            entity["fields"] = {**own, **(held if isinstance(held, dict) else {})}
        return entity

    def _own_fields(self, record: Record) -> dict[str, object]:
        found = {name: cells.plain(record.get(column)) for name, column in self.kept.items()}
        return {name: self.own(value) for name, value in found.items() if cells.is_there(value)}

    def _field(self, target: str, record: Record) -> dict[str, object]:
        """What a record says of one field, under the name of what it is a part of; nothing where it is silent."""
        term, (outer, dot, inner) = self.terms[target], target.partition(".")
        try:
            found = term.read(record)
            if not found:
                return {}
            if dot:
                own = partial(cells.values, separator=term.separator) if outer == "attributes" else self.own
                return {outer: {inner: _joined(found, own, lists=outer == "attributes")}}
            reading = _READ[target]
            if target in _LISTS:
                reading = partial(cells.texts, separator=term.separator)
            return {target: _joined(found, reading, lists=target in _LISTS)}
        except BadInput as error:
            shown = str(error)
            raise BadInput(shown if target in shown else f"{target} {shown}", field=target) from error


def _joined(found: list[object], reading: Callable[[object], object], *, lists: bool) -> object:
    """One value as it is; of several the items of all, or one text with blanks between."""
    if len(found) == 1:
        return reading(found[0])
    if lists:
        return [item for value in found for item in cells.texts(reading(value))]
    return reading(" ".join(map(cells.text, found)))


def _term(text: str, columns: Iterable[str]) -> Term:
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"":
        return Term(constant=text[1:-1])
    names, split, separator = text.partition(":split:")
    parts = [names] if names in columns else names.split("+")
    read = tuple(expression_of(part.strip(), cells.FUNCTIONS) for part in parts)
    return Term(read, separator=separator if split and separator else cells.SEPARATOR)


def _check_required(terms: Mapping[str, Term], kind: str | None, columns: Iterable[str]) -> None:
    missing = [name for name in _REQUIRED if name not in terms and not (name == "kind" and kind)]
    if missing:
        says = "or say --kind track" if missing == ["kind"] else f"say where it stands: --map {missing[0]}=COLUMN"
        raise BadInput(f"the table lacks {', '.join(missing)}; {says}. Its columns: {', '.join(columns)}", field="map")


def _refused(left: Iterable[str]) -> str:
    first = next(iter(left))
    remedy = nearest(first, (*FIELDS, *ATTRIBUTES)) or "; map it, or have it kept: --unknown keep"
    return f"unknown column {first!r}{remedy}"


class TableReader:
    """Reads the tables of files, told apart by their content, whatever format they were said to be of."""

    streaming = True

    def __init__(self, name: str = "csv", mapping: EntityMap = AS_IT_IS) -> None:
        self.name = name
        self._mapping = mapping

    def read(self, path: Path) -> Iterator[Row | Rejected]:
        """Yield a row for every record."""
        yield from self._mapping.rows(table_of(path))
