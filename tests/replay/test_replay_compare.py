"""`bandstand compare`: paired differences with Holm's correction, what could be detected, and warnings."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from bandstand.cli.main import app
from bandstand.replay.evaluate import compare

N = 400


def values(mean: float, seed: int) -> list[float]:
    return np.clip(np.random.default_rng(seed).normal(mean, 0.1, N), 0.0, 1.0).round(5).tolist()


def result(**policies: list[float]) -> dict[str, object]:
    """A replay's result of 400 searches by 100 users; every measure has the same values."""
    names = ("MRR@10", "nDCG@10", "R@100")
    return {
        "dataset": "d", "protocol": "p", "data_sha256": "0" * 64, "seed": 1, "n_searches": N, "leaks": None,
        "searches": {"ids": [str(n) for n in range(N)], "users": [str(n % 100) for n in range(N)]},
        "policies": {
            name: {
                "kind": "policy", "cost_ms": 1.0 + len(name),
                "metrics": {m: {"value": float(np.mean(each)), "ci95": [0.0, 1.0]} for m in names},
                "values": dict.fromkeys(names, each),
            }
            for name, each in policies.items()
        },
    }  # fmt: skip


@pytest.fixture
def compared(tmp_path):
    def run(one, two):
        paths = tmp_path / "a.json", tmp_path / "b.json"
        for path, each in zip(paths, (one, two), strict=True):
            path.write_text(json.dumps(each))
        return compare(*paths)

    return run


def row(found, policy):
    return next(each for each in found["differences"] if (each["policy"], each["measure"]) == (policy, "MRR@10"))


def test_pairs_tell_a_small_difference_and_holm_counts_the_comparisons(compared):
    base = values(0.5, 0)
    better = (np.array(base) + 0.01 + np.random.default_rng(5).normal(0, 0.005, N)).tolist()
    noise = (np.array(base) + np.random.default_rng(6).normal(0, 0.02, N)).tolist()
    found = compared(result(a=base, b=base, c=base), result(a=better, b=noise, c=base))
    assert found["warnings"] == []
    a, b, c = (row(found, name) for name in "abc")
    assert a["difference"] == pytest.approx(0.01, abs=0.001)
    assert a["low"] < 0.01 < a["high"]
    assert a["p"] == pytest.approx(2 / 2001)
    assert a["p_holm"] == pytest.approx(3 * a["p"])
    assert b["p_holm"] >= b["p"]
    assert (c["difference"], c["p"], c["p_holm"]) == (0.0, 1.0, 1.0)


def test_the_detectable_difference_by_hand(compared):
    """Each user's four searches gain +d or -d alike: the standard error is d / sqrt(users), however many searches."""
    gain = np.where(np.arange(N) % 100 < 50, 0.1, -0.1)
    found = row(compared(result(a=[0.5] * N), result(a=(0.5 + gain).tolist())), "a")
    assert found["detectable"] == pytest.approx((1.959964 + 0.841621) * 0.1 / 10, rel=0.06)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"dataset": "e"}, "the data sets differ"),
        ({"data_sha256": "1" * 64}, "the data (by SHA-256) differ"),
        ({"protocol": "q"}, "the protocols differ"),
        ({"seed": 2}, "the seeds differ"),
        ({"leaks": "the future"}, "(leak)"),
    ],
)
def test_what_differs_is_warned_of(compared, change, word):
    one = result(a=values(0.5, 0))
    assert any(word in warning for warning in compared(one, one | change)["warnings"])


def test_without_the_same_searches_there_are_means_alone(compared):
    one, two = result(a=values(0.5, 0)), result(a=values(0.6, 1))
    del two["searches"]
    found = compared(one, two)
    assert "without intervals" in " ".join(found["warnings"])
    assert "p" not in row(found, "a")
    assert row(found, "a")["difference"] == pytest.approx(0.1, abs=0.02)


def test_evaluations_of_logs_compare_by_what_they_measure(compared):
    def evaluated(value):
        metrics = {"reward": {"value": value, "ci95": [None, None]}}
        shared = {name: each for name, each in result().items() if name != "searches"}
        return shared | {"policies": {"random": {"metrics": metrics, "cost_ms": None, "segments": {}}}}

    (only,) = compared(evaluated(0.5), evaluated(0.75))["differences"]
    assert (only["measure"], only["difference"], only["cost_ms"]) == ("reward", 0.25, None)
    (only,) = compared(evaluated(None), evaluated(0.75))["differences"]
    assert only["difference"] is None


def test_the_command_prints_the_table_and_the_warnings(tmp_path):
    one, two = result(a=values(0.5, 0)), result(a=values(0.6, 1)) | {"protocol": "q"}
    for name, each in (("a", one), ("b", two)):
        (tmp_path / f"{name}.json").write_text(json.dumps(each))
    words = [
        "compare",
        str(tmp_path / "a.json"),
        str(tmp_path / "b.json"),
        "--json",
        str(tmp_path / "c.json"),
    ]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert "Warning: the protocols differ" in done.output
    assert "detectable" in done.output
    assert json.loads((tmp_path / "c.json").read_text())["differences"]
