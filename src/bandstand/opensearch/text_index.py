"""The cluster's text index: the terms of `text_document`, ready made, and what hard conditions are checked against."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from bandstand.catalog.columns import attribute_key
from bandstand.catalog.store import Change
from bandstand.opensearch.connection import Cluster, Json, Operation
from bandstand.opensearch.indices import FollowingIndex, Schema, versioned
from bandstand.retrievers.text_index import (
    ALIAS_GRAMS,
    EXACT,
    GRAMS,
    KIND,
    ORDINAL,
    TERMS,
    WORD_FIELDS,
    field_texts,
)
from bandstand.types import Entity, Query

FACETS, YEAR, POPULARITY = "facets", "year", "popularity"

LONGEST_TERM = 8_000
"""Characters of a term: Lucene takes 32,766 bytes, and what is longer nobody types."""

FEW = 10_000
"""Entities that a search may name; a cluster takes 65,536 terms. Of more, enough are among the best hits."""

_WORDS = {"type": "text", "analyzer": TERMS, "index_options": "freqs"}
_ONCE = {"type": "text", "analyzer": TERMS, "index_options": "docs"}
_WHOLE = {"type": "text", "analyzer": "keyword", "index_options": "docs"}

CONDITIONS: Json = {
    ORDINAL: {"type": "integer"},
    FACETS: {"type": "keyword", "doc_values": False, "ignore_above": LONGEST_TERM},
    YEAR: {"type": "short", "doc_values": False},
}
"""The fields that `conditions` reads, and the ordinal."""

TEXT = Schema(
    part="text",
    format=2,
    properties={
        **CONDITIONS,
        **dict.fromkeys(WORD_FIELDS, _WORDS),
        **dict.fromkeys((GRAMS, ALIAS_GRAMS), _ONCE),
        **dict.fromkeys((KIND, EXACT), _WHOLE),
        POPULARITY: {"type": "float", "index": False},
    },
    # The texts are analysed already, by `bandstand.catalog.text`: so both backends find the same words.
    settings={
        "analysis": {
            "tokenizer": {TERMS: {"type": "whitespace", "max_token_length": LONGEST_TERM}},
            "analyzer": {TERMS: {"type": "custom", "tokenizer": TERMS}},
        }
    },
)


class TextFollower(FollowingIndex):
    """The cluster's text index."""

    def __init__(self, cluster: Cluster, *, head: Callable[[], int]) -> None:
        super().__init__(cluster, TEXT, head=head)

    def operations(self, changes: Sequence[Change]) -> Iterator[Operation]:
        """See `FollowingIndex`."""
        return map(_operation, changes)


def _operation(change: Change) -> Operation:
    if change.entity is None:
        return versioned(change.ordinal, change.seq, "delete"), None
    return versioned(change.ordinal, change.seq), document(change.ordinal, change.entity)


def document(ordinal: int, entity: Entity) -> Json:
    """The document of an entity; the popularity is a number in [0, 1] that searches multiply with."""
    texts: defaultdict[str, list[str]] = defaultdict(list)
    for name, text in field_texts(entity):
        if len(text) <= LONGEST_TERM or name not in (KIND, EXACT):
            texts[name].append(text)
    return {**texts, **condition_fields(ordinal, entity), POPULARITY: entity.popularity}


def condition_fields(ordinal: int, entity: Entity) -> Json:
    """The values of `CONDITIONS`."""
    facets = {facet(attribute.name, attribute.value) for attribute in entity.attributes}
    fields: Json = {ORDINAL: ordinal, FACETS: sorted(facets)}
    return fields if entity.year is None else {**fields, YEAR: entity.year}


def facet(name: str, value: str) -> str:
    """The term under which an attribute value is filtered by."""
    return "=".join(attribute_key(name, value))


def conditions(query: Query) -> list[Json]:
    """A query's kinds and filters as clauses, and what its typed conditions leave where that is `FEW` entities.

    `Query.allowed` checks all of it again.
    """
    return list(_clauses(query))


def _clauses(query: Query) -> Iterator[Json]:
    if query.kinds:
        yield {"terms": {KIND: list(query.kinds)}}
    for name, values in query.filters.values:
        yield {"terms": {FACETS: [facet(name, value) for value in values]}}
    years = {"gte": query.filters.year_gte, "lte": query.filters.year_lte}
    if any(bound is not None for bound in years.values()):
        yield {"range": {YEAR: {name: bound for name, bound in years.items() if bound is not None}}}
    if query.conditions and query.allowed is not None and np.count_nonzero(query.allowed) <= FEW:
        yield {"terms": {ORDINAL: np.flatnonzero(query.allowed).tolist()}}
