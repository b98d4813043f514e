"""Small catalogues that music searches got wrong, all at once, before any click."""

from __future__ import annotations

from collections import defaultdict

import pytest

import bandstand as bs
from bandstand.engine.request import SearchRequest
from bandstand.types import Filters
from bench.judged.cases import cases

WHOLE = 42
"""Cases of 47 of which every search meets its demand with vectors of hashed letters; MiniLM's make two more whole."""


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["bandit", "all"])
def test_reported_faults_stay_mended(home, policy):
    music, judged = home
    failed = defaultdict(list)
    for search in judged.searches:
        request = SearchRequest(
            query=search.query, k=search.k, filters=Filters(values=search.filters), policy=policy, preview=True
        )
        hits = [hit.entity for hit in music.platform.searching.engine.search(request).hits]
        if not search.judge(hits)["whole"]:
            failed[search.part].append(search.query)
    assert len({search.part for search in judged.searches} - failed.keys()) >= WHOLE, dict(failed)


@pytest.fixture(scope="module")
def home(real_data, tmp_path_factory):
    judged = cases(real_data("../cases/shown.ndjson"))
    with bs.open(tmp_path_factory.mktemp("cases"), encoder="hashing", background=False) as music:
        music.ingest(judged.entities)
        music.platform.learning.index()
        yield music, judged
