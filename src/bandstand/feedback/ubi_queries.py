"""UBI 1.3 queries: a logged search as a UBI document, with everything that evaluation needs in one attribute.

UBI has no propensities; they travel in ``query_attributes.bandstand``. The schema is
https://o19s.github.io/ubi/schema/1.3.0/query.request.schema.json.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from bandstand.errors import BadInput
from bandstand.feedback.fields import iso, timestamp
from bandstand.types import ArmDecision, Correction, Decision, Filters, Impression, Query, RetrieverOutcome, Slot

_APPLICATION = "bandstand"


def query_to_ubi(impression: Impression, *, features: bool = False) -> dict[str, object]:
    """The search as a UBI 1.3 query; ``features`` adds the logged feature rows, with which it can be read back whole.

    ``query_response_hit_ids`` are the ids that were on the page, best first. Not-a-number is written as null.
    """
    query = impression.query
    page = impression.entity_ids[query.offset : query.offset + impression.shown]
    document: dict[str, object | None] = {
        "application": _APPLICATION,
        "query_id": query.id,
        "client_id": query.session_id or query.user_id,
        "user_query": query.text,
        "timestamp": iso(query.time),
        "object_id_field": "id",
        "query_response_id": query.id,
        "query_response_hit_ids": list(page),
        "query_attributes": _attributes(impression, features),
    }
    return {name: value for name, value in document.items() if value is not None}


def impression_from_ubi(document: Mapping[str, Any]) -> Impression:
    """The search that `query_to_ubi` wrote; without the logged features its matrix has no columns.

    Raises:
        BadInput: the document was not written by Bandstand, or a part of it is missing.
    """
    try:
        attributes = document["query_attributes"]
        return _impression(document, attributes, attributes["bandstand"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInput(
            f"this UBI query cannot be read back ({error!r}); it needs query_attributes.bandstand as exported",
            field="query_attributes.bandstand",
        ) from error


def _attributes(impression: Impression, features: bool) -> dict[str, object]:
    query, decision = impression.query, impression.decision
    own: dict[str, object] = {
        "policy": decision.policy,
        "version": decision.version,
        "experiment": decision.experiment,
        "assigned": decision.assigned,
        "arms": [_arm(arm) for arm in decision.arms],
        "outcomes": [[o.retriever, o.candidates, o.took_ms, o.status] for o in impression.outcomes],
        "models": dict(impression.models),
        "ranking": list(impression.entity_ids),
        "ordinals": impression.ordinals.tolist(),
        "scores": _plain(impression.scores.tolist()),
        "took_ms": impression.took_ms,
        "corrected": impression.corrected,
    }
    if features:
        own["feature_names"] = list(impression.feature_names)
        own["feature_versions"] = dict(impression.feature_versions)
        own["features"] = [_plain(row) for row in impression.features.tolist()]
    return {
        "k": query.k,
        "offset": query.offset,
        "shown": impression.shown,
        "kinds": list(query.kinds),
        "filters": [[name, list(values)] for name, values in query.filters.values],
        "year": [query.filters.year_gte, query.filters.year_lte],
        "normalized": query.normalized,
        "slots": [[slot.name, slot.value, slot.confidence, slot.phrase] for slot in query.slots],
        "correction": None if query.correction is None else asdict(query.correction),
        "literal": query.literal,
        "user_id": query.user_id,
        "session_id": query.session_id,
        "locale": query.locale,
        "bandstand": own,
    }


def _arm(arm: ArmDecision) -> dict[str, object]:
    names, values = [name for name, _ in arm.context], _plain([value for _, value in arm.context])
    return {
        "arm": arm.arm,
        "depth": arm.depth,
        "propensity": arm.propensity,
        "probabilities": list(arm.probabilities),
        "context": dict(zip(names, values, strict=True)),
    }


def _impression(document: Mapping[str, Any], attributes: Mapping[str, Any], own: Mapping[str, Any]) -> Impression:
    names = tuple(own.get("feature_names", ()))
    ids = tuple(own["ranking"])
    rows = own.get("features", [[] for _ in ids])
    return Impression(
        query=_query(document, attributes),
        decision=Decision(
            policy=own["policy"],
            version=own["version"],
            arms=tuple(_arm_decision(arm) for arm in own["arms"]),
            experiment=own.get("experiment", ""),
            assigned=own.get("assigned", 1.0),
        ),
        outcomes=tuple(
            RetrieverOutcome(retriever=a, candidates=n, took_ms=ms, status=s) for a, n, ms, s in own["outcomes"]
        ),
        entity_ids=ids,
        ordinals=np.asarray(own["ordinals"], np.int32),
        scores=np.asarray(own["scores"], np.float32),
        features=np.asarray(rows, np.float32).reshape(len(ids), len(names)),
        feature_names=names,
        shown=attributes["shown"],
        models=dict(own["models"]),
        corrected=own["corrected"],
        took_ms=own["took_ms"],
        feature_versions=dict(own.get("feature_versions", {})),
    )


def _query(document: Mapping[str, Any], attributes: Mapping[str, Any]) -> Query:
    year_gte, year_lte = attributes["year"]
    values = tuple((name, tuple(values)) for name, values in attributes["filters"])
    return Query(
        id=document["query_id"],
        text=document["user_query"],
        normalized=attributes["normalized"],
        k=attributes["k"],
        offset=attributes["offset"],
        kinds=tuple(attributes["kinds"]),
        filters=Filters(values=values, year_gte=year_gte, year_lte=year_lte),
        user_id=attributes["user_id"],
        session_id=attributes["session_id"],
        locale=attributes["locale"],
        time=timestamp(document["timestamp"], "timestamp") or 0.0,
        slots=tuple(Slot(*slot) for slot in attributes["slots"]),
        correction=Correction(**found) if (found := attributes.get("correction")) else None,
        literal=attributes.get("literal", False),
    )


def _arm_decision(arm: Mapping[str, Any]) -> ArmDecision:
    context = tuple((name, math.nan if value is None else float(value)) for name, value in arm["context"].items())
    return ArmDecision(
        arm=arm["arm"],
        depth=arm["depth"],
        propensity=arm["propensity"],
        probabilities=tuple(arm["probabilities"]),
        context=context,
    )


def _plain(values: Sequence[float]) -> list[float | None]:
    """JSON has no NaN and no infinities: both are written as null."""
    return [value if math.isfinite(value) else None for value in values]
