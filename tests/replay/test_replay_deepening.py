"""What is judged and learned from beyond the logged head, on rankings of which every row is known."""

from types import SimpleNamespace

import numpy as np
import pytest

from bandstand.engine.search import Answer
from bandstand.ranker.page import Ranking, Scored
from bandstand.replay.replayer import Depth, judged, ranking_to
from bandstand.types import LOGGED_DEPTH, CandidateSet, Decision, Impression, Query

M = 400


def columns(dedupe_key=None):
    ids = np.array([f"e{number}" for number in range(M)], object)
    return SimpleNamespace(dedupe_key=np.arange(M) if dedupe_key is None else dedupe_key, ids=ids)


def answer(scores=None, query_id="q"):
    """Ordinals 0 to 399, the lower the better unless other scores are given."""
    scores = -np.arange(M, dtype=np.float32) if scores is None else scores
    ordinals = np.arange(M, dtype=np.int32)
    whole = Scored(ordinals=ordinals, scores=scores, features=ordinals[:, None].astype(np.float32))
    rows = np.argsort(-scores, kind="stable")[:LOGGED_DEPTH]
    head = Ranking(ordinals=ordinals[rows], scores=scores[rows], features=whole.features[rows], whole=whole)
    query = Query(id=query_id, text="x", normalized="x")
    impression = Impression(
        query=query,
        decision=Decision(policy="all", version="1"),
        outcomes=(),
        entity_ids=tuple(f"e{row}" for row in rows),
        ordinals=head.ordinals,
        scores=head.scores,
        features=head.features,
        feature_names=("f",),
        shown=10,
    )
    none = np.empty((M, 0), np.float32)
    candidates = CandidateSet(retrievers=(), ordinals=ordinals, ranks=none, scores=none)
    return Answer(
        query=query, retrieved=None, candidates=candidates, head=head, impression=impression, columns=columns(),
        scorer=None,
    )  # fmt: skip


@pytest.mark.parametrize("depth", [0, 10, LOGGED_DEPTH, LOGGED_DEPTH + 7, 10_000])
def test_a_ranking_can_be_read_deeper_than_it_is_logged(depth):
    assert ranking_to(answer(), columns(), depth).tolist() == list(range(min(depth, M)))


def test_deeper_down_too_a_recording_stands_once():
    folded = np.arange(M) // 2  # every two are the same recording
    assert ranking_to(answer(), columns(folded), 150).tolist() == list(range(0, 300, 2))


def test_the_head_the_answers_and_a_sample_are_learned_from():
    """Answer 395 stands far below the head, answer 3 in it."""
    impression = judged(answer(), columns(), np.array([3, 395], np.int32))
    ordinals = impression.ordinals.tolist()
    assert ordinals[: Depth().head] == list(range(Depth().head))
    assert 395 in ordinals
    assert len(ordinals) == Depth().head + 1 + Depth().sampled
    assert ordinals == sorted(ordinals)  # best first, as in any impression
    assert impression.scores.tolist() == [-float(each) for each in ordinals]
    assert impression.features[:, 0].tolist() == ordinals
    assert impression.entity_ids == tuple(f"e{each}" for each in ordinals)


def test_nobody_has_seen_any_of_it():
    impression = judged(answer(), columns(), np.array([3], np.int32))
    assert (impression.shown, impression.query.offset) == (0, len(impression.ordinals))


def test_another_release_of_an_answer_is_kept_for_it():
    folded = np.arange(M)
    folded[399] = folded[395]
    assert 395 in judged(answer(), columns(folded), np.array([399], np.int32)).ordinals


def test_the_sample_depends_on_the_search_alone():
    right = np.array([3], np.int32)
    one, again, other = (judged(answer(query_id=id_), columns(), right).ordinals.tolist() for id_ in ("q", "q", "r"))
    assert one == again != other


def test_a_short_ranking_is_kept_whole():
    whole = answer()
    few = Scored(
        ordinals=whole.head.whole.ordinals[:5],
        scores=whole.head.whole.scores[:5],
        features=whole.head.whole.features[:5],
    )
    head = Ranking(ordinals=few.ordinals, scores=few.scores, features=few.features, whole=few)
    short = Answer(
        query=whole.query, retrieved=None, candidates=whole.candidates, head=head, impression=whole.impression,
        columns=whole.columns, scorer=None,
    )  # fmt: skip
    assert judged(short, columns(), np.empty(0, np.int32)).ordinals.tolist() == [0, 1, 2, 3, 4]
