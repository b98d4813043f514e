"""The curves, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from bandstand.errors import StorageError
from bandstand.replay.rows import Row, read_rows, write_rows
from bandstand.replay.simulate.learning_curves import exploration, nicknames, recovery, series
from bandstand.replay.table import table_of
from bandstand.retrievers.registry import BUILT_IN


def line(query_class="nickname", key=1, rank=1, **extra):
    return Row(
        id="q", time=0.0, user="u", query="x", labels={"class": query_class}, found=[(rank, 1)] if rank else [],
        grades=[1], cost_ms=1.0, real_ms=1.0, depths=(200, 200, *[0] * (len(BUILT_IN.names) - 2)),
        extra={"key": key, "search_ms": 2.0, "exploring_ms": 0.0, "retried": 0.0, **extra},
    )  # fmt: skip


def table(rows):
    return table_of("bandit", rows)


def test_series_counts_what_was_missed_as_zero():
    points = series(table([line(rank=1), line(rank=2), line(rank=0), line(rank=0), line(rank=4)]), 4)
    assert [point["searches"] for point in points] == [4, 5]
    assert [point["MRR@10"] for point in points] == [0.375, 0.25]
    assert points[0]["by_class"]["nickname"]["played"]["memory"] == 1.0
    assert points[0]["by_class"]["nickname"]["played"]["dense"] == 0.0


def test_nicknames_are_followed_from_asking_to_asking():
    lines = table([line(key=1, rank=0), line(key=2, rank=1), line("playlist", 3), line(key=1, rank=2), line(key=1)])
    found = nicknames(lines)
    assert found == {"asked": 2, "learned": 1.0, "asks_to_first_place": 2.0, "MRR@10_by_asking": [0.5, 0.5, 1.0]}


def test_no_nicknames():
    found = nicknames(table([line("playlist")]))
    assert found == {"asked": 0, "learned": None, "asks_to_first_place": None, "MRR@10_by_asking": []}


def test_recovery():
    fine, broken = [line(rank=1)] * 500, [line(rank=0)] * 500
    found = recovery(table([*fine, *broken, *fine, *fine]), 500, 500)["all"]
    assert found == {"before": 1.0, "worst": 0.0, "last": 1.0, "recovered_after": 1_000}


def test_one_good_stretch_alone_is_no_recovery():
    fine, broken = [line(rank=1)] * 500, [line(rank=0)] * 500
    nearly = [*[line(rank=1)] * 495, *[line(rank=0)] * 5]  # 0.99
    found = recovery(table([*fine, *broken, *fine, *broken, *nearly, *nearly]), 500, 500)["all"]
    assert found == {"before": 1.0, "worst": 0.0, "last": 0.99, "recovered_after": 2_000}


def test_what_never_recovers_and_what_is_new():
    lines = table([*[line(rank=1)] * 500, *[line(rank=2)] * 500, *[line("new release", rank=2)] * 500])
    found = recovery(lines, 500, 500)
    assert found["nickname"]["recovered_after"] is None
    assert found["new release"] == {"before": None, "worst": 0.5, "last": 0.5, "recovered_after": None}


def test_exploration_without_audits_is_none_not_nan():
    assert exploration(table([line()])) == {"exploring_ms": 0.0, "audited": 0, "regret": None, "oracle_ms": None}


def test_rows_return_from_their_file(tmp_path):
    rows = [line(), line("playlist", 2, 0, regret=0.5), line(regret=float("nan"))]
    write_rows(tmp_path / "rows.ndjson", rows)
    again = table_of("bandit", read_rows(tmp_path / "rows.ndjson"))
    assert again.classes.tolist() == ["nickname", "playlist", "nickname"]
    np.testing.assert_array_equal(again.column("regret"), [np.nan, 0.5, np.nan])
    np.testing.assert_array_equal(again.depths, table(rows).depths)
    assert again.rows(slice(1, 2)).column("regret").tolist() == [0.5]


def test_damaged_rows_say_what_to_do(tmp_path):
    (tmp_path / "rows.ndjson").write_bytes(b"nothing")
    with pytest.raises(StorageError, match="delete"):
        list(read_rows(tmp_path / "rows.ndjson"))
