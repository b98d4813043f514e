"""Both scorers behind one protocol, the plain one by hand, the learned one against refusals, and ranking with them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from msgspec.structs import replace

from bandstand.errors import BadInput, ModelError
from bandstand.models.folder import FolderRegistry
from bandstand.ranker.features import FeatureSet, RankingFeature
from bandstand.ranker.page import rank, union
from bandstand.ranker.scorers import LambdaMartScorer, PlainScorer
from bandstand.ranker.start import Start
from bandstand.ranker.train import TrainSettings, train_lambdamart
from bandstand.retrievers.registry import BUILT_IN
from bandstand.types import FeatureLayout, FeatureRows, RetrieverSpec, Roster
from tests.support.ranker_worlds import matrix_of, synthetic

FEATURES = FeatureSet(BUILT_IN)
NAMES = FEATURES.names


@pytest.fixture
def registry(tmp_path):
    return FolderRegistry(tmp_path, clock=lambda: 0.0)


@pytest.fixture
def published(registry, trained):
    return registry.get("ranker", registry.publish("ranker", trained.files(), trained.card()))


@pytest.fixture(params=["plain", "lambdamart"])
def scorer(request):
    return (
        PlainScorer(FEATURES)
        if request.param == "plain"
        else LambdaMartScorer(request.getfixturevalue("published"), FEATURES.layout)
    )


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
    row[0, NAMES.index("vagueness")] = 0.25
    weights = {feature.name: feature.weight for feature in FEATURES.pairs}
    dense = BUILT_IN["dense"].weight + 0.25 * BUILT_IN["dense"].vague_weight
    expected = (
        BUILT_IN["lexical"].weight * 61 / 62 + dense * 61 / 61 + weights["popularity"] * 0.5 + weights["title_exact"]
    )
    assert PlainScorer(FEATURES).score(row)[0] == pytest.approx(expected)


def test_what_is_spelt_otherwise_counts_less():
    row = np.full((1, len(NAMES)), np.nan, np.float32)
    row[0, NAMES.index("trigram.rr")] = 1
    row[0, NAMES.index("trigram.similarity")] = 0.5
    row[0, NAMES.index("trigram.alike")] = 0.0625
    scorer, spec = PlainScorer(FEATURES), BUILT_IN["trigram"]
    expected = spec.weight * 0.5 + spec.weights["alike"] * 0.0625
    assert scorer.score(row)[0] == pytest.approx(expected)
    terms = dict(zip((*NAMES, "base"), scorer.contributions(row)[0].tolist(), strict=True))
    assert {name: term for name, term in terms.items() if term} == pytest.approx(
        {"trigram.rr": spec.weight * 0.5, "trigram.alike": spec.weights["alike"] * 0.0625}
    )


def test_one_click_outweighs_what_every_retriever_says():
    row = np.full((2, len(NAMES)), np.nan, np.float32)
    for name in ("lexical", "structured", "trigram"):
        row[0, NAMES.index(f"{name}.rr")] = 1
    row[1, [NAMES.index("memory.rr"), NAMES.index("memory.share")]] = 1
    scores = PlainScorer(FEATURES).score(row)
    assert scores[1] > scores[0]


def test_plain_scorer_serves_any_retriever_and_feature():
    roster = Roster((BUILT_IN["lexical"], RetrieverSpec("invented")))
    features = FeatureSet(roster, [RankingFeature("licensed", lambda _: 1.0, weight=0.25)])
    scorer = PlainScorer(features)
    row = np.full((1, len(features.names)), np.nan, np.float32)
    row[0, features.names.index("invented.rr")] = 1
    row[0, features.names.index("licensed")] = 2
    assert scorer.score(row)[0] == pytest.approx(1 + 0.25 * 2)


def test_a_model_without_any_of_the_features_is_refused(published):
    with pytest.raises(ModelError, match=r"none of which is computed now.*bandstand train"):
        LambdaMartScorer(published, FeatureLayout(("shoe_size",)))


def test_a_model_whose_manifest_says_nothing_of_its_features_is_refused(registry, trained):
    card = replace(trained.card(), feature_names=("lexical.score", "shoe_size"), feature_hash="0123")
    model = registry.get("ranker", registry.publish("ranker", trained.files(), card))
    with pytest.raises(ModelError, match=r"0123.*bandstand train"):
        LambdaMartScorer(model, FEATURES.layout)


@pytest.fixture
def grown():
    """A platform with one retriever and one feature more, and another order."""
    roster = Roster((RetrieverSpec("lyrics", columns=("lines",)), *BUILT_IN))
    return FeatureSet(roster, [RankingFeature("licensed", lambda _: 1.0)])


def test_a_model_serves_where_a_retriever_and_a_feature_came(published, features, grown):
    old, new = LambdaMartScorer(published, FEATURES.layout), LambdaMartScorer(published, grown.layout)
    wider = grown.layout.aligned(features, FEATURES.layout)
    np.testing.assert_array_equal(new.score(wider), old.score(features))
    contributions = new.contributions(wider)
    assert contributions.shape == (40, len(grown.names) + 1)
    np.testing.assert_allclose(contributions.sum(axis=1), old.score(features), atol=1e-4)
    assert not contributions[:, grown.names.index("lyrics.rr")].any()


def test_a_model_serves_where_a_retriever_is_gone_as_if_it_had_not_played(published, features):
    left = FeatureSet(Roster(tuple(spec for spec in BUILT_IN if spec.name != "memory")))
    scorer = LambdaMartScorer(published, left.layout)
    narrower = left.layout.aligned(features, FEATURES.layout)
    without, _ = FeatureRows(FEATURES.layout, features).without("memory")
    expected = LambdaMartScorer(published, FEATURES.layout).score(without.values)
    np.testing.assert_array_equal(scorer.score(narrower), expected)
    np.testing.assert_allclose(scorer.contributions(narrower).sum(axis=1), expected, atol=1e-4)


def test_a_feature_of_another_meaning_is_unknown_to_a_model(published, features):
    changed = FeatureLayout.of(NAMES, {"memory.score": 2})
    unknown = features.copy()
    unknown[:, NAMES.index("memory.score")] = np.nan
    np.testing.assert_array_equal(
        LambdaMartScorer(published, changed).score(features),
        LambdaMartScorer(published, FEATURES.layout).score(unknown),
    )


def test_what_is_no_model_is_refused(registry, trained):
    for files, reason in (({"model.txt": b"nonsense"}, "no LightGBM model"), ({"other": b""}, "has no file")):
        model = registry.get("ranker", registry.publish("ranker", files, trained.card()))
        with pytest.raises(ModelError, match=reason):
            LambdaMartScorer(model, FEATURES.layout)


def test_a_model_that_contradicts_its_manifest_is_refused(registry, trained):
    files = {"model.txt": trained.model.replace(b"lexical.score", b"lexical.shoes")}
    model = registry.get("ranker", registry.publish("ranker", files, trained.card()))
    with pytest.raises(ModelError, match="not trained on what its manifest says"):
        LambdaMartScorer(model, FEATURES.layout)


def test_ranking_folds_the_remaster_and_puts_the_exact_title_first(columns, ask, answer):
    query = ask("beyonce halo")
    candidates = union([answer("lexical", [1, 2, 0]), answer("dense", [4, 3, 0])], BUILT_IN)
    ranking = rank(query, candidates, columns, FEATURES, PlainScorer(FEATURES))
    assert ranking.ordinals.tolist()[0] == 0
    assert sorted(ranking.ordinals.tolist()) == [0, 2, 3, 4]
    assert (np.diff(ranking.scores) <= 0).all()
    rows = np.searchsorted(candidates.ordinals, ranking.ordinals)
    np.testing.assert_array_equal(ranking.features, matrix_of(FEATURES, query, candidates, columns)[rows])


def test_what_the_snapshot_does_not_know_yet_is_passed_over(columns, ask, answer):
    candidates = union([answer("memory", [99, 0, 5], clicks=[9, 8, 7]), answer("lexical", [3])], BUILT_IN)
    assert sorted(rank(ask("halo"), candidates, columns, FEATURES, PlainScorer(FEATURES)).ordinals.tolist()) == [0, 3]


def test_ranking_keeps_the_head_only_and_knows_nothing_from_nothing(columns, ask, answer, scorer):
    assert len(rank(ask("x"), union([answer("lexical", [0, 2, 3])], BUILT_IN), columns, FEATURES, scorer, depth=2)) == 2
    assert len(rank(ask("x"), union([], BUILT_IN), columns, FEATURES, scorer)) == 0


def test_a_model_serves_with_the_start_that_it_was_trained_from(registry, features):
    data = synthetic(60, 1, FEATURES.layout)
    ranker = train_lambdamart(data, held_out=synthetic(60, 2, FEATURES.layout),
                              settings=TrainSettings(trees=5, start=Start({"popularity": 2.0})))  # fmt: skip
    model = registry.get("ranker", registry.publish("ranker", ranker.files(), ranker.card()))
    without = registry.get("ranker", registry.publish("ranker", {"model.txt": ranker.model}, ranker.card()))
    gained = LambdaMartScorer(model, FEATURES.layout).score(features)
    gained -= LambdaMartScorer(without, FEATURES.layout).score(features)
    np.testing.assert_allclose(gained, 2 * np.nan_to_num(features[:, NAMES.index("popularity")]), atol=1e-5)


def test_a_model_without_trees_is_its_start(registry, features):
    start = Start({"popularity": 2.0})
    ranker = train_lambdamart(synthetic(60, 1, FEATURES.layout), settings=TrainSettings(start=start))
    scorer = LambdaMartScorer(registry.get("ranker", registry.publish("ranker", ranker.files(), ranker.card())),
                              FEATURES.layout)  # fmt: skip
    np.testing.assert_allclose(scorer.score(features), start.scores(features, FEATURES.layout))
    np.testing.assert_allclose(scorer.contributions(features).sum(axis=1), scorer.score(features), atol=1e-6)
    assert {name: share for name, share in scorer.importances().items() if share} == {"popularity": 1.0}


def test_a_damaged_start_is_refused(registry, trained):
    files = {**trained.files(), "start.json": b"{"}
    model = registry.get("ranker", registry.publish("ranker", files, trained.card()))
    with pytest.raises(ModelError, match="bandstand train"):
        LambdaMartScorer(model, FEATURES.layout)
