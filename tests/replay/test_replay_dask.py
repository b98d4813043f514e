"""Policies played by Dask workers give the rows that one process gives."""

from __future__ import annotations

from dataclasses import replace

import distributed
import pytest

from bandstand.errors import BadInput, Unavailable
from bandstand.replay.evaluate import evaluate
from bandstand.replay.rows import read_rows, rows_path
from bandstand.replay.run import play, play_on_dask
from tests.support.replay_worlds import dataset, quick

pytestmark = pytest.mark.slow

POLICIES = ("bandit", "lexical", "memory")


@pytest.fixture(scope="module")
def address():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, scheduler_port=0
    ) as cluster:
        yield cluster.scheduler_address


def rows_of(folder, name):
    """The rows of a policy but for the milliseconds that this machine took."""
    found = read_rows(rows_path(folder / "policies" / name, name))
    return [replace(row, real_ms=0.0) for row in found]


def test_every_policy_gives_the_rows_of_one_process(address, tmp_path, moments):
    data, settings, progress = dataset(moments), quick(policies=POLICIES), []
    here = play(data, settings, tmp_path / "here")
    there = play_on_dask(
        data, settings, tmp_path / "there", address, progress=lambda name, count: progress.append((name, count))
    )
    assert here.policies == there.policies
    assert [name for name, _ in progress] == list(there.policies)
    for name in POLICIES:
        assert len(rows_of(tmp_path / "here", name)) == dict(progress)[name] > 0
        assert rows_of(tmp_path / "here", name) == rows_of(tmp_path / "there", name)


def test_what_is_wrong_is_said(address, tmp_path, moments):
    with pytest.raises(BadInput, match="--folder"):
        evaluate(dataset(moments), quick(), dask=address)
    with pytest.raises(Unavailable, match="no Dask scheduler"):
        evaluate(dataset(moments), quick(), folder=tmp_path, dask="tcp://127.0.0.1:1")
    with pytest.raises(BadInput, match="no search"):
        play_on_dask(dataset(moments), quick(since=1e12), tmp_path / "empty", address)
