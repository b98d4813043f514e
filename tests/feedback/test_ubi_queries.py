"""UBI queries: strict on the way out, and whole on the way back."""

from dataclasses import replace

import numpy as np
import orjson
import pytest

from bandstand.errors import BadInput
from bandstand.feedback.ubi_events import impression_from_ubi, query_to_ubi


def test_the_document_has_the_fields_of_the_standard(make):
    document = query_to_ubi(make.impression(shown=2))
    assert document["user_query"] == "sigur ros"
    assert document["timestamp"] == "2025-02-19T21:20:00.000000Z"
    assert document["query_response_hit_ids"] == ["a", "b"]
    own = document["query_attributes"]["bandstand"]
    assert own["arms"][1] == {
        "arm": "dense",
        "depth": 10,
        "propensity": 0.7,
        "probabilities": [0.1, 0.7, 0.1, 0.1],
        "context": {"length": 2.0, "gap": None},
    }
    assert (own["policy"], own["version"], own["models"]) == ("bandit", "3", {"ranker": "7", "bandit": "3"})
    assert "features" not in own


def test_with_features_it_comes_back_whole_through_json(make):
    impression = make.impression()
    document = orjson.loads(orjson.dumps(query_to_ubi(impression, features=True)))
    assert make.same(impression_from_ubi(document), impression)


def test_without_features_the_matrix_has_no_columns(make):
    again = impression_from_ubi(query_to_ubi(make.impression()))
    assert again.features.shape == (3, 0)
    assert again.entity_ids == ("a", "b", "c")


def test_the_page_starts_at_the_offset(make):
    impression = make.impression(shown=1)
    assert query_to_ubi(replace(impression, query=replace(impression.query, offset=2)))["query_response_hit_ids"] == [
        "c"
    ]


def test_nothing_found(make):
    impression = make.impression(ids=(), shown=0)
    again = impression_from_ubi(orjson.loads(orjson.dumps(query_to_ubi(impression, features=True))))
    assert again.features.shape == (0, 2)
    assert again.ordinals.dtype == np.int32


@pytest.mark.parametrize(
    "document",
    [{}, {"query_attributes": None}, {"query_attributes": {"bandstand": {}}}, {"query_attributes": {"bandstand": 3}}],
)
def test_foreign_documents_are_refused(document):
    with pytest.raises(BadInput, match=r"query_attributes\.bandstand"):
        impression_from_ubi({"user_query": "x", **document})
