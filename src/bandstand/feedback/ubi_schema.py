"""The mappings of ``ubi_queries`` and ``ubi_events``: UBI 1.3 field names, and what Bandstand itself needs beside them.

After the mappings of OpenSearch's own UBI plugin, so that its dashboards and the search relevance workbench can read
these indices. Only fields whose content was checked are mapped: nothing that a client adds can be refused by them.
"""

from __future__ import annotations

from bandstand.cluster.indices import Schema

_ID = {"type": "keyword", "ignore_above": 256}
_TEXT = {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}}
_MOMENT = {"type": "date"}
_OWN = {
    "type": "object",
    "dynamic": False,
    "properties": {
        "spool": {"type": "keyword"},
        "seq": {"type": "long"},
        "logged": {"type": "double"},
        "record": {"type": "binary"},
    },
}

QUERIES = Schema(
    part="ubi_queries",
    format=1,
    dynamic=False,
    settings={"refresh_interval": "1s"},
    properties={
        "timestamp": _MOMENT,
        "query_id": _ID,
        "user_query": _TEXT,
        "client_id": _ID,
        "user_id": _ID,
        "application": _ID,
        "object_id_field": _ID,
        "query_response_id": _ID,
        "query_response_hit_ids": _ID,
        "query_attributes": {"type": "flat_object"},
        "bandstand": _OWN,
    },
)
EVENTS = Schema(
    part="ubi_events",
    format=1,
    dynamic=False,
    settings={"refresh_interval": "1s"},
    properties={
        "timestamp": _MOMENT,
        "event_id": _ID,
        "action_name": _ID,
        "query_id": _ID,
        "session_id": _ID,
        "client_id": _ID,
        "user_id": _ID,
        "user_query": _TEXT,
        "application": _ID,
        "message": {"type": "keyword", "ignore_above": 1024},
        "message_type": _ID,
        "event_attributes": {
            "type": "object",
            "dynamic": False,
            "properties": {
                "position": {"type": "object", "dynamic": False, "properties": {"ordinal": {"type": "integer"}}},
                "object": {"type": "object", "dynamic": False, "properties": {"object_id": _ID}},
                "play_seconds": {"type": "float"},
            },
        },
        "bandstand": _OWN,
    },
)
