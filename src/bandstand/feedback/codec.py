"""Impressions and events as bytes: a checked frame around raw arrays and one JSON header.

Frame: magic ``BS``, kind, version, CRC-32 of the body, body. An impression's body is zlib (level 1) of four uint32
counts (n, f, c, 0), float64 contexts (c,), int32 ordinals (n,), float32 scores (n,), float32 features (f, n), and
the JSON header. Numbers are little-endian. Contexts stand outside JSON because they may be NaN and must return
bit for bit; features stand by column because like values compress better side by side.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import asdict, fields
from typing import Any

import numpy as np
import orjson

from bandstand.errors import BadInput, DamagedRecord, StorageError
from bandstand.types import ArmDecision, Correction, Decision, Event, Filters, Impression, Query, RetrieverOutcome, Slot

_FRAME = struct.Struct("<2sBBI")
_COUNTS = struct.Struct("<4I")
_MAGIC = b"BS"
_IMPRESSION, _EVENT, _JSON = 1, 2, 3
_VERSION = 1
_LEVEL = 1
_EVENT_FIELDS = tuple(field.name for field in fields(Event) if field.name != "payload")


def encode_impression(impression: Impression) -> bytes:
    """The impression as bytes; ``query.allowed``, a mask over the whole catalogue, is left out.

    Raises:
        BadInput: text is not valid Unicode, or the arrays' shapes contradict each other.
    """
    n, names = len(impression.entity_ids), impression.feature_names
    shapes = (impression.ordinals.shape, impression.scores.shape, impression.features.shape)
    if shapes != ((n,), (n,), (n, len(names))):
        raise BadInput(f"impression of {n} hits and {len(names)} features with arrays of shapes {shapes}")
    contexts = np.array([value for arm in impression.decision.arms for _, value in arm.context], "<f8")
    body = b"".join(
        (
            _COUNTS.pack(n, len(names), len(contexts), 0),
            contexts.tobytes(),
            np.asarray(impression.ordinals, "<i4").tobytes(),
            np.asarray(impression.scores, "<f4").tobytes(),
            np.asarray(impression.features, "<f4").tobytes(order="F"),
            _dumps(_header(impression)),
        )
    )
    return _frame(_IMPRESSION, zlib.compress(body, _LEVEL))


def decode_impression(data: bytes) -> Impression:
    """The impression that was encoded; its arrays are read-only views of one buffer.

    Raises:
        DamagedRecord: the bytes are damaged, or of another kind.
        StorageError: they are from a newer version.
    """
    body = _unframe(_IMPRESSION, data)
    try:
        return _impression(zlib.decompress(body))
    except (zlib.error, struct.error, ValueError, KeyError, TypeError) as error:
        raise _damaged() from error


def encode_event(event: Event) -> bytes:
    """The event as bytes.

    Raises:
        BadInput: text is not valid Unicode, or a number does not fit JSON.
    """
    header = _dumps([getattr(event, name) for name in _EVENT_FIELDS])
    try:
        return _frame(_EVENT, header + b"\n" + event.payload.encode())
    except UnicodeEncodeError as error:
        raise BadInput("the event's payload is not valid Unicode", field="payload") from error


def decode_event(data: bytes) -> Event:
    """The event that was encoded.

    Raises:
        DamagedRecord: the bytes are damaged, or of another kind.
        StorageError: they are from a newer version.
    """
    header, _, payload = _unframe(_EVENT, data).partition(b"\n")
    try:
        values = dict(zip(_EVENT_FIELDS, orjson.loads(header), strict=True))
        return Event(**values, payload=payload.decode())
    except (ValueError, TypeError) as error:
        raise _damaged() from error


def encode_json(value: object) -> bytes:
    """A plain JSON value in the same checked frame (control records).

    Raises:
        BadInput: the value is not plain JSON.
    """
    return _frame(_JSON, _dumps(value))


def decode_json(data: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """The value that was encoded.

    Raises:
        DamagedRecord: the bytes are damaged, or of another kind.
        StorageError: they are from a newer version.
    """
    try:
        return orjson.loads(_unframe(_JSON, data))
    except orjson.JSONDecodeError as error:
        raise _damaged() from error


def _frame(kind: int, body: bytes) -> bytes:
    return _FRAME.pack(_MAGIC, kind, _VERSION, zlib.crc32(body)) + body


def _unframe(kind: int, data: bytes) -> bytes:
    if len(data) < _FRAME.size:
        raise _damaged()
    magic, found, version, checksum = _FRAME.unpack_from(data)
    if magic == _MAGIC and version > _VERSION:
        raise StorageError(f"the log holds a record of version {version}, newer than this program; upgrade Bandstand")
    body = data[_FRAME.size :]
    if magic != _MAGIC or found != kind or zlib.crc32(body) != checksum:
        raise _damaged()
    return body


def _damaged() -> DamagedRecord:
    return DamagedRecord("a record of the log is damaged; restore the log from a backup, or start a new home folder")


def _dumps(value: object) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError as error:
        raise BadInput(f"cannot be logged: {error}") from error


def _header(impression: Impression) -> dict[str, object]:
    query, decision = impression.query, impression.decision
    return {
        "id": query.id,
        "text": query.text,
        "normalized": query.normalized,
        "page": (query.k, query.offset, impression.shown),
        "kinds": query.kinds,
        "filters": (query.filters.values, query.filters.year_gte, query.filters.year_lte),
        "who": (query.user_id, query.session_id, query.locale),
        "time": query.time,
        "slots": [(slot.name, slot.value, slot.confidence, slot.phrase) for slot in query.slots],
        "correction": None if query.correction is None else asdict(query.correction),
        "literal": query.literal,
        "policy": (decision.policy, decision.version, decision.experiment, decision.assigned),
        "arms": [
            (arm.arm, arm.depth, arm.propensity, arm.probabilities, [name for name, _ in arm.context])
            for arm in decision.arms
        ],
        "outcomes": [(o.retriever, o.candidates, o.took_ms, o.status) for o in impression.outcomes],
        "entity_ids": impression.entity_ids,
        "feature_names": impression.feature_names,
        "feature_versions": dict(impression.feature_versions),
        "models": dict(impression.models),
        "corrected": impression.corrected,
        "took_ms": impression.took_ms,
    }


def _impression(body: bytes) -> Impression:
    n, f, c, _ = _COUNTS.unpack_from(body)
    contexts, at = np.frombuffer(body, "<f8", c, _COUNTS.size), _COUNTS.size + 8 * c
    ordinals, at = np.frombuffer(body, "<i4", n, at), at + 4 * n
    scores, at = np.frombuffer(body, "<f4", n, at), at + 4 * n
    features, at = np.frombuffer(body, "<f4", n * f, at), at + 4 * n * f
    header = orjson.loads(memoryview(body)[at:])
    by_row = np.ascontiguousarray(features.reshape(f, n).T)
    by_row.flags.writeable = False
    return Impression(
        query=_query(header),
        decision=_decision(header, contexts.tolist()),
        outcomes=tuple(
            RetrieverOutcome(retriever=a, candidates=k, took_ms=ms, status=s) for a, k, ms, s in header["outcomes"]
        ),
        entity_ids=tuple(header["entity_ids"]),
        ordinals=ordinals,
        scores=scores,
        features=by_row,
        feature_names=tuple(header["feature_names"]),
        shown=header["page"][2],
        models=header["models"],
        corrected=header["corrected"],
        took_ms=header["took_ms"],
        feature_versions=header.get("feature_versions", {}),  # older records: the first meaning of each
    )


def _query(header: dict[str, Any]) -> Query:
    values, year_gte, year_lte = header["filters"]
    user_id, session_id, locale = header["who"]
    return Query(
        id=header["id"],
        text=header["text"],
        normalized=header["normalized"],
        k=header["page"][0],
        offset=header["page"][1],
        kinds=tuple(header["kinds"]),
        filters=Filters(
            values=tuple((name, tuple(allowed)) for name, allowed in values), year_gte=year_gte, year_lte=year_lte
        ),
        user_id=user_id,
        session_id=session_id,
        locale=locale,
        time=header["time"],
        slots=tuple(Slot(*slot) for slot in header["slots"]),
        correction=Correction(**found) if (found := header.get("correction")) else None,
        literal=header.get("literal", False),
    )


def _decision(header: dict[str, Any], contexts: list[float]) -> Decision:
    values = iter(contexts)
    arms = tuple(
        ArmDecision(
            arm=arm,
            depth=depth,
            propensity=propensity,
            probabilities=tuple(probabilities),
            context=tuple(zip(names, values, strict=False)),  # as many values as names, and no more
        )
        for arm, depth, propensity, probabilities, names in header["arms"]
    )
    policy, version, *assignment = header["policy"]  # records of older versions know no experiments
    experiment, assigned = assignment or ("", 1.0)
    return Decision(policy=policy, version=version, arms=arms, experiment=experiment, assigned=assigned)
