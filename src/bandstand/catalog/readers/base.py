"""What every reader offers, and how files are opened: plain or gz, with or without a byte order mark."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple, Protocol, cast

from bandstand.errors import BadInput
from bandstand.types import Entity

_GZIP_MAGIC = b"\x1f\x8b"


class Row(NamedTuple):
    """One entity and the line (from 1) on which it was first met."""

    line: int
    entity: Entity


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that cannot be used: its line (from 1), why, and the row as read."""

    line: int
    reason: str
    raw: str


class Reader(Protocol):
    """Turns one file (or folder) into entities.

    ``streaming`` readers yield rows in the order of their lines, so an interrupted ingest goes on where it stopped;
    the others gather the whole file first, and an interrupted ingest reads it again, which changes nothing twice.
    """

    @property
    def name(self) -> str:
        """The format's name, as given on the command line."""

    @property
    def streaming(self) -> bool:
        """Whether rows come in the order of their lines, each as soon as it is read."""

    def read(self, path: Path) -> Iterator[Row | Rejected]:
        """Yield every row of the file, usable or not.

        Raises:
            BadInput: the file is missing, damaged, or not of this format.
        """


def read_lines(path: Path, *, encoding: str = "utf-8-sig") -> Iterator[str]:
    """Yield the lines of a text file, line ends kept; gz is recognised by its content.

    Bytes that are not of the encoding become lone surrogates, which `entity_from_json` and JSON both refuse: so only
    their row is lost.

    Raises:
        BadInput: the file is missing, unreadable, or a damaged gz.
    """
    try:
        with open_text(path, encoding=encoding) as file:
            yield from file
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadInput(f"{path} is a damaged gz file: {error}. Fetch it again; ingesting it again goes on.") from error
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror or error}") from error


def open_text(path: Path, *, encoding: str = "utf-8-sig") -> IO[str]:
    """Open a text file, unpacking gz; the caller closes it.

    Raises:
        BadInput: it is named .gz but is not gz.
        OSError: it cannot be opened.
    """
    if _is_packed(path):
        return cast("IO[str]", gzip.open(path, "rt", encoding=encoding, errors="surrogateescape", newline=""))
    return path.open(encoding=encoding, errors="surrogateescape", newline="")


def open_packed(path: Path) -> IO[bytes]:
    """Open a file as bytes, unpacking gz; raises as `open_text`."""
    return cast("IO[bytes]", gzip.open(path)) if _is_packed(path) else path.open("rb")


def _is_packed(path: Path) -> bool:
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP_MAGIC
    if not packed and path.suffix == ".gz" and path.stat().st_size:
        raise BadInput(f"{path} is named .gz but is not a gz file: rename it or fetch it again")
    return packed


def printable(raw: str) -> str:
    """Return text that can be written as UTF-8, undecodable bytes as replacement characters."""
    return raw.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
