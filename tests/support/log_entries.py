"""Searches and events for the cluster's log, machines that share it, and a way to the cluster that can be cut."""

from __future__ import annotations

import numpy as np

from bandstand.errors import Unavailable
from bandstand.feedback.ubi_events import parse_event
from bandstand.opensearch.connection import Cluster
from bandstand.opensearch.log import OpenSearchLog
from bandstand.types import ArmDecision, Decision, Impression, Query, RetrieverOutcome

NOW = 1_750_000_000.0


def search(query_id, *, text="sigur ros", user="u1", time=NOW, ids=("a", "b", "c")):
    n = len(ids)
    return Impression(
        query=Query(id=query_id, text=text, normalized=text, user_id=user, session_id="s1", time=time),
        decision=Decision(
            policy="bandit",
            version="3",
            arms=(
                ArmDecision(
                    arm="dense",
                    depth=10,
                    propensity=0.7,
                    probabilities=(0.1, 0.7, 0.1, 0.1),
                    context=(("length", 2.0), ("gap", float("nan"))),
                ),
            ),
        ),
        outcomes=(RetrieverOutcome(retriever="dense", candidates=n, took_ms=1.5, status="ok"),),
        entity_ids=tuple(ids),
        ordinals=np.arange(n, dtype=np.int32),
        scores=np.linspace(1, 0.1, n, dtype=np.float32),
        features=np.full((n, 2), np.float32(0.1)),
        feature_names=("lexical.rank", "dense.rank"),
        shown=n,
        models={"ranker": "7"},
    )


def click(event_id, *, query_id="q1", user="u1", object_id="b", time=NOW + 5, **more):
    raw = {
        "event_id": event_id,
        "action_name": "click",
        "timestamp": time,
        "query_id": query_id,
        "user_id": user,
        "event_attributes": {"object": {"object_id": object_id}, "position": {"ordinal": 2}},
        **more,
    }
    return parse_event(raw, now=NOW + 60)


class Line(Cluster):
    """A connection that loses requests (before they arrive) or answers (after they have) when it is told to.

    Each is a part of the paths that are lost: None for nothing, "" for all.
    """

    def __init__(self, settings):
        super().__init__(settings)
        self.lose_request = self.lose_answer = None

    def request(self, method, path, body=None, *, params=None, timeout=None):
        if self.lose_request is not None and self.lose_request in path:
            raise Unavailable("the line is cut")
        answer = super().request(method, path, body, params=params, timeout=timeout)
        if self.lose_answer is not None and self.lose_answer in path:
            raise Unavailable("the line is cut")
        return answer


def machine(folder, cluster, *, clock=lambda: NOW):
    """A machine's log, delivered only when the test says so."""
    folder.mkdir(parents=True, exist_ok=True)
    return OpenSearchLog(folder / "log.sqlite", cluster, clock=clock, deliver=False)


def followed(log, page=7):
    """Every entry, as a follower reads it."""
    after, found = 0, []
    while entries := log.read(after, page):
        found += entries
        after = entries[-1].seq
    return found


def names(entries):
    """What entries are, by kind and id."""
    return [
        (entry.kind, getattr(entry.record, "id", None) or getattr(getattr(entry.record, "query", None), "id", None))
        for entry in entries
    ]


def documents(cluster, part):
    """All documents behind an alias, by id."""
    alias = cluster.index(part)
    cluster.refresh(alias)
    hits = cluster.search(alias, {"size": 10_000, "query": {"match_all": {}}})["hits"]["hits"]
    return {hit["_id"]: hit["_source"] for hit in hits} if len({hit["_id"] for hit in hits}) == len(hits) else None
