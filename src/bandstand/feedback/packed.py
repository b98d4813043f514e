"""The body of a logged search as records of version 3 have it: field by field without names, numbers by column.

A MessagePack list, of which what changes least comes first: the names of features; the arms' decisions by column; every
list of names of what they were decided on, with the arms that have it and a matrix of its values; outcomes by column;
versions, `shown`, times; the query; `features` (see `bandstand.feedback.matrices`), scores, ordinals, and ids. Ordinals
are the bytes of the lowest places, then those of the next, as far as there are any but zeros. Scores are differences of
half precision, first bytes before second ones, or float32 where that would lose something. Milliseconds are whole
microseconds or a float.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from functools import lru_cache
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from bandstand.feedback import matrices
from bandstand.types import (
    ArmDecision,
    Condition,
    Correction,
    Decision,
    Filters,
    Impression,
    Ordinals,
    Query,
    RetrieverOutcome,
    Scores,
    Slot,
)

T = TypeVar("T", bound=np.generic)


def _names(of: type, *, without: Sequence[str] = ()) -> tuple[str, ...]:
    return tuple(field.name for field in fields(of) if field.name not in without)


_QUERY = _names(Query, without=("filters", "conditions", "slots", "correction", "allowed"))
_FILTERS, _CONDITION, _SLOT, _CORRECTION = map(_names, (Filters, Condition, Slot, Correction))
_DECISION = _names(Decision, without=("arms",))
_ARM = _names(ArmDecision, without=("context",))
_OUTCOME = _names(RetrieverOutcome)
_PLAIN = ("models", "feature_versions", "shown", "corrected")

_LONGEST_MS = 1e9
"""Nobody waits for longer."""

_PACK = msgspec.msgpack.Encoder()


def packed(impression: Impression) -> bytes:
    """The fields of an impression; ``query.allowed`` is left out.

    Raises:
        TypeError, ValueError, OverflowError: a value is of no kind that can be written.
    """
    decision = impression.decision
    return _PACK.encode(
        [
            impression.feature_names,
            _by_column(_values(arm, _ARM) for arm in decision.arms),
            _contexts(decision.arms),
            _by_column(map(_outcome, impression.outcomes)),
            _values(decision, _DECISION),
            [*_values(impression, _PLAIN), _microseconds(impression.took_ms)],
            _query(impression.query),
            matrices.packed(np.ascontiguousarray(impression.features, np.float32)),
            _packed_scores(np.ascontiguousarray(impression.scores, "<f4")),
            _packed_ordinals(impression.ordinals),
            len(impression.ordinals),
            impression.entity_ids,
        ]
    )


def unpacked(body: bytes) -> Impression:
    """The impression that was packed; its arrays are read-only.

    Raises:
        ValueError, TypeError, KeyError, IndexError, msgspec.MsgspecError: the body is not what `packed` wrote.
    """
    written = msgspec.msgpack.decode(body)
    names, arms, contexts, outcomes, decision, plain, query, features, scores, ordinals, n, ids = written
    return Impression(
        **dict(zip(_PLAIN, plain, strict=False)),
        took_ms=_milliseconds(plain[len(_PLAIN)]),
        query=msgspec.convert(_query_fields(query), Query),
        decision=Decision(**dict(zip(_DECISION, decision, strict=False)), arms=_arms(arms, contexts)),
        outcomes=tuple(_outcome_of(values) for values in zip(*outcomes, strict=True)),
        entity_ids=tuple(ids),
        ordinals=_fixed(_ordinals(ordinals, n)),
        scores=_fixed(_scores(scores, n)),
        features=_fixed(matrices.unpacked(features, len(ids), len(names), np.float32)),
        feature_names=_shared(tuple(names)),
    )


@lru_cache(maxsize=256)
def _shared(names: tuple[str, ...]) -> tuple[str, ...]:
    """The same names for all searches that have them, which would else take more memory than their numbers."""
    return names


def _fixed(array: NDArray[T]) -> NDArray[T]:
    array.flags.writeable = False
    return array


def _values(record: object, names: Iterable[str]) -> list[Any]:
    return [getattr(record, name) for name in names]


def _by_column(rows: Iterable[Iterable[Any]]) -> list[tuple[Any, ...]]:
    return list(zip(*rows, strict=True))


def _microseconds(milliseconds: float) -> float:
    whole = round(milliseconds * 1e3) if abs(milliseconds) < _LONGEST_MS else 0
    return whole if whole and whole / 1e3 == milliseconds else milliseconds


def _milliseconds(written: float) -> float:
    return written / 1e3 if isinstance(written, int) else written


def _outcome(outcome: RetrieverOutcome) -> Iterator[Any]:
    for name, value in zip(_OUTCOME, _values(outcome, _OUTCOME), strict=True):
        yield _microseconds(value) if name == "took_ms" else value


def _outcome_of(values: Iterable[Any]) -> RetrieverOutcome:
    found = dict(zip(_OUTCOME, values, strict=False))
    return RetrieverOutcome(**{**found, "took_ms": _milliseconds(found["took_ms"])})


def _contexts(arms: Sequence[ArmDecision]) -> list[tuple[tuple[str, ...], list[int], bytes]]:
    """Of arms that saw the same numbers by name: these names, which arms, and their values (arms, names)."""
    alike: dict[tuple[str, ...], list[int]] = {}
    values: dict[tuple[str, ...], list[tuple[float, ...]]] = {}
    for at, arm in enumerate(arms):
        if arm.context:
            names, row = zip(*arm.context, strict=True)
            alike.setdefault(names, []).append(at)
            values.setdefault(names, []).append(row)
    return [(names, at, matrices.packed(np.array(values[names], np.float64))) for names, at in alike.items()]


def _arms(
    columns: Sequence[Sequence[Any]], contexts: Iterable[tuple[list[str], list[int], bytes]]
) -> tuple[ArmDecision, ...]:
    seen: dict[int, tuple[tuple[str, float], ...]] = {}
    for names, arms, data in contexts:
        values = matrices.unpacked(data, len(arms), len(names), np.float64).tolist()
        seen |= {arm: tuple(zip(names, row, strict=True)) for arm, row in zip(arms, values, strict=True)}
    rows = (dict(zip(_ARM, values, strict=False)) for values in zip(*columns, strict=True))
    return tuple(
        ArmDecision(**{**row, "probabilities": tuple(row["probabilities"])}, context=seen.get(at, ()))
        for at, row in enumerate(rows)
    )


def _query(query: Query) -> list[Any]:
    values = _values(query, _QUERY)
    return [
        values if query.claimant else values[:-1],  # the last: nothing is written of what nearly no search has
        _values(query.filters, _FILTERS),
        [_values(condition, _CONDITION) for condition in query.conditions],
        [_values(slot, _SLOT) for slot in query.slots],
        None if query.correction is None else _values(query.correction, _CORRECTION),
    ]


def _query_fields(written: list[Any]) -> dict[str, Any]:
    values, filters, conditions, slots, correction = written
    return {
        **dict(zip(_QUERY, values, strict=False)),
        "filters": dict(zip(_FILTERS, filters, strict=False)),
        "conditions": [dict(zip(_CONDITION, each, strict=False)) for each in conditions],
        "slots": [dict(zip(_SLOT, each, strict=False)) for each in slots],
        "correction": None if correction is None else dict(zip(_CORRECTION, correction, strict=False)),
    }


def _packed_scores(scores: Scores) -> bytes:
    short = matrices.shortened(scores)
    if not np.array_equal(short.astype("<f4").view("<u4"), scores.view("<u4")):
        return scores.tobytes()
    steps = short.view("<i2").copy()
    steps[1:] -= short.view("<i2")[:-1]
    return ((steps << 1) ^ (steps >> 15)).view(np.uint8).reshape(-1, 2).T.tobytes()  # most have an empty second byte


def _scores(data: bytes, n: int) -> Scores:
    if len(data) != 2 * n:
        return np.frombuffer(data, "<f4", n)
    written = np.frombuffer(data, np.uint8).reshape(2, n).T.copy().view("<u2").ravel()
    steps = (written >> 1).astype(np.int16) ^ -(written & 1).astype(np.int16)
    return np.cumsum(steps, dtype=np.int16).view("<f2").astype("<f4")


def _packed_ordinals(ordinals: Ordinals) -> bytes:
    places = ordinals.astype("<i4").view(np.uint8).reshape(-1, 4).T
    used = np.flatnonzero(places.any(axis=1))
    return places[: used[-1] + 1 if len(used) else 0].tobytes()


def _ordinals(data: bytes, n: int) -> Ordinals:
    places = np.zeros((4, n), np.uint8)
    written = np.frombuffer(data, np.uint8).reshape(-1, n) if n else places[:0]
    places[: len(written)] = written
    return np.ascontiguousarray(places.T).view("<i4").ravel()
