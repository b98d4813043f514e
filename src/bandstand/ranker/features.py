"""The ranking features of a query and its candidates: float32 (candidates, features), NaN where unknown."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz, process
from rapidfuzz.distance import Indel, Prefix

from bandstand.catalog.columns import Columns, artist_key_of
from bandstand.errors import BadInput
from bandstand.types import (
    ARM_COLUMNS,
    ARMS,
    KIND_SPECS,
    KINDS,
    CandidateSet,
    Mask,
    Matrix,
    Ordinals,
    Query,
    Scores,
    Slot,
)
from bandstand.types.times import YEAR_S
from bandstand.understanding.records import NAMED, UNSTATED
from bandstand.understanding.slots import held


def slot_match(slots: Sequence[Slot], ordinals: Ordinals, columns: Columns) -> Scores:
    """Σ slot confidence · entity confidence / Σ slot confidence, over attributes, kinds and years.

    float32 (m,) in [0, 1]; NaN where the query asks for none of them.
    """
    stated = [slot for slot in slots if slot.name not in UNSTATED]
    asked = sum(slot.confidence for slot in stated)
    if not asked:
        return np.full(len(ordinals), np.nan, np.float32)
    matched = np.zeros(len(ordinals), np.float32)
    for slot in stated:
        matched += slot.confidence * held(slot, columns, ordinals)
    return matched / np.float32(asked)


def name_match(slots: Sequence[Slot], ordinals: Ordinals, columns: Columns) -> Scores:
    """The largest confidence of the slots that name an entity, or the artist whose it is; float32 (m,) in [0, 1]."""
    named = np.zeros(len(ordinals), np.float32)
    for slot in slots:
        if slot.name in NAMED:
            np.maximum(named, np.float32(slot.confidence) * _named(slot, ordinals, columns), out=named)
    return named


def _named(slot: Slot, ordinals: Ordinals, columns: Columns) -> Mask:
    """Which entities a name is the name of."""
    if slot.name == "artist":
        theirs: Mask = columns.artist_key[ordinals] == artist_key_of(slot.value)
        return theirs
    of_kind: Mask = (columns.kind[ordinals] == KINDS.index(slot.name)) & (columns.titles[ordinals] == slot.value)
    return of_kind


FEATURES_VERSION = 2
"""Raise it when a feature changes its meaning but not its name: models trained before are then refused."""

BOUNDED_ARMS = frozenset({"memory", "structured", "dense", "rephrase"})
"""Retrievers whose score is a probability, a share or a cosine, comparable between queries."""

PAIR_FEATURES = (
    "title_exact",
    "title_prefix",
    "title_ratio",
    "name_ratio",
    "token_coverage",
    "artist_in_query",
    "popularity",
    "age",
    "kind",
    "slot_match",
    "name_match",
    "query_length",
    "query_words",
)
CATEGORICAL_FEATURES = ("kind",)
_KIND_CODES = np.array([KIND_SPECS[kind].code for kind in KINDS])

COMPARED_LENGTH = 256
"""Characters of a query that are compared with titles: beyond that it is no title, and comparing gets slow."""

_COMPARED_WORDS = 16
_ARTIST_WORDS = 5


def feature_names(arms: tuple[str, ...] = ARMS) -> tuple[str, ...]:
    """The columns of `build_features`, in order."""
    facts = (f"{arm}.{fact}" for arm in arms for fact in ("score", "rr", *ARM_COLUMNS.get(arm, ())))
    return (*facts, *PAIR_FEATURES)


def feature_hash(names: tuple[str, ...]) -> str:
    """16 hex digits that are equal only for the same features, in the same order, with the same meaning."""
    return hashlib.sha256("\n".join([str(FEATURES_VERSION), *names]).encode()).hexdigest()[:16]


def build_features(query: Query, candidates: CandidateSet, columns: Columns) -> Matrix:
    """The feature matrix of a search, float32 (m, f) in the layout of ``feature_names(candidates.retrievers)``.

    Every ordinal of ``candidates`` must be one of ``columns``.
    """
    facts = _arm_facts(candidates) | _text_facts(query, candidates.ordinals, columns)
    facts |= _entity_facts(query, candidates.ordinals, columns)
    names = feature_names(candidates.retrievers)
    matrix = np.empty((len(candidates), len(names)), np.float32)
    for column, name in enumerate(names):
        matrix[:, column] = facts[name]
    return matrix


def limit_arm(features: Matrix, names: tuple[str, ...], arm: str, depth: int = 0) -> tuple[Matrix, Mask]:
    """What the features would have been had ``arm`` gone only to ``depth`` (0: not played at all).

    Returns:
        The features float32 (n, f), and which rows bool (n,) some retriever would still have brought.

    Raises:
        BadInput: the features do not know the arm.
    """
    own = arm_columns(names, arm)
    within = features[:, names.index(f"{arm}.rr")] > 1 / (depth + 0.5)  # rank <= depth; False for NaN
    limited = features.copy()
    limited[np.ix_(~within, own)] = np.nan
    return limited, brought(limited, names)


def brought(features: Matrix, names: tuple[str, ...]) -> Mask:
    """Which rows bool (n,) some retriever brings."""
    ranked = [column for column, name in enumerate(names) if name.endswith(".rr")]
    found: Mask = np.any(features[:, ranked] > 0, axis=1)
    return found


def arm_columns(names: tuple[str, ...], arm: str) -> NDArray[np.intp]:
    """Which columns say how ``arm`` held a candidate.

    Raises:
        BadInput: none does.
    """
    own = [column for column, name in enumerate(names) if name.startswith(f"{arm}.")]
    if not own:
        raise BadInput(f"these features hold nothing of {arm!r}", field="arm")
    return np.array(own, np.intp)


def _arm_facts(candidates: CandidateSet) -> dict[str, Any]:
    best = np.fmax.reduce(candidates.scores, axis=0, initial=np.nan)
    unbounded = np.array([arm not in BOUNDED_ARMS for arm in candidates.retrievers]) & (best > 0)
    scores = candidates.scores / np.where(unbounded, best, np.float32(1))
    reciprocal_ranks = 1 / candidates.ranks
    facts: dict[str, Any] = dict(candidates.columns)
    for column, arm in enumerate(candidates.retrievers):
        facts[f"{arm}.score"] = scores[:, column]
        facts[f"{arm}.rr"] = reciprocal_ranks[:, column]
    return facts


def _text_facts(query: Query, ordinals: Ordinals, columns: Columns) -> dict[str, Any]:
    facts = _compared(query.normalized, ordinals, columns)
    if query.meant != query.normalized:
        corrected = _compared(query.meant, ordinals, columns)
        facts = {name: np.maximum(values, corrected[name]) for name, values in facts.items()}
    return {**facts, "query_length": len(query.normalized), "query_words": len(query.normalized.split())}


def _compared(normalized: str, ordinals: Ordinals, columns: Columns) -> dict[str, Any]:
    """How like a text and the names of entities are, by feature, each (m,)."""
    text = normalized[:COMPARED_LENGTH]
    titles = columns.titles[ordinals]
    names = columns.names[ordinals].tolist()
    return {
        "title_exact": (titles == normalized) & bool(text),
        "title_prefix": _compare(text, titles.tolist(), Prefix.similarity) / max(len(text), 1),
        "title_ratio": _compare(text, titles.tolist(), Indel.normalized_similarity),
        "name_ratio": _compare(text, names, Indel.normalized_similarity),
        "token_coverage": _compare(text, names, fuzz.token_set_ratio) / 100,
        "artist_in_query": np.isin(columns.artist_key[ordinals], _possible_artists(normalized.split())),
    }


def _entity_facts(query: Query, ordinals: Ordinals, columns: Columns) -> dict[str, Any]:
    return {
        "popularity": columns.popularity[ordinals],
        "age": 1970 + query.time / YEAR_S - columns.year[ordinals],
        "kind": _KIND_CODES[columns.kind[ordinals]],
        "slot_match": slot_match(query.slots, ordinals, columns),
        "name_match": name_match(query.slots, ordinals, columns),
    }


def _compare(text: str, others: list[str], scorer: Callable[..., float]) -> Scores:
    """One text against many, in C; float32 (n,)."""
    compared: Scores = process.cdist([text], others, scorer=scorer, dtype=np.float32)[0]
    return compared


def _possible_artists(words: list[str]) -> NDArray[np.int64]:
    """The artist keys of all runs of up to `_ARTIST_WORDS` words, within the compared length."""
    words = words[:_COMPARED_WORDS]
    runs = {
        " ".join(words[start:end])
        for start in range(len(words))
        for end in range(start + 1, min(start + _ARTIST_WORDS, len(words)) + 1)
    }
    return np.array([artist_key_of(run) for run in runs], np.int64)
