"""LightGBM without what it imports beside, three quarters of its time: scikit-learn, pandas and Dask, unused here."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType

_BESIDE = frozenset({"dask", "matplotlib", "pandas", "sklearn"})
_LOCK = threading.Lock()
_loaded: list[ModuleType] = []


def lightgbm() -> ModuleType:
    """LightGBM's own classes and functions, imported the first time.

    What was imported before is taken as it is; and who imports it afterwards, such as a notebook beside the platform,
    has the whole of it.
    """
    with _LOCK:
        if not _loaded:
            _loaded.append(sys.modules.get("lightgbm") or _alone())
        return _loaded[0]


def _alone() -> ModuleType:
    absent = _Absent()
    sys.meta_path.insert(0, absent)
    try:
        return importlib.import_module("lightgbm")
    finally:
        sys.meta_path.remove(absent)
        for name in [name for name in sys.modules if name.partition(".")[0] == "lightgbm"]:
            del sys.modules[name]


class _Absent(MetaPathFinder):
    """Says to the thread that made it that some packages are not there; what was imported already stays."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None, /) -> None:  # noqa: ARG002
        """Nothing, so that the finders that follow are asked."""
        if name in _BESIDE and threading.get_ident() == self._thread:
            raise ModuleNotFoundError(f"{name} is left out while LightGBM is imported", name=name)
