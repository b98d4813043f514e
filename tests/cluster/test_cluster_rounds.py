"""One round trip for several arms: who asks first waits for all, and each is charged its own share."""

from __future__ import annotations

import pytest

from bandstand.errors import RetrievalError
from bandstand.opensearch.first_round import FirstRound
from bandstand.types import Query

QUERY = Query(id="q", text="halo", normalized="halo", time=0.0)


def hits(*ordinals):
    return {"hits": [{"sort": [1.0, ordinal]} for ordinal in ordinals]}


def first_round(cluster, names, *seconds):
    """A round of these searches, on a timer that shows these moments one after another."""
    moments = iter(seconds)
    return FirstRound(
        cluster,
        "text",
        lambda query: {(name, query.meant): {} for name in names},
        deadline_s=1.0,
        timer=lambda: next(moments),
    )


def test_each_arm_is_charged_its_share_of_the_round_and_not_its_waiting(scripted):
    cluster, node = scripted((200, {"responses": [{"took": 6, "hits": hits(7)}, {"took": 2, "hits": hits(8, 9)}]}))
    # The first asks at 0 s; the request takes from 1 ms to 9 ms; it has its hits at 10 ms. The second asks at 20 ms.
    first = first_round(cluster, ("lexical", "trigram"), 0.0, 0.001, 0.009, 0.010, 0.020, 0.021)
    lexical, trigram = first.ask(QUERY, "lexical"), first.ask(QUERY, "trigram")
    assert lexical.ranking[0].tolist() == [7]
    assert trigram.ranking[0].tolist() == [8, 9]
    assert lexical.shared_ms == pytest.approx(6 - 10)
    assert trigram.shared_ms == pytest.approx(2 - 1)
    assert len(node.asked) == 1


def test_searches_faster_than_the_cluster_counts_share_evenly(scripted):
    cluster, _ = scripted((200, {"responses": [{"took": 0, "hits": hits()}] * 2}))
    first = first_round(cluster, ("lexical", "trigram"), 0.0, 0.0, 0.004, 0.004)
    assert first.ask(QUERY, "lexical").shared_ms == pytest.approx(2 - 4)


def test_a_search_that_failed_costs_the_others_nothing_more(scripted):
    refused = {"status": 429, "error": {"type": "rejected_execution_exception", "reason": "full"}}
    cluster, _ = scripted((200, {"responses": [{"took": 5, "hits": hits(1)}, refused]}))
    first = first_round(cluster, ("lexical", "trigram"), 0.0, 0.0, 0.005, 0.005, 0.006)
    assert first.ask(QUERY, "lexical").shared_ms == pytest.approx(0.0)
    with pytest.raises(RetrievalError, match="overloaded"):
        first.ask(QUERY, "trigram")
