"""Blocks of rows on disk while a log is read, so that memory does not grow with the width of what is kept."""

from __future__ import annotations

from collections.abc import Sequence
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from bandstand.bandit.context import Features

BLOCK = 8_192
"""Rows that wait in memory before they are written."""

Singles = NDArray[np.float32]
_Packed = tuple[tuple[str, ...], list[float]]


class Spool:
    """Blocks (rows, width) of one type in an unnamed temporary file, read back as one array mapped from it.

    Later blocks may be wider: what an earlier row lacks is 0.
    """

    def __init__(self, dtype: DTypeLike) -> None:
        self._dtype = np.dtype(dtype)
        self._file: IO[bytes] = TemporaryFile()  # noqa: SIM115  lives as long as the mapped array needs it
        self._shapes: list[tuple[int, int]] = []

    def append(self, block: NDArray[Any]) -> None:
        """One more block."""
        self._file.write(np.ascontiguousarray(block, self._dtype).tobytes())
        self._shapes.append((block.shape[0], block.shape[1]))

    def array(self) -> NDArray[Any]:
        """Everything, (all rows, the largest width), read-only; the system pages it in and out."""
        rows, width = sum(rows for rows, _ in self._shapes), max((width for _, width in self._shapes), default=0)
        if not rows or not width:
            return np.empty((rows, width), self._dtype)
        if any(each != width for _, each in self._shapes):
            self._widen(width)
        self._file.flush()
        return np.memmap(self._file, self._dtype, "r", shape=(rows, width))

    def _widen(self, width: int) -> None:
        """The same rows, all of one width."""
        wide = Spool(self._dtype)
        self._file.seek(0)
        for rows, narrow in self._shapes:
            block = np.frombuffer(self._file.read(rows * narrow * self._dtype.itemsize), self._dtype)
            wide.append(np.pad(block.reshape(rows, narrow), ((0, 0), (0, width - narrow))))
        self._file, self._shapes = wide._file, wide._shapes


class ContextSpool:
    """One arm's contexts, a row for each search, by the names of their features; 0 where a search has none."""

    def __init__(self) -> None:
        self._spool = Spool(np.float32)
        self._places: dict[str, int] = {}
        self._columns: dict[tuple[str, ...], list[int]] = {}
        self._waiting: list[_Packed] = []

    def add(self, context: Features) -> None:
        """The next search's context; empty where it has none."""
        self._waiting.append((tuple(name for name, _ in context), [value for _, value in context]))
        if len(self._waiting) == BLOCK:
            self._flush()

    def array(self) -> Singles:
        """All contexts, (n, d), read-only; columns in the order in which their names were first met."""
        self._flush()
        return self._spool.array()

    def _flush(self) -> None:
        for names in dict.fromkeys(names for names, _ in self._waiting):
            self._columns[names] = [self._places.setdefault(name, len(self._places)) for name in names]
        self._spool.append(self._block(self._waiting))
        self._waiting = []

    def _block(self, waiting: Sequence[_Packed]) -> Singles:
        block = np.zeros((len(waiting), len(self._places)), np.float32)
        for row, (names, values) in zip(block, waiting, strict=True):
            row[self._columns[names]] = values
        return np.nan_to_num(block)
