"""Readers by name, and the reader that a file seems to want."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from bandstand.catalog.readers.base import Reader, read_lines
from bandstand.catalog.readers.entity_map import AS_IT_IS, EntityMap, TableReader
from bandstand.catalog.readers.lastfm import LastfmReader
from bandstand.catalog.readers.library import LibraryReader
from bandstand.catalog.readers.ndjson import NdjsonReader
from bandstand.catalog.readers.spotify import COLUMNS, SpotifyReader
from bandstand.catalog.readers.tables import is_table
from bandstand.errors import BadInput
from bandstand.plugins import loaded

TABLES = ("csv", "tsv", "json", "parquet")
MAPPED = (*TABLES, NdjsonReader.name)
"""Formats that a mapping applies to."""

READERS: Mapping[str, Callable[[], Reader]] = {
    **{reader.name: reader for reader in (NdjsonReader, SpotifyReader, LastfmReader, LibraryReader)},
    **{name: partial(TableReader, name) for name in TABLES},
}


def readers() -> Mapping[str, Callable[[], Reader]]:
    """Every reader by the name of its format: those above, and those of plug-ins."""
    return {**loaded("readers"), **READERS}


def reader_for(path: Path, name: str | None = None, mapping: EntityMap = AS_IT_IS) -> Reader:
    """The reader of a file or folder: of the format that is named, or that it seems to want.

    Raises:
        BadInput: there is no such format, or a mapping is given to one that has columns of its own.
    """
    reader = reader_named(name) if name else guess_reader(path)
    if mapping.plain:
        return reader
    if reader.name not in MAPPED:
        raise BadInput(f"{reader.name} has fields of its own: --map, --kind and --unknown are for tables", field="map")
    return TableReader(reader.name, mapping)


def reader_named(name: str) -> Reader:
    """Return the reader of a format, or raise `BadInput` listing the formats."""
    known = readers()
    if name not in known:
        raise BadInput(f"there is no format {name!r}; known are {', '.join(known)}", field="format")
    return known[name]()


def guess_reader(path: Path) -> Reader:
    """Return the reader for a path, by its first line, or for a folder by its files.

    Raises:
        BadInput: it is missing, or of no known format; the message lists the formats.
    """
    if not path.exists():
        raise BadInput(f"there is no file {path}")
    if path.is_dir():
        return LastfmReader() if any(path.glob("user_taggedartists.dat*")) else LibraryReader()
    first = next(read_lines(path), "")
    if {column.strip().strip('"') for column in first.split(",")}.issuperset(COLUMNS):
        return SpotifyReader()
    if first.lstrip().startswith("{"):
        return NdjsonReader()
    if not is_table(path):
        raise BadInput(f"cannot tell the format of {path}; name one of {', '.join(readers())}", field="format")
    return TableReader()
