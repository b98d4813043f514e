"""The cluster's text index: the terms of `text_document`, ready made, and what hard conditions are checked against."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from bandstand.catalog.columns import attribute_key
from bandstand.catalog.fields import Bounds, as_number, as_text
from bandstand.catalog.store import Change
from bandstand.catalog.text import normalize
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
from bandstand.types import Clause, Entity, Query

FACETS, ORDERED, YEAR, POPULARITY = "facets", "ordered", "year", "popularity"

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
    ORDERED: {"type": "keyword", "doc_values": False, "ignore_above": LONGEST_TERM},
    YEAR: {"type": "short", "doc_values": False},
}
"""The fields that `conditions` reads, and the ordinal.

`FACETS` holds "name=value" of each text, and "name" alone where there is any value; `ORDERED` the same of numbers and
texts in forms whose order is that of the values, see `ordered`.
"""

TEXT = Schema(
    part="text",
    format=3,
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
    facets |= {attribute.name.casefold() for attribute in entity.attributes} | {facet("kind", entity.kind), "kind"}
    terms = set[str]()
    for name, values in _held(entity):
        facets |= {name, *(facet(name, value) for value in values if isinstance(value, str))}
        terms |= {ordered(name, value) for value in values}
    fields: Json = {ORDINAL: ordinal, FACETS: sorted(facets), ORDERED: sorted(terms)}
    return fields if entity.year is None else {**fields, YEAR: entity.year}


def _held(entity: Entity) -> Iterator[tuple[str, Sequence[float | str]]]:
    """What an entity holds by field, as `bandstand.catalog.fields` has it."""
    facts = {"popularity": entity.popularity, "year": entity.year, "duration": entity.duration}
    texts = {"released": entity.released}
    yield from ((name, (value,)) for name, value in {**facts, **texts}.items() if value is not None)
    yield from ((name, ()) for name in ("url", "image") if getattr(entity, name))
    for each in entity.fields:
        value = each.value
        values = value if isinstance(value, tuple) else (as_text(value) if isinstance(value, bool) else value,)
        yield each.name.casefold(), values


_NUMBER, _TEXT, _END = "#", "$", "\U0010ffff"


def ordered(name: str, value: float | str) -> str:
    """The term of a value: terms of one field are in the order of their values, numbers before texts.

    A number is the 16 hexadecimal digits of its IEEE 754 form, all bits turned where it is negative, else the first.
    """
    if isinstance(value, str):
        return f"{name}={_TEXT}{normalize(value)}"
    (bits,) = struct.unpack(">Q", struct.pack(">d", value + 0.0))  # 0 has one form
    return f"{name}={_NUMBER}{bits ^ (2**64 - 1 if bits >> 63 else 1 << 63):016x}"


def facet(name: str, value: str) -> str:
    """The term under which a text is filtered by."""
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
        yield _one_of(name, values)
    for clause in query.filters.clauses:
        meets: Json = {"bool": {"filter": list(_asked(clause))}}
        yield {"bool": {"must_not": [meets]}} if clause.negated else meets
    years = {"gte": query.filters.year_gte, "lte": query.filters.year_lte}
    if any(bound is not None for bound in years.values()):
        yield {"range": {YEAR: {name: bound for name, bound in years.items() if bound is not None}}}
    if query.conditions and query.allowed is not None and np.count_nonzero(query.allowed) <= FEW:
        yield {"terms": {ORDINAL: np.flatnonzero(query.allowed).tolist()}}


def _asked(clause: Clause) -> Iterator[Json]:
    name = clause.field.casefold()
    if clause.values is not None:
        yield _one_of(name, clause.values)
    if bounds := clause.bounds:
        yield {"bool": {"should": list(_ranges(name, bounds)), "minimum_should_match": 1}}
    if clause.exists is not None:
        there: Json = {"term": {FACETS: name}}
        yield there if clause.exists else {"bool": {"must_not": [there]}}


def _one_of(name: str, values: Sequence[str]) -> Json:
    """One of the values: texts as they are normalised, and what may be a number as a number."""
    texts: Json = {"terms": {FACETS: [facet(name, value) for value in values]}}
    numbers = [ordered(name.casefold(), number) for value in values if (number := as_number(value)) is not None]
    if not numbers:
        return texts
    return {"bool": {"should": [texts, {"terms": {ORDERED: numbers}}], "minimum_should_match": 1}}


def _ranges(name: str, bounds: Bounds) -> Iterator[Json]:
    """Numbers within the bounds, where all of these are numbers, and texts; see `bandstand.catalog.fields`."""
    numbers = {key: number for key, bound in bounds.items() if (number := as_number(bound)) is not None}
    if len(numbers) == len(bounds):
        yield _between(name, _NUMBER, {key: ordered(name, number) for key, number in numbers.items()})
    texts = {key: ordered(name, as_text(bound)) + _END * (key in ("gt", "lte")) for key, bound in bounds.items()}
    yield _between(name, _TEXT, texts)


def _between(name: str, form: str, bounds: Mapping[str, str]) -> Json:
    """The terms of one form within bounds, of which some are perhaps not given."""
    floor = {} if {"gte", "gt"} & {*bounds} else {"gte": f"{name}={form}"}
    ceiling = {} if {"lte", "lt"} & {*bounds} else {"lte": f"{name}={form}{_END}"}
    return {"range": {ORDERED: {**floor, **ceiling, **bounds}}}
