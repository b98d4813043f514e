"""Self-play's queries, and the training data that the ranker gets from lessons and clicks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import DamerauLevenshtein

from bandstand.errors import BadInput
from bandstand.learner.selfplay import TARGET_GRADE, Curriculum, SyntheticExample, distort, misspell, remembered, sample
from bandstand.learner.train_ranker import curriculum_set, train_ranker
from bandstand.memory_index.predicted import predicted_queries
from bandstand.memory_index.settings import MemorySettings
from bandstand.models.folder import FolderRegistry
from bandstand.ranker.features import FeatureSet
from bandstand.retrievers.registry import BUILT_IN
from bandstand.types import ArmDecision, Attribute, Decision, Entity, FeatureLayout, Impression, Query

NAMES = FeatureSet(BUILT_IN).names
SONG = Entity(
    id="t", kind="track", title="Ain't No Sunshine", artists=("Bill Withers",), popularity=0.8, released="1971",
    attributes=(Attribute("genre", "soul", 0.9),),
)  # fmt: skip


@given(st.text(alphabet="abcdefgh ", min_size=4, max_size=40), st.integers(1, 2), st.integers(0, 2**32 - 1))
def test_misspelling_is_at_most_that_many_edits_away(text, edits, seed):
    assert DamerauLevenshtein.distance(text, misspell(text, edits, np.random.default_rng(seed))) <= edits


def test_misspelling_reaches_every_kind_of_slip():
    rng = np.random.default_rng(3)
    lengths = {len(misspell("hallelujah", 1, rng)) for _ in range(200)}
    assert lengths == {9, 10, 11}


@given(st.integers(0, 2**32 - 1))
def test_short_queries_are_posed_as_they_are(seed):
    assert distort("one", np.random.default_rng(seed)) == "one"


def test_a_third_is_misspelt_and_a_fifth_cut_short():
    rng = np.random.default_rng(5)
    sampled = [distort("hallelujah", rng) for _ in range(2_000)]
    same = sampled.count("hallelujah") / 2_000
    cut = sum("hallelujah".startswith(text) and text != "hallelujah" for text in sampled) / 2_000
    assert same == pytest.approx(0.45, abs=0.05)
    assert cut == pytest.approx(0.2, abs=0.05)


@given(st.integers(0, 2**32 - 1))
def test_posed_queries_come_from_what_is_known_of_the_entity(seed):
    query = sample(SONG, np.random.default_rng(seed))
    known = {"aint", "no", "sunshine", "bill", "withers", "soul", "1971"}
    assert query in dict(predicted_queries(SONG)) or set(query.split()) <= known


def example(*, candidates: int = 5) -> SyntheticExample:
    """The first candidate is right; lexical brings all of them, the memory (predicted) the first two."""
    place = np.arange(candidates)
    features = np.full((candidates, len(NAMES)), np.nan, np.float32)
    features[:, NAMES.index("lexical.rr")] = 1 / (1 + place)
    for name, value in (("score", 0.4), ("predicted", 0.4), ("clicks", 0), ("plays", 0)):
        features[:2, NAMES.index(f"memory.{name}")] = value
    features[:2, NAMES.index("memory.rr")] = 1 / (1 + place[:2])
    context = (("memory_known", 1.0), ("memory_top", 0.4), ("memory_clicks", 0.0), ("words", 0.5))
    impression = Impression(
        query=Query(id="q", text="x", normalized="x"),
        decision=Decision(policy="teacher", version="1", arms=(ArmDecision(arm="dense", depth=200, context=context),)),
        outcomes=(),
        entity_ids=tuple(f"e{number}" for number in place),
        ordinals=place.astype(np.int32),
        scores=-place.astype(np.float32),
        features=features,
        feature_names=NAMES,
        shown=candidates,
    )
    return SyntheticExample(impression=impression, grades=np.where(place == 0, TARGET_GRADE, 0).astype(np.int32))


def copies(count: int, share: float = 1.0) -> list[SyntheticExample]:
    return list(remembered([example()] * count, np.random.default_rng(1), share=share, settings=MemorySettings()))


def cell(row: np.ndarray, name: str) -> float:
    return float(row[NAMES.index(f"memory.{name}")])


def test_remembered_copies_say_that_the_clicked_candidate_is_right():
    found = copies(400, share=0.5)
    assert 150 < len(found) < 250
    first = 0
    for copy in found:
        assert sorted(copy.grades.tolist()) == [0, 0, 0, 0, TARGET_GRADE]
        right = int(copy.grades.argmax())
        first += right == 0
        ranks = 1 / copy.impression.features[:, NAMES.index("memory.rr")]
        assert ranks[right] == 1
        assert np.nanmin(np.delete(ranks, right)) >= 2
        assert (copy.impression.features[:, NAMES.index("memory.clicks")] > 0).sum() == 1
        assert cell(copy.impression.features[right], "clicks") > 0
    # Half on the right answer, half on any of the five: 0.5 + 0.5 / 5.
    assert first / len(found) == pytest.approx(0.6, abs=0.1)


def test_remembered_scores_are_the_memorys_own_posterior():
    for copy in copies(50):
        row = copy.impression.features[int(copy.grades.argmax())]
        predicted = cell(row, "predicted")
        prior = 0.05 if np.isnan(predicted) else predicted
        gains = cell(row, "clicks") + 2 * cell(row, "plays")
        failures = cell(row, "impressions") - cell(row, "clicks")
        assert cell(row, "score") == pytest.approx((3 * prior + gains) / (3 + gains + failures), rel=1e-4)


def test_the_bandit_sees_of_a_remembered_copy_what_the_memory_now_holds():
    for copy in copies(20):
        row = copy.impression.features[int(copy.grades.argmax())]
        context = dict(copy.impression.decision.arms[0].context)
        assert context["memory_top"] == pytest.approx(cell(row, "score"))
        assert context["memory_clicks"] == pytest.approx(np.log1p(cell(row, "clicks")))
        assert (context["memory_known"], context["words"]) == (1.0, 0.5)


def test_the_original_lesson_is_left_as_it_was():
    original = example()
    before = original.impression.features.copy()
    list(remembered([original], np.random.default_rng(0), share=1.0, settings=MemorySettings()))
    np.testing.assert_array_equal(before, original.impression.features)
    assert original.grades.tolist() == [TARGET_GRADE, 0, 0, 0, 0]


def test_feedback_is_the_wanted_entity_or_by_half_the_next_best():
    wanted = example()
    assert wanted.feedback() == {0: 1.0}
    assert replace(wanted, grades=np.array([0, 0, 1, 0, 0], np.int32)).feedback() == {2: 0.5}


def test_memory_is_hidden_in_most_posed_lessons_but_never_in_remembered_ones():
    curriculum = Curriculum(sampled=(example(),) * 200, remembered=tuple(copies(50)))
    data = curriculum_set(curriculum, FeatureLayout(NAMES), weight=0.5, seed=3)
    known = ~np.isnan(data.features[:, NAMES.index("memory.score")].reshape(-1, 5)).all(axis=1)
    assert known[:200].mean() == pytest.approx(0.4, abs=0.1)
    assert known[200:].all()
    assert set(data.weights.tolist()) == {0.5}
    assert set(data.positions.tolist()) == {101}


def test_nothing_to_train_on_is_said(tmp_path):
    registry = FolderRegistry(tmp_path, lambda: 1_700_000_000.0)
    with pytest.raises(BadInput, match="nothing to train on"):
        train_ranker(registry, curriculum=Curriculum(), searches=[], layout=FeatureLayout(NAMES), seed=0, keep=1)
