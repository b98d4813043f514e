"""Training on two Dask workers gives the model of one process, within what partitions change."""

from functools import partial

import distributed
import numpy as np
import pytest

from bandstand.dask_workers import DaskWorkers
from bandstand.errors import BadInput, ModelError, Unavailable
from bandstand.ranker.dask import train_on_dask
from bandstand.ranker.features import FeatureSet
from bandstand.ranker.metrics import mean, ndcg_at
from bandstand.ranker.train import TrainSettings, train_lambdamart
from bandstand.ranker.training_set import TrainingSet, read_set, write_set
from bandstand.retrievers.registry import BUILT_IN
from tests.support.ranker_worlds import synthetic

LAYOUT = FeatureSet(BUILT_IN).layout
pytestmark = pytest.mark.slow
SETTINGS = TrainSettings(trees=25, masked=0.0)


@pytest.fixture(scope="module")
def address():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, scheduler_port=0
    ) as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def dask(address):
    with DaskWorkers(address) as workers:
        yield workers


def reads(data, folder, *, count=2):
    """Partitions in files, and how to read them."""
    dealt = np.arange(len(data)) % count
    for number in range(count):
        write_set(data.queries(dealt == number), folder / f"{number}.npz")
    return [partial(read_set, folder / f"{number}.npz") for number in range(count)]


def scores_of(trained, data):
    import lightgbm

    return lightgbm.Booster(model_str=trained.model.decode()).predict(data.features, raw_score=True, num_threads=1)


def ndcg(trained, data):
    return mean(ndcg_at(10, scores_of(trained, data), data.grades, data.groups))


def shown(data, seed, *, clicks):
    """The data as the log holds it: shown in some order; with ``clicks``, clicked more at the top."""
    rng = np.random.default_rng(seed)
    positions = np.concatenate([1 + rng.permutation(size) for size in data.groups]).astype(np.int32)
    seen = rng.random(len(positions)) < 1 / positions**0.5 if clicks else True
    return TrainingSet(
        features=data.features,
        layout=data.layout,
        grades=np.where(seen, data.grades, 0).astype(np.int32),
        groups=data.groups,
        positions=positions,
        weights=np.ones(len(positions), np.float32),
    )


@pytest.mark.parametrize("clicks", [False, True])
def test_two_workers_train_the_model_of_one_process(dask, tmp_path, clicks):
    data, fresh = shown(synthetic(1200, 7, LAYOUT), 3, clicks=clicks), synthetic(400, 8, LAYOUT)
    here = train_lambdamart(data, settings=SETTINGS, seed=1)
    there = train_on_dask(dask, reads(data, tmp_path), settings=SETTINGS, seed=1)
    assert there.layout == here.layout
    assert there.metrics["held_out_queries"] == here.metrics["held_out_queries"]
    assert ndcg(there, fresh) > ndcg(here, fresh) - 0.01  # bins and the trees that are kept differ: better is no fault
    assert np.corrcoef(scores_of(here, fresh), scores_of(there, fresh))[0, 1] > 0.95
    ours, theirs = (sorted(model.importances, key=model.importances.get)[-2:] for model in (here, there))
    assert set(ours) == set(theirs) == {LAYOUT.names[0], LAYOUT.names[2]}


def test_the_same_partitions_and_seed_give_the_same_model(dask, tmp_path):
    data = shown(synthetic(300, 5, LAYOUT), 1, clicks=False)
    parts = reads(data, tmp_path)
    first, again = (train_on_dask(dask, parts, settings=SETTINGS, seed=2) for _ in range(2))
    assert np.array_equal(scores_of(first, data), scores_of(again, data))


def test_one_partition_leaves_a_worker_idle(dask, tmp_path):
    data = shown(synthetic(100, 5, LAYOUT), 1, clicks=False)
    trained = train_on_dask(dask, reads(data, tmp_path, count=1), settings=SETTINGS, seed=2)
    assert "held_out_queries" not in trained.metrics  # 20 would be too few to judge by: all are trained on
    assert ndcg(trained, data) > 0.9


def test_a_set_comes_back_from_its_file_as_it_was(tmp_path):
    data = shown(synthetic(7, 1, LAYOUT), 1, clicks=True)
    write_set(data, tmp_path / "set.npz")
    again = read_set(tmp_path / "set.npz")
    assert again.layout == data.layout
    for name in ("features", "grades", "groups", "positions", "weights"):
        assert np.array_equal(getattr(again, name), getattr(data, name), equal_nan=name == "features")


def test_queries_that_say_nothing_are_not_trained_on(dask, tmp_path):
    data = shown(synthetic(10, 1, LAYOUT), 1, clicks=False)
    same = TrainingSet(**{**{name: getattr(data, name) for name in data.__slots__}, "grades": 0 * data.grades})
    with pytest.raises(BadInput, match="nothing to learn from"):
        train_on_dask(dask, reads(same, tmp_path), settings=SETTINGS, seed=0)


def test_what_a_worker_cannot_do_is_said(dask, tmp_path):
    data = shown(synthetic(40, 1, LAYOUT), 1, clicks=False)
    with pytest.raises(ModelError, match="label"):
        train_on_dask(dask, reads(data, tmp_path), settings=TrainSettings(label_gain=(0.0, 1.0)), seed=0)


def test_no_scheduler():
    with pytest.raises(Unavailable, match="no Dask scheduler at tcp:"):
        DaskWorkers("tcp://127.0.0.1:1")
