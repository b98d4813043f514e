"""Arrays of many searches in one file, and records of them as columns: some of the rows, and all of them on disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from bandstand.errors import StorageError


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


@dataclass(frozen=True, slots=True)
class Columnar:
    """A dataclass whose fields are arrays of n rows each. ``remedy`` says what to do about a file that is damaged."""

    remedy = "delete it and play again"

    def rows(self, kept: NDArray[np.bool_] | slice) -> Self:
        """Some of the searches."""
        return type(self)(**{field.name: getattr(self, field.name)[kept] for field in fields(self)})

    def save(self, path: Path) -> None:
        """Write the columns to one file.

        Raises:
            StorageError: it cannot be written.
        """
        with written(path) as file:
            np.savez_compressed(file, **{field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def load(cls, path: Path) -> Self:
        """What `save` wrote.

        Raises:
            StorageError: the file is missing or damaged.
        """
        with stored(path, cls.remedy) as columns:
            return cls(**{field.name: columns[field.name] for field in fields(cls)})
