"""The layout of the repository, as `make check` proves it: real folders, four links, no tool passes over a part."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from coverage import CoverageData

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
LINKS = ("bandit", "memory_index", "ranker", "retrievers")

IMPORT_EVERYTHING = """
import importlib, pkgutil
import bandstand

for module in pkgutil.walk_packages(bandstand.__path__, "bandstand."):
    importlib.import_module(module.name)
print(bandstand.__file__)
"""


def run(*words: object, cwd: Path, **environment: str) -> str:
    ended = subprocess.run(
        [sys.executable, *map(str, words)], cwd=cwd, env={**os.environ, **environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.mark.parametrize("name", LINKS)
def test_four_names_at_the_root_are_links_into_the_package(name):
    assert (ROOT / name).readlink() == Path(f"src/bandstand/{name}")
    assert (ROOT / name / "__init__.py").is_file()


def test_the_package_itself_holds_no_links():
    assert not [path for path in (ROOT / "src").rglob("*") if path.is_symlink()]


def test_a_checkout_without_links_imports(tmp_path):
    """As git makes it where links are switched off: each is a text file that holds its target."""
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    copied = shutil.copytree(ROOT / "src", tmp_path / "src", symlinks=True, ignore=ignored)
    for name in LINKS:
        (tmp_path / name).write_text(f"src/bandstand/{name}")
    shown = run("-c", IMPORT_EVERYTHING, cwd=tmp_path, PYTHONPATH=str(copied))
    assert Path(shown.strip()) == copied / "bandstand" / "__init__.py"


def test_coverage_sees_every_module(tmp_path):
    (tmp_path / "everything.py").write_text(IMPORT_EVERYTHING)
    data = tmp_path / "coverage"
    run("-m", "coverage", "run", f"--data-file={data}", tmp_path / "everything.py", cwd=ROOT)
    measured = CoverageData(str(data))
    measured.read()
    seen = {Path(file) for file in measured.measured_files() if measured.lines(file)}
    assert set((ROOT / "src" / "bandstand").rglob("*.py")) - seen == set()


def test_no_tool_leaves_out_files_by_a_list_kept_by_hand():
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    settings = {f"{name}.{key}" for name in ("ruff", "mypy") for key in tools[name]}
    assert not [setting for setting in settings if "exclude" in setting]
    assert "omit" not in tools["coverage"]["run"]
