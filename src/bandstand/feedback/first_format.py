"""Records of the log's first format, which are read for as long as there are any, and no longer written.

An event's body is a JSON list, a line break and the payload. An impression's is four uint32 counts (n, f, c, 0),
float64 contexts (c,), int32 ordinals (n,), float32 scores (n,), float32 features (f, n), and a JSON header.
"""

from __future__ import annotations

import struct
from itertools import islice
from typing import Any

import msgspec
import numpy as np

_COUNTS = struct.Struct("<4I")
_EVENT = (
    *("id", "action", "time", "query_id", "user_query", "user_id", "session_id", "client_id", "object_id"),
    *("position", "play_seconds"),
)
_SLOT = ("name", "value", "confidence", "phrase")
_OUTCOME = ("retriever", "candidates", "took_ms", "status")
_ARM = ("arm", "depth", "propensity", "probabilities")
_AS_THEY_ARE = ("entity_ids", "feature_names", "feature_versions", "models", "corrected", "took_ms")
_OF_THE_QUERY = ("id", "text", "normalized", "kinds", "time", "correction", "literal")

Fields = dict[str, Any]


def event_fields(body: bytes) -> Fields:
    """The fields of an event."""
    header, _, payload = body.partition(b"\n")
    return {**dict(zip(_EVENT, msgspec.json.decode(header), strict=True)), "payload": payload.decode()}


def impression_fields(body: bytes) -> Fields:
    """The fields of an impression."""
    n, f, c, _ = _COUNTS.unpack_from(body)
    contexts, at = np.frombuffer(body, "<f8", c, _COUNTS.size), _COUNTS.size + 8 * c
    ordinals, at = np.frombuffer(body, "<i4", n, at), at + 4 * n
    scores, at = np.frombuffer(body, "<f4", n, at), at + 4 * n
    features, at = np.frombuffer(body, "<f4", n * f, at), at + 4 * n * f
    header = msgspec.json.decode(memoryview(body)[at:])
    by_row = np.ascontiguousarray(features.reshape(f, n).T)
    by_row.flags.writeable = False
    return {
        **{name: header[name] for name in _AS_THEY_ARE if name in header},
        "query": _query(header),
        "decision": _decision(header, contexts.tolist()),
        "outcomes": [dict(zip(_OUTCOME, outcome, strict=True)) for outcome in header["outcomes"]],
        "shown": header["page"][2],
        "ordinals": ordinals,
        "scores": scores,
        "features": by_row,
    }


def _query(header: Fields) -> Fields:
    return {
        **{name: header[name] for name in _OF_THE_QUERY if name in header},
        **dict(zip(("k", "offset"), header["page"], strict=False)),
        **dict(zip(("user_id", "session_id", "locale"), header["who"], strict=True)),
        "filters": dict(zip(("values", "year_gte", "year_lte"), header["filters"], strict=True)),
        "slots": [dict(zip(_SLOT, slot, strict=False)) for slot in header["slots"]],
    }


def _decision(header: Fields, contexts: list[float]) -> Fields:
    values = iter(contexts)
    arms = [
        {**dict(zip(_ARM, arm, strict=False)), "context": [*zip(names, islice(values, len(names)), strict=True)]}
        for *arm, names in header["arms"]
    ]
    # The oldest records know of no experiments.
    return {**dict(zip(("policy", "version", "experiment", "assigned"), header["policy"], strict=False)), "arms": arms}
