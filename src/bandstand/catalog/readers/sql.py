"""Tables that are the answers of SQL queries, from any database that SQLAlchemy knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from bandstand.catalog.readers.tables import Record, Table
from bandstand.errors import BadInput, MissingDependency

if TYPE_CHECKING:
    from sqlalchemy import Engine, TextClause

_ROWS_AT_ONCE = 10_000
_DRIVERS: Mapping[str, str] = {"postgresql": "postgresql+psycopg"}
"""The driver of a database whose address names none."""


def sql_table(url: str, query: str) -> Table:
    """The rows of a query, which runs each time that they are asked for; read by parts, however many there are.

    Raises:
        BadInput: the database cannot be reached, or the query cannot be answered; passwords are not repeated.
        MissingDependency: SQLAlchemy, or the database's driver, is not installed.
    """
    engine = _engine(url)
    return Table(_columns(engine, query), lambda: _rows(engine, query), typed=True)


def _engine(url: str) -> Engine:
    try:
        import sqlalchemy as sql
    except ModuleNotFoundError as cause:
        raise MissingDependency("databases are read with SQLAlchemy: pip install sqlalchemy") from cause
    try:
        address = sql.make_url(url)
        address = address.set(drivername=_DRIVERS.get(address.drivername, address.drivername))
        if address.get_backend_name() == "sqlite" and not _exists(address.database):
            raise BadInput(f"there is no file {address.database}")  # it would be made
        return sql.create_engine(address)
    except (ModuleNotFoundError, sql.exc.NoSuchModuleError) as cause:
        raise MissingDependency(f"the database's driver is not installed: {cause}") from cause
    except sql.exc.ArgumentError as cause:
        raise BadInput(f"this is no address of a database: {cause}; write sqlite:///music.db or the like") from cause


def _exists(database: str | None) -> bool:
    from pathlib import Path

    return database is not None and Path(database).is_file()


def _columns(engine: Engine, query: str) -> tuple[str, ...]:
    import sqlalchemy as sql

    try:
        with engine.connect() as connection:
            result = connection.execution_options(stream_results=True).execute(_as_written(query))
            if not result.returns_rows:
                raise BadInput("the query returns no rows: it has to be a SELECT", field="query")
            return tuple(result.keys())
    except sql.exc.SQLAlchemyError as cause:
        raise _failed(engine, cause) from cause


def _rows(engine: Engine, query: str) -> Iterator[tuple[int, Record]]:
    import sqlalchemy as sql

    try:
        with engine.connect() as connection:
            options = connection.execution_options(stream_results=True, yield_per=_ROWS_AT_ONCE)
            rows = options.execute(_as_written(query)).mappings()
            yield from enumerate(map(dict, rows), start=1)
    except sql.exc.SQLAlchemyError as cause:
        raise _failed(engine, cause) from cause


def _as_written(query: str) -> TextClause:
    """The query itself, in which a colon is no parameter."""
    import sqlalchemy as sql

    return sql.text(query.replace(":", "\\:"))


def _failed(engine: Engine, cause: Exception) -> BadInput:
    said = str(getattr(cause, "orig", None) or cause).strip()
    return BadInput(f"{engine.url.render_as_string(hide_password=True)} cannot answer: {said}", field="query")
