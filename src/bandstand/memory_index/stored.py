"""The bytes of one query's record, read without copying: parallel columns, the visible rows first."""

from __future__ import annotations

from struct import Struct

import numpy as np

from bandstand.memory_index.keys import decode
from bandstand.types import Matrix, Ordinals

HEADER = Struct("<dffIII")
"""Time of the counts, evidence and best predicted score as of then, rows, visible rows, shared rows."""

ORDINAL, CLICK, PLAY, IMPRESSION, PREDICTED, UNCLICKED, STATE, RAW_CLICK, RAW_PLAY = range(9)
"""Columns: what everybody may see of a row, impressions that led to nothing, and what only the writer reads.

``CLICK`` and ``PLAY`` are 0 until a pair is shared, whatever its raw counts are; ``ORDINAL`` and ``STATE`` are int32.
"""

COLUMNS = RAW_PLAY + 1


class StoredQuery:
    """Read-only view of a stored record, valid as long as its bytes are.

    ``updated`` is seconds since 1970; ``block`` float32 (9, n) holds the columns named above, its first ``visible``
    rows being shared or predicted, ascending by ordinal within visible and hidden ones.
    """

    __slots__ = ("_value", "block", "shared", "updated", "visible")

    def __init__(self, value: bytes | memoryview) -> None:
        self.updated, _, _, n, self.visible, self.shared = HEADER.unpack_from(value)
        self.block: Matrix = np.frombuffer(value, np.float32, COLUMNS * n, HEADER.size).reshape(COLUMNS, n)
        self._value = value

    @property
    def ordinals(self) -> Ordinals:
        """Every row's entity, int32 (n,)."""
        ordinals: Ordinals = self.block[ORDINAL].view(np.int32)
        return ordinals

    @property
    def text(self) -> str:
        """The query, '' where nobody but one user knows it."""
        return decode(self._value[HEADER.size + self.block.nbytes :])


def worth(value: bytes | memoryview) -> tuple[float, float, float]:
    """Evidence, its time, and the best predicted score of a stored record, read from its header alone."""
    updated, evidence, prior, *_ = HEADER.unpack_from(value)
    return evidence, updated, prior


def shared_rows(value: bytes | memoryview) -> int:
    """How many entities enough users agree on, read from the header alone."""
    shared: int = HEADER.unpack_from(value)[5]
    return shared
