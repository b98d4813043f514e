"""What an operator decides about a query's answers: it holds for everybody, outlasts the memory, and can be undone."""

from __future__ import annotations

import pytest

from bandstand.learner.edits import EDIT_MEMORY, UNDO_EDIT
from bandstand.memory_index.curation import all_edits, edits_of
from bandstand.memory_index.keys import query_key
from tests.support.small_home import ids


def edit(small, action, query, entity, *, id_="1", score=None):
    payload = {"id": id_, "action": action, "query": query, "entity_id": entity, "score": score, "by": "op"}
    small.storage.log.append_control(EDIT_MEMORY, payload)
    small.learn()


def undo(small, query, id_="1"):
    small.storage.log.append_control(UNDO_EDIT, {"id": id_, "query": query})
    small.learn()


@pytest.mark.parametrize("policy", ["bandit", "all", "memory"])
def test_a_pin_stands_first_whatever_the_ranker_says(small, policy):
    edit(small, "pin", "halo", "blue-in-green")
    edit(small, "pin", "halo", "hurt-cash", id_="2")
    assert ids(small.search("halo", policy=policy))[:2] == ["blue-in-green", "hurt-cash"]
    assert "blue-in-green" not in ids(small.search("hello", policy="lexical"))
    undo(small, "halo")
    assert ids(small.search("halo", policy=policy))[0] == "hurt-cash"


@pytest.mark.parametrize("policy", ["bandit", "all", "lexical"])
def test_what_is_blocked_is_never_shown_for_this_query(small, policy):
    edit(small, "block", "halo", "halo")
    assert "halo" not in ids(small.search("halo", policy=policy, k=50))
    assert "halo" in ids(small.search("beyonce halo", policy=policy, k=50))
    undo(small, "halo")
    assert "halo" in ids(small.search("halo", policy=policy, k=50))


def test_a_score_replaces_what_the_memory_believes(small):
    edit(small, "score", "sad tune", "hurt-cash", score=0.7)
    (hit,) = [hit for hit in small.search("sad tune", policy="memory").hits if hit.entity.id == "hurt-cash"]
    assert hit.sources[0].score == pytest.approx(0.7)


def test_what_is_shown_is_what_is_logged(small):
    edit(small, "pin", "halo", "blue-in-green")
    found = small.search("halo", policy="all")
    small.storage.log.flush()
    assert small.storage.log.impression(found.impression.query.id).entity_ids == found.impression.entity_ids
    assert found.impression.entity_ids[0] == "blue-in-green"
    assert len(found.impression.features) == len(found.impression.scores) == len(found.impression.ordinals)


def test_every_change_stays_on_record(small):
    edit(small, "pin", "halo", "hurt-cash")
    edit(small, "block", "halo", "hurt-cash", id_="2")
    undo(small, "halo", "2")
    records = [(one.id, one.action, one.by, one.undone is not None) for one in all_edits(small.home.memory.scan)]
    assert records == [("2", "block", "op", True), ("1", "pin", "op", False)]
    assert ids(small.search("halo", policy="all"))[0] == "hurt-cash"  # the pin holds again


def test_no_eviction_takes_it(small):
    edit(small, "pin", "halo", "hurt-cash")
    with small.storage.memory.batch() as batch:
        for query in ("halo", "hurt"):
            batch._tables.drop_query(query_key(query))
        batch.evict()
    assert small.home.memory.curation("halo").pinned == (small.ordinal("hurt-cash"),)


def test_orders_about_what_is_not_there_change_nothing(small):
    edit(small, "pin", "halo", "nobody-knows-it")
    undo(small, "hello", "never made")
    assert not all_edits(small.home.memory.scan)
    assert not edits_of(small.home.memory.state, "halo")
