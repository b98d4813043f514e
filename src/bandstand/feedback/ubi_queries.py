"""UBI 1.3 queries: a logged search as a UBI document, with everything that evaluation needs in one attribute.

UBI has no propensities; they travel in ``query_attributes.bandstand``. The schema is
https://o19s.github.io/ubi/schema/1.3.0/query.request.schema.json.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import msgspec
import numpy as np

from bandstand.errors import BadInput
from bandstand.feedback.codec import impression_of
from bandstand.feedback.fields import iso, timestamp
from bandstand.types import Impression, RetrieverOutcome, Slot

_APPLICATION = "bandstand"
_OF_THE_QUERY = ("k", "offset", "kinds", "normalized", "correction", "literal", "user_id", "session_id", "locale")
_CONDITIONS, _CLAUSES = "conditions", "clauses"
"""Written where a query has some, so that other searches are exported as the last version did."""
_OF_THE_DECISION = ("policy", "version", "experiment", "assigned")
_SLOT = tuple(field.name for field in fields(Slot))
_OUTCOME = tuple(field.name for field in fields(RetrieverOutcome))


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
        "query_attributes": msgspec.json.decode(msgspec.json.encode(_attributes(impression, features))),
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
    except (KeyError, TypeError, ValueError, AttributeError, msgspec.ValidationError) as error:
        raise BadInput(
            f"this UBI query cannot be read back ({error!r}); it needs query_attributes.bandstand as exported",
            field="query_attributes.bandstand",
        ) from error


def _attributes(impression: Impression, features: bool) -> dict[str, object]:
    query = msgspec.to_builtins(impression.query, enc_hook=lambda _: None)
    decision = msgspec.to_builtins(impression.decision)
    own: dict[str, object] = {
        **decision,
        "arms": [{**arm, "context": dict(arm["context"])} for arm in decision["arms"]],
        "outcomes": [[o.retriever, o.candidates, o.took_ms, o.status] for o in impression.outcomes],
        "models": dict(impression.models),
        "ranking": impression.entity_ids,
        "ordinals": impression.ordinals.tolist(),
        "scores": impression.scores.tolist(),
        "took_ms": impression.took_ms,
        "corrected": impression.corrected,
    }
    if features:
        own["feature_names"] = impression.feature_names
        own["feature_versions"] = dict(impression.feature_versions)
        own["features"] = impression.features.tolist()
    filters = query["filters"]
    return {
        **{name: query[name] for name in _OF_THE_QUERY},
        **({_CONDITIONS: query[_CONDITIONS]} if query[_CONDITIONS] else {}),
        "shown": impression.shown,
        "filters": filters["values"],
        "year": [filters["year_gte"], filters["year_lte"]],
        **({_CLAUSES: filters[_CLAUSES]} if filters[_CLAUSES] else {}),
        "slots": [tuple(slot.values()) for slot in query["slots"]],
        "bandstand": own,
    }


def _impression(document: Mapping[str, Any], attributes: Mapping[str, Any], own: Mapping[str, Any]) -> Impression:
    names, ids = own.get("feature_names", ()), own["ranking"]
    rows = own.get("features", [[] for _ in ids])
    arms = [{**arm, "context": [*_numbers(arm["context"]).items()]} for arm in own["arms"]]
    return impression_of(
        {
            **{name: own[name] for name in ("models", "corrected", "took_ms", "feature_versions") if name in own},
            "query": _query(document, attributes),
            "decision": {**{name: own[name] for name in _OF_THE_DECISION if name in own}, "arms": arms},
            "outcomes": [dict(zip(_OUTCOME, outcome, strict=True)) for outcome in own["outcomes"]],
            "entity_ids": ids,
            "ordinals": np.asarray(own["ordinals"], np.int32),
            "scores": np.asarray(own["scores"], np.float32),
            "features": np.asarray(rows, np.float32).reshape(len(ids), len(names)),
            "feature_names": names,
            "shown": attributes["shown"],
        }
    )


def _query(document: Mapping[str, Any], attributes: Mapping[str, Any]) -> dict[str, Any]:
    year_gte, year_lte = attributes["year"]
    return {
        **{name: attributes[name] for name in (*_OF_THE_QUERY, _CONDITIONS) if name in attributes},
        "id": document["query_id"],
        "text": document["user_query"],
        "time": timestamp(document["timestamp"], "timestamp") or 0.0,
        "filters": {
            "values": attributes["filters"],
            "year_gte": year_gte,
            "year_lte": year_lte,
            _CLAUSES: attributes.get(_CLAUSES, ()),
        },
        "slots": [dict(zip(_SLOT, slot, strict=False)) for slot in attributes["slots"]],
    }


def _numbers(context: Mapping[str, float | None]) -> dict[str, float]:
    return {name: math.nan if value is None else value for name, value in context.items()}
