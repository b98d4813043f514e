"""LightGBM comes alone, and to others as it was or whole."""

from __future__ import annotations

import subprocess
import sys

ALONE = """
import sys
from bandstand.boosting import lightgbm
assert lightgbm().Booster and lightgbm() is lightgbm()
found = sorted({"dask", "lightgbm", "pandas", "sklearn"} & set(sys.modules))
import sklearn
print(found, len(sys.meta_path))
"""
BEFORE = """
import sys
sys.modules["lightgbm"] = before = object()
from bandstand.boosting import lightgbm
assert lightgbm() is before
assert sys.modules["lightgbm"] is before
"""


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_nothing_is_imported_beside_it_and_who_imports_it_afterwards_has_the_whole():
    """What was left out can be imported, and LightGBM will be imported anew."""
    finders = run("import sys; print(len(sys.meta_path))").strip()
    assert run(ALONE).strip() == f"[] {finders}"


def test_what_was_imported_before_is_taken():
    run(BEFORE)
