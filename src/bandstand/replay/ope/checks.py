"""What every estimator asks of its arrays: shape, finite numbers, probabilities; a refusal names field and remedy."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandstand.errors import BadInput

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ROUNDING = 1e-6
"""How far a sum of probabilities may be from 1: float32 logs lose that much."""


def numbers(values: ArrayLike, field: str, *, ndim: int = 1, rows: int | None = None) -> Floats:
    """``values`` as float64 with ``ndim`` axes, at least one row, all finite.

    Raises:
        BadInput: Another shape, nothing in it, other than ``rows`` rows, or NaN and infinities.
    """
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise BadInput(f"{field} must be numbers: {error}", field=field) from error
    if array.ndim != ndim:
        raise BadInput(f"{field} must have {ndim} axes, not {array.ndim}", field=field)
    if not array.size:
        raise BadInput(f"{field} is empty: there is nothing to evaluate on", field=field)
    if rows is not None and len(array) != rows:
        raise BadInput(f"{field} has {len(array)} rows, the others have {rows}", field=field)
    _refuse(~np.isfinite(array), array, field, "is not finite: leave such rounds out")
    return array


def propensities(values: ArrayLike, field: str, *, ndim: int = 1, rows: int | None = None) -> Floats:
    """Probabilities of what really happened: in (0, 1].

    Raises:
        BadInput: As `numbers`, or a value outside (0, 1].
    """
    array = numbers(values, field, ndim=ndim, rows=rows)
    wrong = (array <= 0.0) | (array > 1.0 + _ROUNDING)
    _refuse(wrong, array, field, "is outside (0, 1]: what was logged had a positive probability, so log that")
    return array


def probabilities(values: ArrayLike, field: str, *, ndim: int = 1, rows: int | None = None) -> Floats:
    """Probabilities of what a policy might do: in [0, 1].

    Raises:
        BadInput: As `numbers`, or a value outside [0, 1].
    """
    array = numbers(values, field, ndim=ndim, rows=rows)
    _refuse((array < 0.0) | (array > 1.0 + _ROUNDING), array, field, "is outside [0, 1]")
    return array


def distributions(values: ArrayLike, field: str, *, ndim: int = 2, rows: int | None = None) -> Floats:
    """Distributions along the last axis: in [0, 1], summing to 1.

    Raises:
        BadInput: As `probabilities`, or a sum other than 1.
    """
    array = probabilities(values, field, ndim=ndim, rows=rows)
    sums = array.sum(axis=-1)
    _refuse(np.abs(sums - 1.0) > _ROUNDING, sums, field, "is the sum of a distribution, which must be 1")
    return array


def choices(values: ArrayLike, field: str, *, options: int, ndim: int = 1, rows: int | None = None) -> Ints:
    """Indices of what was chosen: whole numbers in [0, options).

    Raises:
        BadInput: As `numbers`, or a value that is no such index.
    """
    array = numbers(values, field, ndim=ndim, rows=rows)
    wrong = (array != np.floor(array)) | (array < 0) | (array >= options)
    _refuse(wrong, array, field, f"is no index of one of {options} actions")
    return array.astype(np.int64)


def non_negative(value: float, field: str) -> float:
    """A hyper-parameter in [0, inf].

    Raises:
        BadInput: It is negative or NaN.
    """
    if not value >= 0.0:
        raise BadInput(f"{field} must be 0 or more, got {value}", field=field)
    return value


def share(value: float, field: str) -> float:
    """A level or a share, strictly between 0 and 1.

    Raises:
        BadInput: It is not.
    """
    if not 0.0 < value < 1.0:
        raise BadInput(f"{field} must be between 0 and 1, got {value}", field=field)
    return value


def taken(table: Floats, action: Ints) -> Floats:
    """Each row's value at its action: (n, k) and (n,) to (n,), or (n, m, k) and (n, m) to (n, m)."""
    return np.take_along_axis(table, action[..., None], axis=-1)[..., 0]


def _refuse(wrong: NDArray[np.bool_], array: Floats, field: str, why: str) -> None:
    if wrong.any():
        place = tuple(int(axis[0]) for axis in np.nonzero(wrong))
        more = int(wrong.sum()) - 1
        raise BadInput(
            f"{field}{list(place)} = {array[place]:g} {why}" + (f" ({more} more like it)" if more else ""), field=field
        )
