"""How arms are decided and run within a search: rescue, late and failing arms, and catalogues that move."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from bandstand.bandit.policy import draw
from bandstand.engine.request import SearchRequest
from bandstand.engine.retrieval import FALLBACK_DEPTH, Retrieval, best_similarity
from bandstand.engine.runner import Load, RetrieverRunner
from bandstand.engine.search import Engine, EngineParts
from bandstand.errors import StorageError
from bandstand.ranker.features import FeatureSet
from bandstand.retrievers.base import Retriever
from bandstand.retrievers.registry import BUILT_IN
from bandstand.types import Candidates
from tests.support.small_home import ids, track


class Broken(Retriever):
    def __init__(self, name):
        self.spec = BUILT_IN[name]

    def retrieve(self, _query, _depth):
        raise RuntimeError("upstream")


class Empty(Broken):
    def retrieve(self, _query, _depth):
        return Candidates.empty(self.name)


class Blocked(Broken):
    """Answers only when released."""

    released = threading.Event()

    def retrieve(self, _query, _depth):
        self.released.wait(30)
        return Candidates.empty(self.name)


class Sparing:
    """A learning policy that plays only what it is told to."""

    name, version, sequential = "sparing", "1", True

    def __init__(self, *arms):
        self.arms = arms

    def decide(self, arm, context, _u):
        shares = (0.25, 0.25, 0.25, 0.25)
        return draw(arm.name, shares, context, 0.6 if arm.name in self.arms else 0.1)


@pytest.fixture
def engine(small):
    """Makes engines over the home's retrievers, with some of them replaced."""
    runners = []

    def make(*replaced, deadline_ms=10_000.0, has_history=lambda _: False):
        found = {**small.home.retrievers.retrievers, **{retriever.name: retriever for retriever in replaced}}
        runners.append(RetrieverRunner(found))
        parts = EngineParts(
            catalog=small.home.catalog,
            reader=small.home.reader,
            retrieval=Retrieval(runners[-1], BUILT_IN, has_history=has_history, seed=1, deadline_ms=deadline_ms),
            features=FeatureSet(BUILT_IN),
            serving=small.home.serving,
            log=small.home.log,
        )
        return Engine(parts, load=Load(1), clock=small.clock, new_id=lambda: "q")

    yield make
    Blocked.released.set()
    for runner in runners:
        runner.close()
    Blocked.released.clear()


def outcomes(impression):
    return {outcome.retriever: outcome.status for outcome in impression.outcomes}


@pytest.mark.parametrize("policy", ["all", "bandit"])
def test_a_late_arm_is_dropped_and_named(engine, policy):
    result = engine(Blocked("dense"), deadline_ms=300).search(SearchRequest(query="hallelujah", policy=policy))
    assert ids(result)[0] == "hallelujah"
    assert outcomes(result.impression)["dense"] == "late"
    assert "dense" not in {source.retriever for hit in result.hits for source in hit.sources}


@pytest.mark.parametrize("policy", ["all", "bandit"])
def test_a_failing_arm_is_dropped_and_named(engine, policy):
    broken = [Broken(arm) for arm in ("memory", "lexical", "dense")]
    result = engine(*broken).search(SearchRequest(query="hallelujah", policy=policy))
    assert ids(result)[0] == "hallelujah"  # by trigrams
    assert [arm for arm, status in outcomes(result.impression).items() if status == "failed"] == [
        "memory", "lexical", "dense",
    ]  # fmt: skip


@pytest.mark.parametrize("policy", ["all", "bandit"])
def test_with_every_arm_failing_the_page_is_empty_and_logged(small, engine, policy):
    broken = [Broken(arm) for arm in small.home.runner.names]
    result = engine(*broken).search(SearchRequest(query="halo", policy=policy))
    assert result.hits == ()
    assert set(outcomes(result.impression).values()) == {"failed"}
    assert small.home.log.impression("q").shown == 0


class TestRescue:
    def test_where_the_chosen_arms_find_nothing_the_robust_ones_are_asked(self, engine):
        made = engine(Empty("memory"), Empty("fresh"))
        answer = made.answer(made.query(SearchRequest(query="halelujah")), Sparing("memory", "fresh"))
        assert answer.impression.entity_ids[0] == "hallelujah"
        by_arm = outcomes(answer.impression)
        assert (by_arm["lexical"], by_arm["trigram"], by_arm["memory"]) == ("rescue", "rescue", "ok")
        assert by_arm["dense"] == "skipped"

    def test_what_is_there_whatever_was_typed_is_no_answer(self, engine):
        made = engine()
        free = Sparing("memory", "lexical", "personal", "fresh")
        answer = made.answer(made.query(SearchRequest(query="halelujah", correct=False)), free)
        by_arm = outcomes(answer.impression)
        assert (by_arm["fresh"], by_arm["trigram"], by_arm["dense"]) == ("ok", "rescue", "skipped")
        assert answer.impression.entity_ids[0] == "hallelujah"

    def test_where_nothing_was_typed_there_is_nothing_to_look_for(self, engine):
        made = engine()
        answer = made.answer(made.query(SearchRequest(query="")), Sparing("lexical", "fresh"))
        assert outcomes(answer.impression)["trigram"] == "skipped"
        assert len(answer.head) > 0

    def test_it_leaves_decision_and_propensities_as_they_were(self, engine):
        made = engine(Empty("memory"))
        answer = made.answer(made.query(SearchRequest(query="halo")), Sparing("memory"))
        arms = {arm.arm: arm for arm in answer.impression.decision.arms}
        assert (arms["lexical"].depth, arms["lexical"].propensity) == (0, 0.25)
        assert max(outcome.candidates for outcome in answer.impression.outcomes) <= FALLBACK_DEPTH

    def test_an_arm_that_was_asked_is_not_asked_again(self, engine):
        made = engine(Empty("lexical"), Broken("trigram"))
        answer = made.answer(made.query(SearchRequest(query="halo")), Sparing("lexical"))
        by_arm = outcomes(answer.impression)
        assert (by_arm["lexical"], by_arm["trigram"]) == ("ok", "failed")
        assert len(answer.head) == 0

    def test_a_late_arm_does_not_keep_it_from_its_time(self, engine):
        made = engine(Empty("memory"), Blocked("dense"), deadline_ms=300)
        answer = made.answer(made.query(SearchRequest(query="hallelujah")), Sparing("dense"))
        by_arm = outcomes(answer.impression)
        assert (by_arm["dense"], by_arm["lexical"]) == ("late", "rescue")
        assert answer.impression.entity_ids[0] == "hallelujah"

    def test_a_fixed_policy_stays_what_it_is(self, engine):
        result = engine(Empty("memory")).search(SearchRequest(query="halo", policy="memory"))
        assert result.hits == ()


def test_an_unreadable_past_does_not_end_the_search(engine):
    def unreadable(actor):
        raise StorageError("damaged")

    result = engine(has_history=unreadable).search(SearchRequest(query="hallelujah", user_id="ann"))
    assert ids(result)[0] == "hallelujah"


def test_every_draw_is_uniform_and_repeatable(small):
    retrieval = Retrieval(small.home.runner, BUILT_IN, has_history=lambda _: False, seed=7, deadline_ms=100)
    draws = np.array([retrieval._uniform(f"q{n}", "dense") for n in range(4_000)])
    assert draws.tolist() == [retrieval._uniform(f"q{n}", "dense") for n in range(4_000)]
    assert draws.min() >= 0
    assert draws.max() < 1
    counts = np.histogram(draws, bins=10, range=(0, 1))[0]
    assert ((counts - 400) ** 2 / 400).sum() < 27.9  # chi-square, 9 degrees of freedom, p = 0.001; the seed is fixed
    other = np.array([retrieval._uniform(f"q{n}", "trigram") for n in range(4_000)])
    assert abs(np.corrcoef(draws, other)[0, 1]) < 0.06


def test_likeness_to_the_lexical_head_ignores_what_is_newer_than_the_snapshot(small):
    columns = small.home.catalog.columns
    query = small.home.engine.query(SearchRequest(query="hallelujah"))
    found = small.ordinal("hallelujah")
    for ordinals, expected in (([found, columns.n], 1.0), ([columns.n], 0.0), ([], 0.0)):
        head = np.array(ordinals, np.int32)
        lexical = Candidates(retriever="lexical", ordinals=head, scores=np.ones(len(head), np.float32))
        assert best_similarity(query, lexical, columns) == pytest.approx(expected)


def test_searches_side_by_side_while_the_catalogue_changes(small):
    done = threading.Event()
    steady, moving = "hallelujah", "moving target"

    def change():
        for number in range(12):
            small.storage.store.upsert([track(f"new-{number}", f"{moving} {number}", "Ida")])
            small.storage.store.delete([f"new-{number - 3}"])
            small.learning_side.index()
            small.home.refresh()
        done.set()

    def search(number):
        wrong, turn = [], 0
        while not (done.is_set() and turn >= 5):
            turn += 1
            policy = ("all", "bandit", "hybrid")[turn % 3]
            result = small.search(steady if turn % 2 else f"{moving} {turn % 12}", policy=policy)
            failed = {outcome.status for outcome in result.impression.outcomes} & {"failed", "late"}
            if failed or (turn % 2 and ids(result)[0] != steady):
                wrong.append((number, turn, failed, ids(result)))
        return wrong

    with ThreadPoolExecutor(9) as pool:
        changing = pool.submit(change)
        found = list(pool.map(search, range(8)))
        changing.result()
    assert found == [[]] * 8
    assert ids(small.search(f"{moving} 11", policy="lexical"))[0] == "new-11"
    assert "new-2" not in ids(small.search(f"{moving} 2", policy="all"))
