"""The benchmarks of evaluation, short: they run as documented, and find what is known."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(*words: str) -> str:
    done = subprocess.run([sys.executable, "-m", *words], cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout


def test_coverage_is_printed_by_world_and_in_all():
    rows = [line.split("|")[1:-1] for line in run("bench.coverage", "--repeats", "40", "--worlds", "2").splitlines()]
    assert [row[0].strip() for row in rows] == ["world", "---", "6", "7", "all", "half-width"]
    shares = [float(cell.strip().rstrip(" %")) for cell in rows[4][2:]]
    assert all(80 <= share <= 100 for share in shares)
    assert shares[-2:] == [100.0, 100.0]


def test_the_truth_of_a_long_log_is_found_and_its_memory_is_told():
    printed = run("bench.big_log", "--rows", "600")
    error, margin = re.search(r"estimate less truth: (\S+) .*± (\S+)", printed).groups()
    assert abs(float(error)) < 2 * float(margin)
    assert 50 < float(re.search(r"resident set: ([\d,.]+) MB", printed)[1].replace(",", "")) < 1000


def test_without_data_the_benchmark_says_what_it_needs(monkeypatch):
    monkeypatch.delenv("BANDSTAND_DATA", raising=False)
    done = subprocess.run(
        [sys.executable, "-m", "bench", "ope", "replay"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert done.stderr.count("set BANDSTAND_DATA") == 2
