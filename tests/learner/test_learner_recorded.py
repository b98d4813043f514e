"""A record of pages with and without an arm reaches the bandit when its search settles, and goes with its user."""

from __future__ import annotations

import pytest

from bandstand.engine.ablation import ablate
from bandstand.feedback.ablation import ABLATION, ablation_event, ablation_of
from bandstand.learner.apply import FORGET_USER
from bandstand.learner.gate_labels import Recorded
from bandstand.learner.open_searches import OpenSearches
from bandstand.retrievers.registry import BUILT_IN


@pytest.fixture
def searched(small):
    home = small.home
    result = small.search("hello", user="ana", session="s", policy="bandit")
    query = result.impression.query
    record = ablate(home.engine, query, shown=result.impression)
    event = ablation_event(record, query, now=small.clock())
    home.log.append_events([event])
    return result, event


def kept(small):
    with small.home.memory.batch() as batch:
        return [key for key, _ in batch.scan(b"ablation/")]


def test_it_waits_for_its_search_and_is_gone_when_that_settles(small, searched):
    result, _ = searched
    small.learn()
    assert len(kept(small)) == 1
    small.play("hello", on=result)
    small.clock.pass_(3_600)
    small.search("so what")
    small.learn()
    assert kept(small) == []


def test_it_goes_with_its_user(small, searched):
    small.learn()
    small.home.log.append_control(FORGET_USER, {"user_id": "ana"})
    small.learn()
    assert kept(small) == []
    assert small.home.log.count("event") == 0


def test_what_comes_too_late_is_not_kept(small, searched):
    _, event = searched
    with small.home.memory.batch() as batch:
        recorded = Recorded(batch, OpenSearches(batch))
        assert recorded.keep(event)  # the search is in the log, but has not been read: nothing is open
        assert recorded.take(event.query_id) is None
    assert event.action == ABLATION
    assert ablation_of(event).retrievers == BUILT_IN.expensive
