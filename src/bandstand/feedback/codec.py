"""Impressions, events and control records as bytes: a checked frame around what the records themselves say they are.

Frame: magic ``BS``, kind, version, CRC-32 of the body, body (numbers are little-endian). An event's body is
MessagePack of the fields of `Event` that are set; an impression's is that of all fields of `Impression`, compressed
(zlib, level 1), in which an array is its type, its shape and its numbers column by column, because like values compress
better side by side; a control record's is JSON. A field that is added to a record has a default, so that records from
before are read as well. Those of version 1 are described in `bandstand.feedback.first_format`.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import Any

import msgspec
import numpy as np
import structlog

from bandstand.errors import BadInput, DamagedRecord, StorageError
from bandstand.feedback import first_format
from bandstand.types import Event, Impression

_FRAME = struct.Struct("<2sBBI")
_MAGIC = b"BS"
_IMPRESSION, _EVENT, _JSON = 1, 2, 3
_VERSION = 2
_LEVEL = 1
_EVENT_FIELDS = tuple(field.name for field in fields(Event))
_UNREADABLE = (msgspec.MsgspecError, zlib.error, struct.error, ValueError, KeyError, TypeError)


def _from_array(array: object) -> tuple[str, tuple[int, ...], bytes]:
    if not isinstance(array, np.ndarray):
        raise TypeError(f"a value of type {type(array).__name__}")
    plain = array.astype("<i4" if array.dtype.kind == "i" else "<f4")
    return plain.dtype.str, plain.shape, plain.tobytes(order="F")


def _to_array(_: type, value: Any) -> Any:  # noqa: ANN401 - as msgspec asks for it
    if isinstance(value, np.ndarray):
        return value
    dtype, shape, data = value
    array = np.ascontiguousarray(np.frombuffer(data, dtype).reshape(shape, order="F"))
    array.flags.writeable = False
    return array


_PACK = msgspec.msgpack.Encoder(enc_hook=_from_array)
_UNPACK = msgspec.msgpack.Decoder(Impression, dec_hook=_to_array)


def encode_impression(impression: Impression) -> bytes:
    """The impression as bytes; ``query.allowed``, a mask over the whole catalogue, is left out.

    Raises:
        BadInput: text is not valid Unicode, or the arrays' shapes contradict each other.
    """
    n, names = len(impression.entity_ids), impression.feature_names
    shapes = (impression.ordinals.shape, impression.scores.shape, impression.features.shape)
    if shapes != ((n,), (n,), (n, len(names))):
        raise BadInput(f"impression of {n} hits and {len(names)} features with arrays of shapes {shapes}")
    kept = replace(impression, query=replace(impression.query, allowed=None))
    return _frame(_IMPRESSION, zlib.compress(_encoded(_PACK, kept), _LEVEL))


def decode_impression(data: bytes) -> Impression:
    """The impression that was encoded; its arrays are read-only.

    Raises:
        StorageError: the bytes are damaged, of another kind, or from a newer version.
    """
    version, body = _unframe(_IMPRESSION, data)
    try:
        plain = zlib.decompress(body)
        return impression_of(first_format.impression_fields(plain)) if version == 1 else _UNPACK.decode(plain)
    except _UNREADABLE as error:
        raise _damaged() from error


def impression_of(values: Mapping[str, Any]) -> Impression:
    """The impression of which these are the fields, as plain values and arrays.

    Raises:
        msgspec.ValidationError: a field is missing or is of another type.
    """
    return msgspec.convert(values, Impression, dec_hook=_to_array)


def encode_event(event: Event) -> bytes:
    """The event as bytes.

    Raises:
        BadInput: text is not valid Unicode, or a number is too large.
    """
    said = {name: value for name in _EVENT_FIELDS if (value := getattr(event, name)) is not None}
    try:
        event.payload.encode()
    except UnicodeEncodeError as error:
        raise BadInput("the event's payload is not valid Unicode", field="payload") from error
    return _frame(_EVENT, _encoded(_PACK, said))


def decode_events(records: Iterable[bytes]) -> list[Event]:
    """The events that were encoded; a damaged one is told in the log and left out: the others can be used."""
    found = []
    for record in records:
        try:
            found.append(decode_event(record))
        except DamagedRecord as error:
            structlog.get_logger("log").error("passed_over", reason=str(error))
    return found


def decode_event(data: bytes) -> Event:
    """The event that was encoded.

    Raises:
        StorageError: the bytes are damaged, of another kind, or from a newer version.
    """
    version, body = _unframe(_EVENT, data)
    try:
        if version == 1:
            return msgspec.convert(first_format.event_fields(body), Event)
        return msgspec.msgpack.decode(body, type=Event)
    except _UNREADABLE as error:
        raise _damaged() from error


def encode_json(value: object) -> bytes:
    """A plain JSON value in the same checked frame (control records).

    Raises:
        BadInput: the value is not plain JSON.
    """
    return _frame(_JSON, _encoded(msgspec.json.Encoder(), value))


def decode_json(data: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """The value that was encoded.

    Raises:
        StorageError: the bytes are damaged, of another kind, or from a newer version.
    """
    _, body = _unframe(_JSON, data)
    try:
        return msgspec.json.decode(body)
    except _UNREADABLE as error:
        raise _damaged() from error


def _frame(kind: int, body: bytes) -> bytes:
    return _FRAME.pack(_MAGIC, kind, _VERSION, zlib.crc32(body)) + body


def _unframe(kind: int, data: bytes) -> tuple[int, bytes]:
    """The version of a record and its body, checked."""
    if len(data) < _FRAME.size:
        raise _damaged()
    magic, found, version, checksum = _FRAME.unpack_from(data)
    if magic == _MAGIC and version > _VERSION:
        raise StorageError(f"the log holds a record of version {version}, newer than this program; upgrade Bandstand")
    body = data[_FRAME.size :]
    if magic != _MAGIC or found != kind or zlib.crc32(body) != checksum:
        raise _damaged()
    return version, body


def _damaged() -> DamagedRecord:
    return DamagedRecord("a record of the log is damaged; restore the log from a backup, or start a new home folder")


def _encoded(encoder: msgspec.msgpack.Encoder | msgspec.json.Encoder, value: object) -> bytes:
    try:
        return encoder.encode(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise BadInput(f"cannot be logged: {error}") from error
