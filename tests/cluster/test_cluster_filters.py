"""Filters on a cluster: its clauses leave exactly what the mask allows, so that no hit is wasted on anything else."""

from __future__ import annotations

import numpy as np
import pytest

from bandstand.catalog.columns import Catalog
from bandstand.catalog.sqlite_store import SqliteStore
from bandstand.engine.filters import filters_of
from bandstand.opensearch.connection import hits_of
from bandstand.opensearch.first_round import ranked, scored
from bandstand.opensearch.text_index import TextFollower, conditions
from bandstand.testing.world import ENTITIES
from bandstand.types import Entity, Field, Query

MORE = (
    Entity(id="below", kind="track", title="Below", fields=(Field("bpm", -40), Field("since", "2020-03-05"))),
    Entity(id="zero", kind="track", title="Zero", fields=(Field("bpm", 0), Field("since", "2020-11"))),
    Entity(id="mixed", kind="track", title="Mixed", fields=(Field("bpm", "80 or so"), Field("live", False))),
    Entity(id="none", kind="album", title="None", duration=0.0, image="/none.png", released="1990-02-03"),
)
FILTERS = (
    {"bpm": {"gte": -40, "lt": 80}},
    {"bpm": {"gt": -40, "lte": 82.5}},
    {"bpm": {"lt": 0}},
    {"bpm": {"gt": 1e9}},
    {"bpm": [80, 0]},
    {"bpm": {"exists": False}},
    {"label": "columbia"},
    {"not": {"label": ["columbia", "XL"]}},
    {"live": True},
    {"live": {"exists": True}, "not": {"live": True}},
    {"moods": ["slow", "fast"]},
    {"since": {"gte": "2020-03", "lt": "2020-11"}},
    {"since": {"gt": "2020-03"}},
    {"since": {"lte": "2020"}},
    {"released": {"lte": "1990-02"}},
    {"released": {"gte": 1991, "lte": 1999}},
    {"year": {"gte": 1990, "lte": 1999}},
    {"not": {"year": {"gte": 1960}}},
    {"popularity": {"gte": 0.5, "lt": 0.8}},
    {"duration": {"gte": 0}},
    {"image": {"exists": True}},
    {"url": {"exists": False}, "kind": "track"},
    {"genre": ["pop", "rock"], "not": {"kind": ["artist"], "mood": {"exists": True}}},
    {"genre": []},
)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    store = SqliteStore(tmp_path_factory.mktemp("filters") / "catalog.sqlite", clock=lambda: 0.0)
    store.upsert((*ENTITIES, *MORE))
    yield Catalog(store)
    store.close()


def test_clauses_leave_what_the_mask_allows(cluster, catalog):
    follower = TextFollower(cluster, head=catalog.store.head)
    follower.follow(catalog.store.changes(0, 1_000))
    for raw in FILTERS:
        filters = filters_of(raw)
        clauses = conditions(Query(id="q", text="", normalized="", filters=filters))
        body = ranked({"bool": {"filter": clauses}}, size=1_000, deadline_s=60)
        (answer,) = cluster.msearch([(follower.index, body)], timeout=60)
        found = np.sort(scored(hits_of(answer))[0])
        np.testing.assert_array_equal(found, np.flatnonzero(catalog.columns.mask((), filters)), err_msg=str(raw))
