"""Training on two Dask workers gives the model of one process, within what binning by partition changes."""

import numpy as np
import pytest
from ranker_worlds import synthetic

from bandstand.errors import BadInput, ModelError, Unavailable
from bandstand.ranker.dask_train import DaskBoost, partitions
from bandstand.ranker.features import feature_names
from bandstand.ranker.metrics import mean, ndcg_at
from bandstand.ranker.train import TrainSettings, train_lambdamart
from bandstand.ranker.training_set import TrainingSet

distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed")
NAMES = feature_names()
SETTINGS = TrainSettings(trees=25, masked=0.0)


@pytest.fixture(scope="module")
def address():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, scheduler_port=0
    ) as cluster:
        yield cluster.scheduler_address


def scores_of(trained, data):
    import lightgbm

    return lightgbm.Booster(model_str=trained.model.decode()).predict(data.features, raw_score=True, num_threads=1)


def ndcg(trained, data):
    return mean(ndcg_at(10, scores_of(trained, data), data.grades, data.groups))


def with_positions(data, seed):
    """Shown in some order, clicked more at the top: what the log holds."""
    rng = np.random.default_rng(seed)
    positions = np.concatenate([1 + rng.permutation(size) for size in data.groups]).astype(np.int32)
    seen = rng.random(len(positions)) < 1 / positions**0.5
    return TrainingSet(
        features=data.features,
        names=data.names,
        grades=np.where(seen, data.grades, 0).astype(np.int32),
        groups=data.groups,
        positions=positions,
        weights=np.ones(len(positions), np.float32),
    )


@pytest.mark.parametrize("clicked", [False, True])
def test_two_workers_train_the_model_of_one_process(address, clicked):
    data, fresh = synthetic(1200, 7, NAMES), synthetic(400, 8, NAMES)
    data = with_positions(data, 3) if clicked else data
    here = train_lambdamart(data, settings=SETTINGS, seed=1)
    there = train_lambdamart(data, settings=SETTINGS, seed=1, boost=DaskBoost(address))
    assert there.names == here.names
    assert there.metrics["held_out_queries"] == here.metrics["held_out_queries"]
    assert ndcg(there, fresh) == pytest.approx(ndcg(here, fresh), abs=0.01)
    assert np.corrcoef(scores_of(here, fresh), scores_of(there, fresh))[0, 1] > 0.95
    ours, theirs = (sorted(model.importances, key=model.importances.get)[-2:] for model in (here, there))
    assert set(ours) == set(theirs) == {NAMES[0], NAMES[2]}


def test_the_workers_end_at_the_same_tree_and_leave_no_network_behind(address):
    data = synthetic(300, 5, NAMES)
    first, again = (train_lambdamart(data, settings=SETTINGS, seed=2, boost=DaskBoost(address)) for _ in range(2))
    assert np.array_equal(scores_of(first, data), scores_of(again, data))


def test_partitions_hold_every_query_once():
    data = synthetic(7, 1, NAMES)
    parts = partitions(data, 3)
    assert [len(part) for part in parts] == [3, 2, 2]
    assert np.nansum([np.nansum(part.features) for part in parts]) == pytest.approx(np.nansum(data.features), rel=1e-4)
    with pytest.raises(BadInput, match="7 queries cannot be spread over 8 workers"):
        partitions(data, 8)


def test_what_a_worker_cannot_do_is_said(address):
    with pytest.raises(ModelError, match="label"):
        DaskBoost(address)(
            synthetic(40, 1, NAMES), synthetic(40, 2, NAMES), TrainSettings(label_gain=(0.0, 1.0)), 0, None
        )


def test_no_scheduler():
    with pytest.raises(Unavailable, match="no Dask scheduler at tcp:"):
        DaskBoost("tcp://127.0.0.1:1")(synthetic(4, 1, NAMES), synthetic(4, 1, NAMES), SETTINGS, 0, None)
