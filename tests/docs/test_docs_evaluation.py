"""docs/evaluation.md: its commands can be given, its functions exist, its thresholds are those of the code."""

from __future__ import annotations

import importlib
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from bandstand.cli.main import app
from bandstand.replay.conclusion import MIN_USERS
from bandstand.replay.ope.verdict import VerdictSettings
from bandstand.replay.table import FEW

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "evaluation.md").read_text()
COMMANDS = typer.main.get_command(app).commands
LINES = [
    line.partition(" # ")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
]


@pytest.mark.parametrize("line", LINES)
def test_every_command_can_be_given(line):
    """Parsed by the command itself: names of options, their types, and how many arguments there are."""
    program, name, *words = shlex.split(line)
    assert program == "bandstand"
    context = COMMANDS[name].make_context(name, words)
    assert context.params


@pytest.mark.parametrize("line", sorted(set(re.findall(r"`python -m (bench[^`]*)`", PAGE))))
def test_every_benchmark_can_be_started(line):
    module, *words = line.split()
    help_text = subprocess.run(
        [sys.executable, "-m", module, "--help"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    assert all(word in help_text for word in words if not word.isdigit())


@pytest.mark.parametrize("row", re.findall(r"^\| [a-z ]+ \| (`.*?) \| `(.*)` \|$", PAGE, re.MULTILINE))
def test_every_estimator_that_is_named_exists(row):
    named, modules = re.findall(r"`([a-z_]+)`", row[0]), re.findall(r"[a-z_]+", row[1])
    found = [importlib.import_module(f"bandstand.replay.ope.{module}") for module in modules]
    assert named
    for name in named:
        function = next(getattr(module, name) for module in found if hasattr(module, name))
        assert function.__doc__, name


def test_the_table_of_estimators_is_whole():
    modules = ("single_decision", "joint_decisions")
    for name in modules:
        module = importlib.import_module(f"bandstand.replay.ope.{name}")
        public = [key for key, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
        for key in public:
            assert key.startswith("_") or key == "expected" or f"`{key}`" in PAGE, key


def test_the_thresholds_are_those_of_the_code():
    limits = VerdictSettings()
    assert f"fewer than {MIN_USERS} users" in PAGE
    assert f"fewer than {FEW} searches" in PAGE
    assert f"effective sample size below {limits.min_ess:g}" in PAGE
    assert limits.max_share == 0.1
    assert "more than a tenth of the weight" in PAGE
    assert f"more than {limits.mean_errors:g} standard errors" in PAGE
    assert f"more than {100 * limits.max_uncovered:g} % of the policy" in PAGE
    assert f"more than {100 * limits.max_left_out:g} % of the rounds unusable" in PAGE
