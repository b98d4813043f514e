"""Listeners and prices, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from bandstand.replay.simulate.costs import cost_of, exploring_ms, price, with_modelled_times
from bandstand.replay.simulate.experiments import SESSION_S, Listeners
from bandstand.replay.simulate.listener import PLAY_TOLD_S, RETRY_AFTER_S, Draws, pick, visit
from bandstand.retrievers.registry import BUILT_IN
from bandstand.types import ArmDecision, Decision, Impression, Query, RetrieverOutcome

NOW = 1_750_000_000.0


def page(*entities, arms=()):
    return Impression(
        query=Query(id="q", text="x", normalized="x", session_id="s", time=NOW),
        decision=Decision(policy="all", version="1"),
        outcomes=tuple(
            RetrieverOutcome(retriever=arm, status="ok" if arm in arms else "skipped", took_ms=99.0)
            for arm in BUILT_IN.names
        ),
        entity_ids=entities, ordinals=np.arange(len(entities), dtype=np.int32),
        scores=np.zeros(len(entities), np.float32), features=np.zeros((len(entities), 0), np.float32),
        feature_names=(), shown=len(entities),
    )  # fmt: skip


def luck(value):
    return Draws(uniforms=np.full((3, 10), value), pleased=np.full(10, value), persistent=value)


def summary(events):
    return [(event.action, event.object_id, event.position, event.time - NOW, event.play_seconds) for event in events]


def test_what_is_wanted_is_clicked_and_played_on():
    done = visit(Listeners(), page("a", "b"), np.array([False, True]), (), luck(0.2))
    assert done.satisfied
    assert summary(done.events) == [("click", "b", 2, 4.0, None), ("play", "b", 2, 4.0 + PLAY_TOLD_S, PLAY_TOLD_S)]


def test_what_only_looks_good_is_clicked_and_left():
    done = visit(Listeners(bait=0.9), page("a", "b"), np.array([False, True]), {"a"}, luck(0.2))
    assert not done.satisfied
    assert summary(done.events) == [("click", "a", 1, 4.0, None), ("play", "a", 1, 6.0, 2.0)]


@pytest.mark.parametrize("entities", [(), ("a",)])
def test_nothing_wanted_nothing_done(entities):
    done = visit(Listeners(), page(*entities), np.zeros(len(entities), np.bool_), (), luck(0.5))
    assert done.events == ()
    assert not done.satisfied


def test_who_knows_the_name_looks_down_the_page():
    shown = page(*"abcdefghijkl")
    wanted = np.array([letter in "jl" for letter in shown.entity_ids])
    assert [event.object_id for event in pick(shown, wanted).events] == ["j", "j"]
    assert not pick(page("a"), np.array([False])).satisfied


def test_a_session_is_over_before_the_next_begins():
    retried = page("a")
    ends = max(event.time for event in pick(retried, np.array([True])).events) - NOW
    assert RETRY_AFTER_S + ends < SESSION_S


def test_the_query_is_encoded_once():
    assert price(("rephrase", "dense")) == {"rephrase": 6.3, "dense": 0.0}
    assert price(("dense",)) == {"dense": 6.3}
    assert price(()) == {}
    assert sum(price(BUILT_IN.names).values()) == pytest.approx(8.95)
    assert cost_of(()) == pytest.approx(0.45)  # the free arms, which always play
    assert cost_of(("trigram", "dense")) == pytest.approx(7.75)  # 7.65, as the prototype counted, and two free arms


def test_modelled_times_replace_measured_ones():
    outcomes = with_modelled_times(page(arms=("memory", "dense"))).outcomes
    assert {outcome.retriever: outcome.took_ms for outcome in outcomes if outcome.took_ms} == {
        "memory": 0.05,
        "dense": 6.3,
    }


def test_what_exploring_costs():
    skips = ArmDecision(arm="dense", depth=0, probabilities=(0.9, 0.05, 0.03, 0.02))
    plays = ArmDecision(arm="trigram", depth=200, probabilities=(0.2, 0.0, 0.0, 0.8))
    always = ArmDecision(arm="memory", depth=200)
    decision = Decision(policy="bandit", version="1", arms=(always, plays, skips))
    assert exploring_ms(decision) == pytest.approx(6.3 * 0.1 - 1.0 * 0.2)
