"""The suite itself: what it does where something from outside is missing."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import needed

TESTS = Path(__file__).parents[1]
OPTIONAL = {"packaging/test_deployment.py", "catalog/test_catalog_mapping.py"}
"""Docker Compose validates a file that other tests parse; PostgreSQL is asked what SQLite is asked in any case."""


@pytest.mark.parametrize("ci", ["", "0", "false"])
def test_what_is_missing_on_a_laptop_is_skipped_with_the_remedy(monkeypatch, ci):
    monkeypatch.setenv("CI", ci)
    needed(there=True, remedy="set A")
    with pytest.raises(pytest.skip.Exception, match="set A"):
        needed(there=None, remedy="set A")


@pytest.mark.parametrize("ci", ["true", "1", "True"])
def test_what_is_missing_in_ci_fails_with_the_remedy(monkeypatch, ci):
    monkeypatch.setenv("CI", ci)
    needed(there=True, remedy="set A")
    with pytest.raises(pytest.fail.Exception, match="in CI nothing is skipped: set A"):
        needed(there="", remedy="set A")


@pytest.mark.slow
def test_what_needs_a_cluster_can_be_left_out():
    file = "tests/memory_index/test_memory_batch.py"
    command = [sys.executable, "-m", "pytest", "--collect-only", "-m", "not cluster", file]
    shown = subprocess.run(command, cwd=TESTS.parent, capture_output=True, text=True, check=True).stdout
    assert "[embedded" in shown
    assert "[opensearch" not in shown


def test_no_test_skips_by_itself():
    skips = re.compile(r"pytest\.(skip\(|importorskip|mark\.skip)")
    found = {path.relative_to(TESTS).as_posix() for path in TESTS.rglob("*.py") if skips.search(path.read_text())}
    assert found == {"conftest.py"} | OPTIONAL
