"""Which code made a result: the version of the distribution, and a digest of the sources that were really there."""

from __future__ import annotations

import hashlib
import os
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path


@cache
def code_version() -> str:
    """``0.1.0 (source 0123456789ab)``; the same wherever the same files are installed."""
    try:
        released = version("bandstand")
    except PackageNotFoundError:
        released = "unreleased"
    return f"{released} (source {_digest(Path(str(files('bandstand'))))})"


def _digest(package: Path) -> str:
    """12 hexadecimal digits of the SHA-256 over the names and contents of all modules."""
    whole = hashlib.sha256()
    for folder, _, names in sorted(os.walk(package, followlinks=True)):
        for name in sorted(names):
            if name.endswith(".py"):
                path = Path(folder, name)
                whole.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    return whole.hexdigest()[:12]
