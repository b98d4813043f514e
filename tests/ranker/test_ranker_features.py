"""The feature matrix: names, values by hand, independence of the arms from one another, empties."""

from __future__ import annotations

import numpy as np
import pytest

from bandstand.errors import BadInput
from bandstand.ranker.features import COMPARED_LENGTH, PAIR_FEATURES, FeatureSet, RankingFeature, feature_hash
from bandstand.ranker.page import union
from bandstand.retrievers.registry import BUILT_IN
from bandstand.types import KINDS, Candidates, FeatureLayout, FeatureRows, RetrieverSpec, Roster, Slot
from tests.support.ranker_worlds import matrix_of

HALO, REMASTERED, BEYONCE, SO_WHAT, FIRST_LOVE = range(5)
NAN = np.nan
FEATURES = FeatureSet(BUILT_IN)
COLUMN = {name: number for number, name in enumerate(FEATURES.names)}
PAIRS = tuple(feature.name for feature in PAIR_FEATURES)


@pytest.fixture
def build(columns):
    return lambda query, *answers: matrix_of(FEATURES, query, union(answers, BUILT_IN), columns)


@pytest.fixture
def value(build, ask, answer):
    """One feature of one entity for a query."""

    def look(name, text, ordinal=HALO, **parts):
        return float(build(ask(text, **parts), answer("lexical", [ordinal]))[0, COLUMN[name]])

    return look


def test_names_are_unique_and_list_retrievers_then_pairs():
    names = FeatureSet(Roster((BUILT_IN["trigram"], BUILT_IN["dense"]))).names
    assert names == (
        "trigram.score",
        "trigram.rr",
        "trigram.similarity",
        "trigram.alike",
        "dense.score",
        "dense.rr",
        *PAIRS,
    )
    columns = sum(len(spec.columns) for spec in BUILT_IN)
    assert len(set(FEATURES.names)) == 2 * len(BUILT_IN) + columns + len(PAIRS)


def test_two_features_of_one_name_are_refused():
    with pytest.raises(BadInput, match="popularity"):
        FeatureSet(BUILT_IN, [RankingFeature("popularity", lambda _: 1.0)])


def test_the_hash_tells_names_order_and_meanings():
    layouts = [
        *(FeatureLayout(names) for names in [(), ("a",), ("a", "b"), ("b", "a"), ("a\nb", "c"), ("ab",)]),
        FeatureLayout.of(("a", "b"), {"a": 2}),
    ]
    assert feature_hash(FeatureLayout(("a", "b"))) == feature_hash(FeatureLayout.of(("a", "b"), {"a": 1}))
    assert len(set(map(feature_hash, layouts))) == len(layouts)


def test_versions_come_from_specs_and_features():
    lyrics = RetrieverSpec("lyrics", columns=("lines",), versions={"lines": 3, "rr": 2})
    made = FeatureSet(Roster((lyrics,)), [RankingFeature("territory", lambda _: 1.0, version=4, categorical=True)])
    assert dict(made.layout.versions) == {"lyrics.rr": 2, "lyrics.lines": 3, "words_held": 2, "territory": 4}
    assert made.layout.categorical == ("kind", "territory")
    assert made.layout.retrievers == ("lyrics",)


def test_a_further_feature_is_computed_and_one_that_fails_is_unknown(columns, ask, answer):
    def broken(pairs):
        raise RuntimeError("no licence server")

    features = FeatureSet(
        BUILT_IN,
        [RankingFeature("titles", lambda pairs: [len(title) for title in pairs.titles]), RankingFeature("b", broken)],
    )
    matrix = matrix_of(features, ask("halo"), union([answer("lexical", [0, 3])], BUILT_IN), columns)
    np.testing.assert_array_equal(matrix[:, -2:], np.float32([[4, NAN], [7, NAN]]))


def test_unbounded_scores_are_shares_of_the_arms_best_and_bounded_ones_stay(build, ask, answer):
    matrix = build(
        ask("halo"), answer("lexical", [1, 0], [8, 2]), answer("dense", [0], [0.6]), answer("fresh", [2], [0])
    )
    np.testing.assert_array_equal(matrix[:, COLUMN["lexical.score"]], np.float32([0.25, 1, NAN]))
    np.testing.assert_array_equal(matrix[:, COLUMN["lexical.rr"]], np.float32([0.5, 1, NAN]))
    np.testing.assert_array_equal(matrix[:, COLUMN["dense.score"]], np.float32([0.6, NAN, NAN]))
    np.testing.assert_array_equal(matrix[:, COLUMN["fresh.score"]], np.float32([NAN, NAN, 0]))


def test_facts_of_arms_are_taken_along(build, ask, answer):
    matrix = build(ask("halo"), answer("memory", [4], clicks=[7]), answer("dense", [0]))
    np.testing.assert_array_equal(matrix[:, COLUMN["memory.clicks"]], np.float32([NAN, 7]))


@pytest.mark.parametrize(
    ("name", "text", "ordinal", "expected"),
    [
        ("title_exact", "HALO", HALO, 1),
        ("title_exact", "halos", HALO, 0),
        ("title_exact", "sowhat", SO_WHAT, 1),
        ("title_exact", "1st love", FIRST_LOVE, 1),
        ("title_exact", "one love", FIRST_LOVE, 0),
        ("title_prefix", "ha", HALO, 1),
        ("title_prefix", "hat", HALO, 2 / 3),
        ("title_prefix", "x", HALO, 0),
        ("title_ratio", "halo", HALO, 1),
        ("title_ratio", "hal", HALO, 1 - 1 / 7),
        ("name_ratio", "beyonce halo", HALO, 1),
        ("name_ratio", "halo", HALO, 1 - 8 / 16),
        ("token_coverage", "halo beyoncé", HALO, 1),
        ("token_coverage", "ttt", HALO, 0),
        ("artist_in_query", "songs by Beyoncé please", HALO, 1),
        ("artist_in_query", "beyonces", HALO, 0),
        ("artist_in_query", "beyonce", BEYONCE, 1),
        ("artist_in_query", "best of miles davis", SO_WHAT, 1),
        ("artist_in_query", "miles", SO_WHAT, 0),
        ("artist_in_query", "宇多田ヒカル first love", FIRST_LOVE, 1),
        ("popularity", "x", HALO, 0.9),
        ("age", "x", HALO, 10),
        ("age", "x", BEYONCE, NAN),
        ("kind", "x", FIRST_LOVE, KINDS.index("album")),
        ("query_length", "ab  cd", HALO, 5),
        ("query_words", "ab  cd", HALO, 2),
        ("slot_match", "x", HALO, NAN),
        ("numbers_held", "halo", HALO, NAN),
        ("numbers_held", "halo 1999", HALO, NAN),
        ("numbers_held", "the halo one", HALO, NAN),
        ("numbers_held", "halo two", HALO, 0),
        ("numbers_held", "first love 2", FIRST_LOVE, 0.5),
        ("words_held", "halo beyoncé", HALO, 1),
        ("words_held", "halo shakira", HALO, 4 / 11),
        ("words_held", "halo beyo", HALO, (4 + 0.9 * 4) / 8),
        ("words_held", "hal beyonce", HALO, 7 / 10),
        ("words_held", "h", HALO, 0),
        ("spelt", "halo", HALO, 0),
        ("spelt", "hallo", HALO, (8 / 9) ** 4),
        ("spelt", "hal", HALO, 0.9**4),
        ("spelt", "beyonze halo", HALO, 7 / 11 * (22 / 24) ** 4),
        ("other_version", "halo", HALO, 0),
        ("asked_version", "halo", HALO, NAN),
        ("asked_version", "halo remix", HALO, 0),
    ],
)
def test_values_by_hand(value, name, text, ordinal, expected):
    assert value(name, text, ordinal) == pytest.approx(expected, abs=2e-3, nan_ok=True)


@pytest.mark.parametrize(
    ("slots", "ordinal", "expected"),
    [
        ([Slot("genre", "jazz")], SO_WHAT, 0.8),
        ([Slot("genre", "jazz")], HALO, 0),
        ([Slot("genre", "unheard of")], HALO, 0),
        ([Slot("genre", "jazz", 0.5), Slot("kind", "album", 0.5)], SO_WHAT, 0.4),
        ([Slot("kind", "artist", 0.9)], BEYONCE, 1),
        ([Slot("kind", "nonsense", 0.9)], BEYONCE, 0),
        ([Slot("year", "1959")], SO_WHAT, 1),
        ([Slot("year", "1950-1959")], SO_WHAT, 1),
        ([Slot("year", "1960-1969")], SO_WHAT, 0),
        ([Slot("year", "1950-1959")], BEYONCE, 0),
        ([Slot("genre", "jazz", 0.0)], SO_WHAT, NAN),
    ],
)
def test_slot_match_by_hand(value, slots, ordinal, expected):
    assert value("slot_match", "x", ordinal, slots=tuple(slots)) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    "answers", [[], [Candidates.empty("dense")], [Candidates.empty(arm) for arm in BUILT_IN.names]]
)
def test_no_candidates_no_rows(build, ask, answers):
    assert build(ask("halo"), *answers).shape == (0, len(FEATURES.names))


def test_an_empty_query_matches_nothing(value):
    for name in PAIRS[:6]:
        assert value(name, "") == 0


def test_a_huge_query_is_compared_by_its_beginning(value):
    text = "halo " + "ha" * 5000
    assert value("query_length", text) == len(text)
    assert value("title_prefix", text) == pytest.approx(4 / COMPARED_LENGTH)


def test_the_matrix_is_what_lightgbm_reads_without_a_copy(build, ask, answer):
    matrix = build(ask("halo"), answer("lexical", [0, 1]))
    assert matrix.dtype == np.float32
    assert matrix.flags.c_contiguous


@pytest.mark.parametrize("depth", [0, 1, 2, 5])
@pytest.mark.parametrize("arm", ["lexical", "memory"])
def test_limiting_an_arm_equals_a_search_in_which_it_was_limited(build, ask, answer, arm, depth):
    whole = {
        "lexical": answer("lexical", [3, 0, 4], [9, 6, 3]),
        "memory": answer("memory", [0, 2], [0.5, 0.25], clicks=[2, 1]),
        "dense": answer("dense", [4], [0.7]),
    }
    kept = whole[arm]
    shallow = Candidates(
        retriever=arm,
        ordinals=kept.ordinals[:depth],
        scores=kept.scores[:depth],
        columns={name: column[:depth] for name, column in kept.columns.items()},
    )
    query = ask("halo", slots=(Slot("genre", "jazz"),))
    limited, left = FeatureRows(FEATURES.layout, build(query, *whole.values())).without(arm, depth)
    np.testing.assert_array_equal(limited.values[left], build(query, *(whole | {arm: shallow}).values()))


def test_limiting_leaves_the_given_features_alone_and_refuses_unknown_arms(build, ask, answer):
    rows = FeatureRows(FEATURES.layout, build(ask("halo"), answer("lexical", [0, 1])))
    before = rows.values.copy()
    limited, left = rows.without("lexical")
    np.testing.assert_array_equal(rows.values, before)
    assert not left.any()
    assert not limited.brought().any()
    with pytest.raises(BadInput, match="hybrid"):
        rows.without("hybrid")
