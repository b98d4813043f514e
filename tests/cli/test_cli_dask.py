"""`bandstand train ranker --dask`: workers read the exported log themselves, and train the model of one process."""

from __future__ import annotations

import distributed
import numpy as np
import pytest

from bandstand.app.platform import Platform
from bandstand.engine.request import SearchRequest
from bandstand.ranker.scorers import LambdaMartScorer
from bandstand.settings import load_settings
from bandstand.types import Event

pytestmark = pytest.mark.slow

SEARCHES = 40


@pytest.fixture(scope="module")
def address():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, scheduler_port=0
    ) as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def rows(home):
    """The feature rows of clicked searches that the home has logged."""
    platform = Platform(load_settings(home=home))
    found = []
    for number in range(SEARCHES):
        wanted = ("halo", "hurt", "one", "hello")[number % 4]
        asked = platform.searching.search(SearchRequest(query=wanted, policy="all", user_id=f"u{number}")).impression
        place = asked.entity_ids.index(wanted) + 1
        event = Event(
            id=f"e{number}",
            action="click",
            time=asked.query.time + 1,
            query_id=asked.query.id,
            user_id=f"u{number}",
            object_id=wanted,
            position=place,
        )
        platform.storage.log.append_events([event])
        found.append(asked.features)
    platform.close()
    return np.concatenate(found)


def scores(home, version, rows):
    with Platform(load_settings(home=home)) as platform:
        model = platform.storage.models.get("ranker", version)
        return LambdaMartScorer(model, platform.searching.features.layout).score(rows)


def test_two_workers_train_what_one_process_trains(cli, home, rows, address):
    here = cli("train", "ranker", "--json").json()
    there = cli("train", "ranker", "--dask", address, "--json").json()
    assert there["promoted"] is True
    assert (there["clicked_searches"], there["examples"]) == (here["clicked_searches"], here["examples"])
    assert there["clicked_searches"] == SEARCHES
    both = [scores(home, each["version"], rows) for each in (here, there)]
    assert np.corrcoef(*both)[0, 1] > 0.9
    assert list((home / "training").iterdir()) == []  # no copy of what users did is left


def test_the_folder_of_the_partitions_can_be_named(cli, home, rows, address, tmp_path):
    assert len(rows)
    assert cli("train", "--dask", address, "--partitions", tmp_path / "shared", "--json").json()["promoted"] is True
    assert list((tmp_path / "shared").iterdir()) == []
    assert not (home / "training").exists()


@pytest.mark.usefixtures("home")
def test_no_scheduler_is_said(cli):
    ended = cli("train", "--dask", "tcp://127.0.0.1:1")
    assert ended.code == 1
    assert "no Dask scheduler" in ended.err
