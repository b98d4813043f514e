"""The curves, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from bandstand.errors import StorageError
from bandstand.replay.simulate.evaluate import exploration, nicknames, recovery, series
from bandstand.replay.simulate.tally import Line, Tally, tally_of
from bandstand.types import ARMS


def line(query_class="nickname", key=1, rank=1, **rest):
    values = {
        "cost_ms": 1.0, "real_ms": 1.0, "search_ms": 2.0, "depths": (200, 200, *[0] * (len(ARMS) - 2)),
        "exploring_ms": 0.0, "regret": float("nan"), "oracle_ms": float("nan"), "retried": False,
    }  # fmt: skip
    return Line(query_class=query_class, key=key, rank=rank, **{**values, **rest})


def test_series_counts_what_was_missed_as_zero():
    points = series(tally_of([line(rank=1), line(rank=2), line(rank=0), line(rank=0), line(rank=4)]), 4)
    assert [point["searches"] for point in points] == [4, 5]
    assert [point["MRR@10"] for point in points] == [0.375, 0.25]
    assert points[0]["by_class"]["nickname"]["played"]["memory"] == 1.0
    assert points[0]["by_class"]["nickname"]["played"]["dense"] == 0.0


def test_nicknames_are_followed_from_asking_to_asking():
    tally = tally_of([line(key=1, rank=0), line(key=2, rank=1), line("playlist", 3), line(key=1, rank=2), line(key=1)])
    found = nicknames(tally)
    assert found == {"asked": 2, "learned": 1.0, "asks_to_first_place": 2.0, "MRR@10_by_asking": [0.5, 0.5, 1.0]}


def test_no_nicknames():
    found = nicknames(tally_of([line("playlist")]))
    assert found == {"asked": 0, "learned": None, "asks_to_first_place": None, "MRR@10_by_asking": []}


def test_recovery():
    fine, broken = [line(rank=1)] * 500, [line(rank=0)] * 500
    found = recovery(tally_of([*fine, *broken, *fine, *fine]), 500, 500)["all"]
    assert found == {"before": 1.0, "worst": 0.0, "last": 1.0, "recovered_after": 1_000}


def test_one_good_stretch_alone_is_no_recovery():
    fine, broken = [line(rank=1)] * 500, [line(rank=0)] * 500
    nearly = [*[line(rank=1)] * 495, *[line(rank=0)] * 5]  # 0.99
    found = recovery(tally_of([*fine, *broken, *fine, *broken, *nearly, *nearly]), 500, 500)["all"]
    assert found == {"before": 1.0, "worst": 0.0, "last": 0.99, "recovered_after": 2_000}


def test_what_never_recovers_and_what_is_new():
    tally = tally_of([*[line(rank=1)] * 500, *[line(rank=2)] * 500, *[line("new release", rank=2)] * 500])
    found = recovery(tally, 500, 500)
    assert found["nickname"]["recovered_after"] is None
    assert found["new release"] == {"before": None, "worst": 0.5, "last": 0.5, "recovered_after": None}


def test_exploration_without_audits_is_none_not_nan():
    assert exploration(tally_of([line()])) == {"exploring_ms": 0.0, "audited": 0, "regret": None, "oracle_ms": None}


def test_a_tally_returns_from_its_file(tmp_path):
    tally = tally_of([line(), line("playlist", 2, 0, regret=0.5)])
    tally.save(tmp_path / "tally.npz")
    again = Tally.load(tmp_path / "tally.npz")
    assert again.classes.tolist() == ["nickname", "playlist"]
    np.testing.assert_array_equal(again.regret, tally.regret)
    np.testing.assert_array_equal(again.depths, tally.depths)


def test_a_damaged_tally_says_what_to_do(tmp_path):
    (tmp_path / "tally.npz").write_bytes(b"nothing")
    with pytest.raises(StorageError, match="delete it"):
        Tally.load(tmp_path / "tally.npz")
