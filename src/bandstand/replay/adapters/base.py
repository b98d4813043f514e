"""What every adapter offers, and what several of them share."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Protocol

import numpy as np

from bandstand.errors import BadInput
from bandstand.replay.stream import Dataset

_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")

Month = tuple[int, int]
"""Year and month, which compare as they should."""


class Adapter(Protocol):
    """Opens the files of one kind of data set. Its fields, frozen, are the options of its protocol."""

    @property
    def name(self) -> str:
        """What the command line calls it."""

    def open(self, path: Path) -> Dataset:
        """The data set of a file or folder.

        Raises:
            BadInput: it is missing, or not of this kind; the message names what is.
        """


def month_of(text: str, field: str) -> Month:
    """``YYYY-MM`` as numbers.

    Raises:
        BadInput: it is no month.
    """
    match = _MONTH.fullmatch(text)
    if match is None:
        raise BadInput(f"{field} must be YYYY-MM, not {text!r}", field=field)
    return int(match[1]), int(match[2])


def month_start(month: Month) -> float:
    """Unix time of the month's first second, UTC."""
    return float(calendar.timegm((*month, 1, 0, 0, 0)))


def next_month(month: Month) -> Month:
    """The month after."""
    return (month[0] + 1, 1) if month[1] == 12 else (month[0], month[1] + 1)


def months(first: Month, last: Month) -> Iterator[Month]:
    """From the first to the last, both included."""
    while first <= last:
        yield first
        first = next_month(first)


def stable_hash(*parts: object) -> str:
    """16 hex digits that depend on nothing but the parts."""
    return blake2b("\x1f".join(map(str, parts)).encode("utf-8", "replace"), digest_size=8).hexdigest()


def generator(seed: int, *parts: object) -> np.random.Generator:
    """A generator of its own for every part of a data set: drawing more in one changes nothing in another."""
    return np.random.default_rng([seed, int(stable_hash(*parts), 16)])


def table_file(folder: Path, name: str) -> Path:
    """The file of a name in a folder, plain or packed.

    Raises:
        BadInput: there is none.
    """
    for candidate in (folder / name, folder / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    raise BadInput(f"{folder} has no {name} or {name}.gz")
