"""Training: it learns, the same way twice, says what it cannot do, and undoes position bias."""

from __future__ import annotations

import gzip
from dataclasses import replace

import lightgbm
import numpy as np
import pytest

from bandstand.errors import BadInput
from bandstand.ranker.features import feature_hash
from bandstand.ranker.metrics import mean, ndcg_at
from bandstand.ranker.start import Start
from bandstand.ranker.train import TrainSettings, drawn, train_lambdamart
from bandstand.ranker.training_set import TrainingSet, concatenate, mask_retrievers
from bandstand.types import LOGGED_DEPTH, FeatureLayout
from tests.support.ranker_worlds import synthetic

LAYOUT = FeatureLayout(("a.score", "a.rr", "b.score", "b.rr", "popularity"))
SMALL = TrainSettings(trees=25, leaves=7, min_rows_a_leaf=5)


def training_set(features, grades, groups, **parts):
    return TrainingSet(
        features=np.array(features, np.float32),
        layout=FeatureLayout(tuple(f"f{column}" for column in range(np.shape(features)[1]))),
        grades=np.array(grades, np.int32),
        groups=np.array(groups, np.int32),
        **parts,
    )


def quality(trained, data, k=10):
    booster = lightgbm.Booster(model_str=trained.model.decode())
    return mean(ndcg_at(k, booster.predict(data.features), data.grades, data.groups))


def test_it_learns_and_says_how_well_and_from_what(trained, feature_set):
    assert trained.metrics["ndcg@10"] > 0.9
    assert 0.9 < trained.metrics["mrr@10"] <= 1
    assert 50 <= trained.metrics["held_out_queries"] <= 110
    assert 1 <= trained.metrics["trees"] <= 20
    first, second = sorted(trained.importances, key=trained.importances.get)[-2:][::-1]
    assert (first, second) == (feature_set.names[0], feature_set.names[2])
    assert sum(trained.importances.values()) == pytest.approx(1)


def test_the_card_says_what_the_registry_needs(trained, feature_set):
    card = trained.card(data_range=(1.0, 2.0), parent="p")
    assert card.feature_names == feature_set.names
    assert card.feature_hash == feature_hash(feature_set.layout)
    assert (card.data_range, card.parent, card.metrics) == ((1.0, 2.0), "p", trained.metrics)


def test_the_same_seed_gives_the_same_model():
    data = synthetic(60, 1, LAYOUT)
    models = [train_lambdamart(data, retrievers=("a", "b"), settings=SMALL, seed=seed).model for seed in (5, 5, 6)]
    assert models[0] == models[1]
    assert models[0] != models[2]


def test_progress_counts_trees_and_can_stop_the_training():
    seen = []
    train_lambdamart(
        synthetic(20, 1, LAYOUT), settings=replace(SMALL, held_out=0), progress=lambda *at: seen.append(at)
    )
    assert seen == [(tree, 25) for tree in range(1, 26)]

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_lambdamart(synthetic(20, 1, LAYOUT), settings=SMALL, progress=stop)


def test_too_few_queries_are_all_trained_on_without_a_verdict():
    trained = train_lambdamart(synthetic(100, 1, LAYOUT), settings=SMALL)
    assert trained.metrics == {"trees": 25}


def test_trees_are_cut_where_the_held_out_queries_were_best_ranked():
    data, other = synthetic(60, 1, LAYOUT), synthetic(60, 2, LAYOUT)
    noise = replace(other, grades=np.random.default_rng(1).permutation(other.grades))
    assert train_lambdamart(data, held_out=noise, settings=SMALL).metrics["trees"] < 20


GOOD, BAD = Start({"a.score": 5.0, "b.score": 2.0}), Start({"a.score": -5.0})


def test_trees_improve_on_the_score_that_they_start_from():
    data, held_out = synthetic(60, 1, LAYOUT), synthetic(60, 2, LAYOUT)
    trained = train_lambdamart(data, held_out=held_out, settings=replace(SMALL, start=BAD))
    assert trained.metrics["trees"] > 1
    assert trained.start == BAD
    start = mean(ndcg_at(10, BAD.scores(held_out.features, LAYOUT), held_out.grades, held_out.groups))
    assert trained.metrics["ndcg@10"] > start + 0.1


def test_no_tree_is_kept_where_the_start_ranks_the_held_out_queries_best():
    data, held_out = synthetic(60, 1, LAYOUT), synthetic(60, 2, LAYOUT)
    wrong = replace(data, grades=data.grades.max() - data.grades)
    trained = train_lambdamart(wrong, held_out=held_out, settings=replace(SMALL, start=GOOD))
    assert trained.metrics["trees"] == 0
    start = mean(ndcg_at(10, GOOD.scores(held_out.features, LAYOUT), held_out.grades, held_out.groups))
    assert trained.metrics["ndcg@10"] == pytest.approx(start)


def test_without_a_verdict_the_start_serves_alone():
    trained = train_lambdamart(synthetic(100, 1, LAYOUT), settings=replace(SMALL, start=GOOD))
    assert trained.metrics == {"trees": 0}


def test_queries_that_nobody_saw_are_trained_on_and_judge_nothing():
    posed, seen = synthetic(400, 1, LAYOUT), synthetic(400, 2, LAYOUT)
    posed = replace(posed, positions=np.full(len(posed.grades), LOGGED_DEPTH + 1, np.int32))
    seen = replace(seen, positions=np.ones(len(seen.grades), np.int32))
    both = concatenate(posed, seen)
    assert not drawn(both, 0.5, 1)[: len(posed)].any()
    assert 0.3 < drawn(both, 0.5, 1)[len(posed) :].mean() < 0.7


def test_held_out_queries_can_be_given():
    held_out = synthetic(30, 2, LAYOUT)
    trained = train_lambdamart(synthetic(60, 1, LAYOUT), held_out=held_out, settings=SMALL)
    assert trained.metrics["ndcg@10"] == pytest.approx(quality(trained, held_out))


@pytest.mark.parametrize(
    ("grades", "groups"),
    [([], []), ([0, 0, 0], [3]), ([1, 1], [2]), ([0, 1], [1, 1])],
    ids=["nothing", "no click", "all clicked", "one candidate each"],
)
def test_nothing_to_learn_from(grades, groups):
    with pytest.raises(BadInput, match="nothing to learn from"):
        train_lambdamart(training_set(np.zeros((len(grades), 1)), grades, groups))


def test_a_grade_without_gain_is_refused():
    with pytest.raises(BadInput, match="grade 5 has no gain"):
        train_lambdamart(training_set(np.zeros((2, 1)), [5, 0], [2]))


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"grades": [1]}, "features are"),
        ({"groups": [1]}, "sum to 2"),
        ({"groups": [0, 2]}, "1 or more"),
        ({"grades": [-1, 0]}, "0 or more"),
        ({"positions": np.array([1], np.int32)}, "positions has 1"),
        ({"weights": np.ones(3, np.float32)}, "weights has 3"),
    ],
)
def test_training_sets_are_checked(parts, reason):
    with pytest.raises(BadInput, match=reason):
        training_set(**({"features": np.zeros((2, 1)), "grades": [1, 0], "groups": [2]} | parts))


def test_choosing_and_joining_queries():
    rows = np.arange(5, dtype=np.int32)
    data = training_set(rows[:, None], [0, 1, 0, 0, 2], [2, 1, 2], positions=rows, weights=rows.astype(np.float32))
    assert data.decisive().tolist() == [True, False, True]
    chosen = data.queries(data.decisive())
    assert chosen.groups.tolist() == [2, 2]
    for part in (chosen.features[:, 0], chosen.positions, chosen.weights):
        assert part.tolist() == [0, 1, 3, 4]
    both = concatenate(chosen, data.queries(~data.decisive()))
    assert (both.groups.tolist(), both.positions.tolist()) == ([2, 2, 1], [0, 1, 3, 4, 2])


def test_masking_hides_whole_arms_of_whole_queries_and_rows_nobody_brings():
    data = synthetic(200, 3, LAYOUT)
    nan_free = replace(data, features=np.nan_to_num(data.features, nan=0.5))
    masked = mask_retrievers(nan_free, ("a", "b"), np.random.default_rng(0), chance=0.5)
    hidden = np.isnan(masked.features)
    assert not hidden[:, 4].any()
    np.testing.assert_array_equal(hidden[:, 0], hidden[:, 1])
    np.testing.assert_array_equal(hidden[:, 2], hidden[:, 3])
    assert not (hidden[:, 0] & hidden[:, 2]).any()
    per_query = hidden[:, [0, 2]].reshape(-1, 12, 2)
    assert (per_query == per_query[:, :1]).all()
    assert 120 < len(masked) < 180  # a quarter of the queries lost both arms
    assert (
        mask_retrievers(nan_free, ("a",), np.random.default_rng(0), chance=0.0).features.tolist()
        == nan_free.features.tolist()
    )


def test_masked_copies_help_where_an_arm_is_skipped():
    rng = np.random.default_rng(2)

    def world(queries):
        truth = rng.random(queries * 10)
        noisy = truth + rng.normal(0, 0.25, len(truth))
        other = truth + rng.normal(0, 0.05, len(truth))
        features = np.stack(
            [other, np.full(len(truth), 0.5), noisy, np.full(len(truth), 0.5), rng.random(len(truth))], 1
        )
        grades = (truth.reshape(-1, 10) == truth.reshape(-1, 10).max(1, keepdims=True)).ravel()
        return training_set(features, grades, [10] * queries)

    train, test = (replace(world(queries), layout=LAYOUT) for queries in (300, 200))
    without = replace(test, features=test.features.copy())
    without.features[:, :2] = np.nan
    settings = replace(SMALL, held_out=0, mask_chance=0.5, masked=1.0)
    plain = train_lambdamart(train, settings=settings)
    robust = train_lambdamart(train, retrievers=("a", "b"), settings=settings)
    assert quality(robust, without) > quality(plain, without) + 0.1
    assert quality(robust, test) > quality(plain, test) - 0.02


def clicked_world(queries, seed, per_query=10):
    """Impressions of a ranking by popularity, clicked by relevance times examination 1 / k ** 0.6."""
    rng = np.random.default_rng(seed)
    relevance = rng.random((queries, per_query))
    popularity = np.sort(rng.random((queries, per_query)), axis=1)[:, ::-1]
    position = np.tile(np.arange(1, per_query + 1), (queries, 1))
    clicks = rng.random(relevance.shape) < relevance**2 * position**-0.6
    features = np.stack([relevance + rng.normal(0, 0.1, relevance.shape), popularity], axis=-1).reshape(-1, 2)
    groups = [per_query] * queries
    biased = training_set(features, clicks.ravel(), groups, positions=position.ravel().astype(np.int32))
    return biased, training_set(features, np.floor(relevance * 5).astype(np.int32).ravel(), groups)


def test_positions_undo_the_bias_of_clicks():
    biased, _ = clicked_world(1500, 1)
    _, truth = clicked_world(400, 2)
    settings = TrainSettings(trees=40, leaves=7, held_out=0, position_bias_regularization=0.0)
    debiased = quality(train_lambdamart(biased, settings=settings), truth)
    naive = quality(train_lambdamart(replace(biased, positions=None), settings=settings), truth)
    assert debiased > naive + 0.02


def read_svmlight(folder, name):
    """LETOR rows as a dense set: absent features are 0, as in LightGBM's own test."""
    with gzip.open(folder / f"{name}.gz", "rt") as lines:
        rows = [line.split() for line in lines]
    features = np.zeros((len(rows), 301), np.float32)
    for number, row in enumerate(rows):
        for pair in row[1:]:
            column, value = pair.split(":")
            features[number, int(column)] = float(value)
    groups = np.loadtxt(folder / f"{name}.query.gz", dtype=np.int32)
    return training_set(features, [int(row[0]) for row in rows], groups)


@pytest.mark.slow
def test_lightgbms_own_example_reaches_its_own_figures(real_data):
    folder = real_data("lambdarank")
    train, test = read_svmlight(folder, "rank.train"), read_svmlight(folder, "rank.test")
    trained = train_lambdamart(train, settings=TrainSettings(held_out=0))
    assert quality(trained, test, 1) > 0.567
    assert quality(trained, test, 3) > 0.578
