"""Small matrices as few bytes, from which every bit of them can be read back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_PARTS = 4096.0
"""Two bytes of float32 are half precision; of float64, whose fractions need it less than their range, so many parts of
1, from -8 to 8."""

Array = NDArray[Any]
Real = type[np.float32] | type[np.float64]


def packed(values: Array) -> bytes:
    """The matrix (r, c), float32 or float64, as bytes; r, c and the type are to be known when it is read.

    A byte that says whether two bytes a number hold all of them exactly, else they stay as they are; a bit for each
    column that says whether all its numbers are alike; of these columns one number; the other columns one by one.
    """
    if not values.size:
        return b""
    short = shortened(values)
    exact = np.array_equal(_bits(lengthened(short, values.dtype.type)), _bits(values))
    written = short if exact else values
    alike = (_bits(written) == _bits(written)[0]).all(axis=0)
    return b"".join(
        (bytes([exact]), np.packbits(alike).tobytes(), written[0, alike].tobytes(), written[:, ~alike].T.tobytes())
    )


def unpacked(data: bytes, rows: int, columns: int, dtype: Real) -> Array:
    """The matrix (rows, columns) that `packed` wrote.

    Raises:
        ValueError: there are more or fewer bytes than it takes.
    """
    if not rows * columns:
        return np.empty((rows, columns), dtype)
    flags = -(-columns // 8)
    alike = np.unpackbits(np.frombuffer(data, np.uint8, flags, 1), count=columns).astype(np.bool_)
    numbers = np.frombuffer(data, _SHORT[dtype] if data[0] else dtype, offset=1 + flags)
    same = int(alike.sum())
    values = np.empty((rows, columns), dtype)
    values[:, alike] = lengthened(numbers[:same], dtype)
    values[:, ~alike] = lengthened(numbers[same:].reshape(columns - same, rows), dtype).T
    return values


_SHORT: dict[type, str] = {np.float32: "<f2", np.float64: "<i2"}


def shortened(values: Array) -> Array:
    """Numbers in two bytes each, as far as these can hold them."""
    with np.errstate(over="ignore", invalid="ignore"):
        if values.dtype == np.float32:
            return values.astype("<f2")
        return np.rint(values * _PARTS).astype("<i2")


def lengthened(written: Array, dtype: Real) -> Array:
    """What `shortened` gave, or numbers that stayed as they were, as numbers of a type."""
    found: Array = written.astype(dtype)
    return found / _PARTS if written.dtype.kind == "i" else found


def _bits(values: Array) -> Array:
    """What two numbers have in common that are the same: unlike 0 and -0, like NaN and NaN."""
    return values.view(f"u{values.dtype.itemsize}")
