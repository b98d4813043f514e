"""What ``--map FIELD=COLUMN:FUNCTION`` says: from which column of a table a field is read, and how."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from bandstand.catalog.readers.cells import is_there
from bandstand.catalog.readers.tables import Record, nested
from bandstand.errors import BadInput, nearest

Function = Callable[[object], object]
"""Makes a field's value of a column's, which is neither missing nor empty; raises `BadInput` where it cannot."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A column (``object.id`` looks into nested values), and the name of a function, "" for the value as it stands."""

    column: str
    function: str = ""

    def read(self, record: Record, functions: Mapping[str, Function]) -> object:
        """The value in a record; None where nothing is there.

        Raises:
            BadInput: the function cannot use the value.
        """
        value = nested(record, self.column)
        if not is_there(value):
            return None
        return functions[self.function](value) if self.function else value


def parse_mapping(
    given: Iterable[str] | Mapping[str, str], fields: Collection[str], functions: Collection[str] = ()
) -> dict[str, Expression]:
    """Expressions by field, from ``FIELD=EXPRESSION`` or as a mapping says them.

    Raises:
        BadInput: there is no such field, one is given twice, or nothing stands behind the ``=``.
    """
    found: dict[str, Expression] = {}
    for field, text in pairs_of(given):
        if field not in fields:
            remedy = nearest(field, fields) or f": map {', '.join(fields)}"
            raise BadInput(f"there is no field {field!r}{remedy}", field="map")
        if field in found:
            raise BadInput(f"{field} is mapped twice", field="map")
        found[field] = expression_of(text, functions)
    return found


def check_columns(mapping: Mapping[str, Expression], columns: Collection[str]) -> None:
    """Refuse a mapping that names a column which a table does not have (`BadInput`); of nested ones the outermost."""
    for field, expression in mapping.items():
        if expression.column not in columns and expression.column.partition(".")[0] not in columns:
            remedy = nearest(expression.column, columns) or f": there are {', '.join(columns)}"
            raise BadInput(f"{field} is mapped to {expression.column!r}, which is no column{remedy}", field="map")


def pairs_of(given: Iterable[str] | Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """Field and expression of each ``FIELD=EXPRESSION``, or of each entry of a mapping; raises `BadInput`."""
    return given.items() if isinstance(given, Mapping) else [_pair(text) for text in given]


def _pair(text: str) -> tuple[str, str]:
    field, equals, expression = text.partition("=")
    if not equals or not expression.strip():
        raise BadInput(f"--map {text} says no column: write FIELD=COLUMN, e.g. time=ts", field="map")
    return field.strip(), expression.strip()


def expression_of(text: str, functions: Collection[str]) -> Expression:
    """What a text says. Only a known function ends a column's name, which may itself hold colons."""
    column, _, function = text.rpartition(":")
    return Expression(column, function) if column and function in functions else Expression(text)
