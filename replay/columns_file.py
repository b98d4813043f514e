"""Records of many searches as columns: some of the rows, and one file that holds them all."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from bandstand.errors import StorageError


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
        try:
            with path.open("wb") as file:
                np.savez_compressed(file, **{field.name: getattr(self, field.name) for field in fields(self)})
        except OSError as cause:
            raise StorageError(f"{path} cannot be written: {cause.strerror}; give another folder") from cause

    @classmethod
    def load(cls, path: Path) -> Self:
        """What `save` wrote.

        Raises:
            StorageError: the file is missing or damaged.
        """
        try:
            with np.load(path) as columns:
                return cls(**{field.name: columns[field.name] for field in fields(cls)})
        except (OSError, ValueError, KeyError) as cause:
            raise StorageError(f"{path} cannot be read: {cls.remedy}") from cause
