"""The files of a music folder, by their paths inside it, and what changes when a file does."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bandstand.errors import BadInput


@dataclass(frozen=True, slots=True)
class File:
    """A file: its path inside the folder, with "/" between the parts, and a stamp that changes when it is written."""

    path: str
    stamp: str

    @property
    def suffix(self) -> str:
        """How its name ends, in small letters."""
        return PurePosixPath(self.path).suffix.lower()


def files(folder: Path, suffixes: Collection[str]) -> list[File]:
    """The files of a folder and of its folders whose names end so, by their paths; hidden ones are left out.

    Raises:
        BadInput: it is no folder, or cannot be read.
    """
    try:
        next(folder.iterdir(), None)
    except OSError as cause:
        raise BadInput(f"cannot read the folder {folder}: {cause.strerror or cause}") from cause
    found = (file for file in _walked(folder) if file.suffix in suffixes)
    return sorted(found, key=lambda file: file.path)


def _walked(folder: Path) -> Iterator[File]:
    """Links are followed, each folder once."""
    seen = set[str]()
    for here, below, names in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(here)) in seen:
            below.clear()
            continue
        seen.add(real)
        below[:] = [name for name in below if not name.startswith(".")]
        for name in names:
            path = Path(here, name)
            if not name.startswith(".") and (stamp := _stamp(path)):
                yield File(path.relative_to(folder).as_posix(), stamp)


def _stamp(path: Path) -> str:
    """When it was last written and how long it is; "" where it went meanwhile."""
    try:
        found = path.stat()
    except OSError:
        return ""
    return f"{found.st_mtime_ns}:{found.st_size}"
