"""What a replay keeps of each search: rows and arrays on disk, so that a run can be taken up again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import orjson
from numpy.typing import NDArray

from bandstand.errors import StorageError
from bandstand.files import write_file


@contextmanager
def written(path: Path) -> Iterator[IO[bytes]]:
    """The file to write arrays to.

    Raises:
        StorageError: it cannot be written.
    """
    try:
        with path.open("wb") as file:
            yield file
    except OSError as cause:
        raise StorageError(f"{path} cannot be written: {cause.strerror}; give another folder") from cause


@contextmanager
def stored(path: Path, remedy: str) -> Iterator[Mapping[str, NDArray[Any]]]:
    """The arrays of a file by name; ``remedy`` says what to do about one that is damaged.

    Raises:
        StorageError: the file is missing, or what is read of it is damaged or absent.
    """
    try:
        with np.load(path) as arrays:
            yield arrays
    except (OSError, ValueError, KeyError) as cause:
        raise StorageError(f"{path} cannot be read: {remedy}") from cause


Extra = Mapping[str, float | Sequence[float]]
"""What only some evaluations keep of a search, by name: a number, or as many numbers in every row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One judged search under one policy.

    ``found`` are (rank from 1, grade) of the answers that the ranking holds, ``grades`` those of all answers.
    ``cost_ms`` is modelled retrieval, ``real_ms`` what the retrievers took here. ``depths`` are those of `BUILT_IN`,
    empty for baselines. ``pooled`` is how many answers the retrievers brought, whatever the ranking made of them.
    ``claims`` are (what the memory believed of a hit on the page, whether it was an answer). ``extra`` is what only
    this evaluation keeps; null stands for NaN.
    """

    id: str
    time: float
    user: str
    query: str
    labels: Mapping[str, str]
    found: Sequence[Sequence[int]]
    grades: Sequence[int]
    cost_ms: float
    real_ms: float
    depths: Sequence[int] = ()
    pooled: int | None = None
    claims: Sequence[Sequence[float]] = ()
    extra: Extra = field(default_factory=dict)


class RowFile:
    """Rows of one ranking, appended; `length` marks how far they are certain.

    Raises:
        StorageError: the file cannot be read or written.
    """

    def __init__(self, path: Path, *, length: int) -> None:
        try:
            self._file: IO[bytes] = path.open("ab")
            self._file.truncate(length)
            self._file.seek(0, 2)
        except OSError as cause:
            raise StorageError(
                f"{path} cannot be written: {cause.strerror}; free some space or give another folder"
            ) from cause

    def append(self, row: Row) -> None:
        """One more row."""
        self._file.write(_line(row))

    def flush(self) -> int:
        """Hand everything to the system; returns the file's length."""
        self._file.flush()
        return self._file.tell()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _line(row: Row) -> bytes:
    return orjson.dumps(asdict(row), option=orjson.OPT_APPEND_NEWLINE)


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write all rows of a ranking at once: the file is whole, or not there.

    Raises:
        StorageError: it cannot be written.
    """
    try:
        write_file(path, b"".join(map(_line, rows)))
    except OSError as cause:
        raise StorageError(f"{path} cannot be written: {cause.strerror}; give another folder") from cause


def rows_path(folder: Path, name: str) -> Path:
    """Where the rows of a ranking lie."""
    return folder / f"{name.replace(':', '=')}.ndjson"


def read_rows(path: Path) -> Iterator[Row]:
    """Rows in the order of the stream.

    Raises:
        StorageError: the file is missing or damaged.
    """
    try:
        with path.open("rb") as file:
            for line in file:
                yield Row(**orjson.loads(line))
    except (OSError, orjson.JSONDecodeError, TypeError) as cause:
        raise StorageError(f"{path} cannot be read ({cause}): delete the replay's folder and play again") from cause
