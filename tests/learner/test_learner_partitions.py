"""The log exported for Dask workers: every clicked search in one partition, read back as the log itself would be."""

from __future__ import annotations

import numpy as np
import pytest

from bandstand.errors import BadInput, StorageError
from bandstand.feedback.joined import joined
from bandstand.learner.dask_ranker import Partition, export
from bandstand.learner.selfplay import Curriculum
from bandstand.learner.train_ranker import clicks_set
from bandstand.ranker.features import FeatureSet
from bandstand.retrievers.registry import BUILT_IN

LAYOUT = FeatureSet(BUILT_IN).layout
CLICKED, WINDOW = 7, 1_800.0


@pytest.fixture
def log(small):
    """Seven searches with a click, two without."""
    for number in range(CLICKED):
        small.act("halo", on=small.search("halo", policy="lexical", user=f"u{number}"))
    for _ in range(2):
        small.search("hurt", policy="lexical")
    small.storage.log.flush()
    return small.storage.log


def rows(data):
    """Queries as comparable values, in no order."""
    starts = np.cumsum(data.groups) - data.groups
    parts = zip(starts, data.groups, strict=True)
    return sorted(
        (np.nan_to_num(data.features[at : at + size]).tobytes(), data.grades[at : at + size].tobytes())
        for at, size in parts
    )


def test_partitions_hold_the_rows_of_the_log(log, tmp_path):
    whole, span = clicks_set(joined(log, WINDOW), LAYOUT)
    exported = export(joined(log, WINDOW), Curriculum(), LAYOUT, tmp_path, count=3, seed=1)
    parts = [partition() for partition in exported.partitions]
    assert [len(part) for part in parts] == [3, 2, 2]
    assert (exported.clicked, exported.span) == (CLICKED, span)
    assert sorted(row for part in parts for row in rows(part)) == rows(whole)


def test_no_more_partitions_than_searches(log, tmp_path):
    exported = export(joined(log, WINDOW), Curriculum(), LAYOUT, tmp_path, count=10, seed=1)
    assert [len(partition()) for partition in exported.partitions] == [1] * CLICKED


def test_nothing_to_export_is_said(tmp_path):
    with pytest.raises(BadInput, match="nothing to train on"):
        export([], Curriculum(), LAYOUT, tmp_path, count=2, seed=1)


def test_a_worker_that_does_not_see_the_folder_says_so(tmp_path):
    with pytest.raises(StorageError, match="--partitions"):
        Partition(tmp_path / "0.sqlite", LAYOUT, WINDOW, None)()
    assert list(tmp_path.iterdir()) == []
