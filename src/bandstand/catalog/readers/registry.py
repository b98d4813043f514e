"""Readers by name, and the reader that a file seems to want."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from bandstand.catalog.readers.base import Reader, read_lines
from bandstand.catalog.readers.csv import REQUIRED, CsvReader
from bandstand.catalog.readers.lastfm import LastfmReader
from bandstand.catalog.readers.library import LibraryReader
from bandstand.catalog.readers.ndjson import NdjsonReader
from bandstand.catalog.readers.spotify import COLUMNS, SpotifyReader
from bandstand.errors import BadInput
from bandstand.plugins import loaded

READERS: Mapping[str, Callable[[], Reader]] = {
    reader.name: reader for reader in (NdjsonReader, CsvReader, SpotifyReader, LastfmReader, LibraryReader)
}


def readers() -> Mapping[str, Callable[[], Reader]]:
    """Every reader by the name of its format: those above, and those of plug-ins."""
    return {**loaded("readers"), **READERS}


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
    name = _by_first_line(next(read_lines(path), ""))
    if name is None:
        raise BadInput(f"cannot tell the format of {path}; name one of {', '.join(readers())}", field="format")
    return reader_named(name)


def _by_first_line(line: str) -> str | None:
    if line.lstrip().startswith("{"):
        return NdjsonReader.name
    columns = {column.strip().strip('"') for column in line.split(",")}
    if columns.issuperset(COLUMNS):
        return SpotifyReader.name
    return CsvReader.name if columns.issuperset(REQUIRED) else None
