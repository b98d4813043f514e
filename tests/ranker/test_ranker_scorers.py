"""Both scorers behind one protocol, the plain one by hand, the learned one against refusals, and ranking with them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from bandstand.errors import BadInput, ModelError
from bandstand.models.folder import FolderRegistry
from bandstand.ranker.features import build_features, feature_names
from bandstand.ranker.page import rank, union
from bandstand.ranker.scorers import ARM_WEIGHTS, PAIR_WEIGHTS, LambdaMartScorer, PlainScorer
from bandstand.types import ARMS

NAMES = feature_names()


@pytest.fixture
def registry(tmp_path):
    return FolderRegistry(tmp_path, clock=lambda: 0.0)


@pytest.fixture
def published(registry, trained):
    return registry.get("ranker", registry.publish("ranker", trained.files(), trained.card()))


@pytest.fixture(params=["plain", "lambdamart"])
def scorer(request):
    return PlainScorer() if request.param == "plain" else LambdaMartScorer(request.getfixturevalue("published"))


@pytest.fixture
def features():
    rng = np.random.default_rng(3)
    matrix = rng.random((40, len(NAMES)), np.float32)
    matrix[rng.random(matrix.shape) < 0.3] = np.nan
    return matrix


def test_scores_do_not_depend_on_the_company(scorer, features):
    scores = scorer.score(features)
    assert (scores.dtype, scores.shape) == (np.float32, (40,))
    np.testing.assert_allclose(scores[5:9], scorer.score(features[5:9]), rtol=1e-6)
    np.testing.assert_allclose(scorer.score(features[::-1]), scores[::-1], rtol=1e-6)


def test_contributions_sum_to_the_score(scorer, features):
    contributions = scorer.contributions(features)
    assert (contributions.dtype, contributions.shape) == (np.float32, (40, len(NAMES) + 1))
    np.testing.assert_allclose(contributions.sum(axis=1), scorer.score(features), atol=1e-4)


def test_empties(scorer):
    nothing = np.empty((0, len(NAMES)), np.float32)
    assert scorer.score(nothing).shape == (0,)
    assert scorer.contributions(nothing).shape == (0, len(NAMES) + 1)
    unknown = np.full((1, len(NAMES)), np.nan, np.float32)
    assert np.isfinite(scorer.score(unknown)).all()


@pytest.mark.parametrize("shape", [(3, 2), (len(NAMES),), (1, len(NAMES) + 1)])
def test_another_layout_is_refused(scorer, shape):
    for use in (scorer.score, scorer.contributions):
        with pytest.raises(BadInput, match="features a row"):
            use(np.zeros(shape, np.float32))


def test_threads_get_the_same_scores(scorer, features):
    expected = scorer.score(features)
    with ThreadPoolExecutor(4) as pool:
        for scores in pool.map(lambda _: scorer.score(features), range(40)):
            np.testing.assert_array_equal(scores, expected)


def test_plain_score_by_hand():
    row = np.full((1, len(NAMES)), np.nan, np.float32)
    row[0, NAMES.index("lexical.rr")] = 1 / 2
    row[0, NAMES.index("dense.rr")] = 1
    row[0, NAMES.index("popularity")] = 0.5
    row[0, NAMES.index("title_exact")] = 1
    expected = (
        ARM_WEIGHTS["lexical"] * 61 / 62
        + ARM_WEIGHTS["dense"] * 61 / 61
        + PAIR_WEIGHTS["popularity"] * 0.5
        + PAIR_WEIGHTS["title_exact"]
    )
    assert PlainScorer().score(row)[0] == pytest.approx(expected)


def test_plain_scorer_serves_any_arms():
    scorer = PlainScorer(("lexical", "invented"))
    row = np.full((1, len(scorer.names)), np.nan, np.float32)
    row[0, scorer.names.index("invented.rr")] = 1
    assert scorer.score(row)[0] == pytest.approx(0.5)
    assert set(ARM_WEIGHTS) == set(ARMS)


def test_a_model_of_other_features_is_refused_with_the_reason(registry, trained):
    card = replace(trained.card(), feature_names=("lexical.score", "shoe_size"), feature_hash="0123")
    model = registry.get("ranker", registry.publish("ranker", trained.files(), card))
    with pytest.raises(ModelError, match=r"other features.*0123.*no longer computed: shoe_size.*bandstand train"):
        LambdaMartScorer(model)


def test_a_model_of_other_arms_is_refused(published):
    with pytest.raises(ModelError, match=r"no longer computed: fresh\.score"):
        LambdaMartScorer(published, tuple(arm for arm in ARMS if arm != "fresh"))


def test_what_is_no_model_is_refused(registry, trained):
    for files, reason in (({"model.txt": b"nonsense"}, "no LightGBM model"), ({"other": b""}, "has no file")):
        model = registry.get("ranker", registry.publish("ranker", files, trained.card()))
        with pytest.raises(ModelError, match=reason):
            LambdaMartScorer(model)


def test_a_model_that_contradicts_its_manifest_is_refused(registry, trained):
    files = {"model.txt": trained.model.replace(b"lexical.score", b"lexical.shoes")}
    model = registry.get("ranker", registry.publish("ranker", files, trained.card()))
    with pytest.raises(ModelError, match="not trained on what its manifest says"):
        LambdaMartScorer(model)


def test_ranking_folds_the_remaster_and_puts_the_exact_title_first(columns, ask, answer):
    query = ask("beyonce halo")
    candidates = union([answer("lexical", [1, 2, 0]), answer("dense", [4, 3, 0])])
    ranking = rank(query, candidates, columns, PlainScorer())
    assert ranking.ordinals.tolist()[0] == 0
    assert sorted(ranking.ordinals.tolist()) == [0, 2, 3, 4]
    assert (np.diff(ranking.scores) <= 0).all()
    np.testing.assert_array_equal(candidates.ordinals[ranking.rows], ranking.ordinals)
    np.testing.assert_array_equal(ranking.features, build_features(query, candidates, columns)[ranking.rows])


def test_what_the_snapshot_does_not_know_yet_is_passed_over(columns, ask, answer):
    candidates = union([answer("memory", [99, 0, 5], clicks=[9, 8, 7]), answer("lexical", [3])])
    assert sorted(rank(ask("halo"), candidates, columns, PlainScorer()).ordinals.tolist()) == [0, 3]


def test_ranking_keeps_the_head_only_and_knows_nothing_from_nothing(columns, ask, answer, scorer):
    assert len(rank(ask("x"), union([answer("lexical", [0, 2, 3])]), columns, scorer, depth=2)) == 2
    assert len(rank(ask("x"), union([]), columns, scorer)) == 0
