"""Searches and events to log, small and readable."""

from __future__ import annotations

import numpy as np

from bandstand.types import (
    ArmDecision,
    Condition,
    Correction,
    Decision,
    Event,
    Filters,
    Impression,
    Query,
    RetrieverOutcome,
    Slot,
)

NOW = 1_740_000_000.0


def impression(
    query_id="q1", *, text="sigur ros", time=NOW, ids=("a", "b", "c"), user="u1", session="s1", shown=3, policy="bandit"
):
    n = len(ids)
    features = np.arange(n * 2, dtype=np.float32).reshape(n, 2)
    features[n // 2 :, 1] = np.nan
    return Impression(
        query=Query(
            id=query_id,
            text=text,
            normalized=text.lower(),
            kinds=("track",),
            filters=Filters(values=(("genre", ("jazz", "rock")),), year_gte=1990),
            conditions=(Condition("artist", "Queen", negated=True),),
            user_id=user,
            session_id=session,
            locale="is",
            time=time,
            slots=(Slot("mood", "happy", 0.5, "merry"),),
            correction=Correction(typed="hapy", text="happy", mode="showing", edits=1, confidence=0.75),
            literal=True,
        ),
        decision=Decision(
            policy=policy,
            version="3",
            arms=(
                ArmDecision(arm="lexical", depth=50),
                ArmDecision(
                    arm="dense",
                    depth=10,
                    propensity=0.7,
                    probabilities=(0.1, 0.7, 0.1, 0.1),
                    context=(("length", 2.0), ("gap", float("nan"))),
                ),
            ),
        ),
        outcomes=(
            RetrieverOutcome(retriever="lexical", candidates=3, took_ms=0.25, status="ok"),
            RetrieverOutcome(retriever="dense"),
        ),
        entity_ids=tuple(ids),
        ordinals=np.arange(n, dtype=np.int32),
        scores=np.linspace(1, 0.1, n, dtype=np.float32),
        features=features,
        feature_names=("lexical.rank", "dense.rank"),
        shown=shown,
        models={"ranker": "7", "bandit": "3"},
        corrected="sigur rós",
        took_ms=4.5,
    )


def event(event_id="e1", *, action="click", query_id="q1", object_id="b", time=NOW + 5, user="u1", **rest):
    return Event(id=event_id, action=action, query_id=query_id, object_id=object_id, time=time, user_id=user, **rest)


def same(left: Impression, right: Impression) -> bool:
    """Equality by content: arrays bit for bit, everything else by value (NaN equals NaN)."""
    arrays = all(
        getattr(left, name).dtype == getattr(right, name).dtype
        and np.array_equal(getattr(left, name), getattr(right, name), equal_nan=True)
        for name in ("ordinals", "scores", "features")
    )
    plain = all(
        repr(getattr(left, name)) == repr(getattr(right, name))
        for name in ("query", "decision", "outcomes", "entity_ids", "feature_names", "shown", "corrected", "took_ms")
    )
    return arrays and plain and dict(left.models) == dict(right.models)
