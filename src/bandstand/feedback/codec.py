"""Impressions, events and control records as bytes: a checked frame around what the records themselves say they are.

Frame: magic ``BS``, kind, version, CRC-32 of the body, body (numbers are little-endian). An event's body is
MessagePack of the fields of `Event` that are set, a control record's JSON. An impression's is described in
`bandstand.feedback.packed` and compressed (zstd) with a dictionary that goes with the version: `bench.log_size` trains
it. A field that is added to a record, behind the others, has a default, so that records from before are read as well.

Older versions are read and no longer written. In version 2, an impression's body was MessagePack of all its fields by
name, in which an array was its type, its shape and its numbers column by column, compressed by zlib. Those of version 1
are described in `bandstand.feedback.first_format`.
"""

from __future__ import annotations

import struct
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from functools import cache, cached_property
from importlib.resources import files
from typing import Any, TypeVar

import msgspec
import numpy as np
import structlog
import zstandard

from bandstand.errors import BadInput, DamagedRecord, StorageError
from bandstand.feedback import first_format, packed
from bandstand.types import Event, Impression

T = TypeVar("T")

_FRAME = struct.Struct("<2sBBI")
_MAGIC = b"BS"
_IMPRESSION, _EVENT, _JSON = 1, 2, 3
_VERSION = 3
_DICTIONARY = "impression_3.zdict"
_LEVEL = 6
_EVENT_FIELDS = tuple(field.name for field in fields(Event))
_UNREADABLE = (
    *(msgspec.MsgspecError, zlib.error, zstandard.ZstdError, struct.error),
    *(ValueError, KeyError, TypeError, IndexError),
)


def _to_array(_: type, value: Any) -> Any:  # noqa: ANN401 - as msgspec asks for it
    if not isinstance(value, np.ndarray):
        dtype, shape, data = value
        value = np.ascontiguousarray(np.frombuffer(data, dtype).reshape(shape, order="F"))
    value.flags.writeable = False
    return value


_PACK = msgspec.msgpack.Encoder()
_UNPACK_SECOND = msgspec.msgpack.Decoder(Impression, dec_hook=_to_array)


def encode_impression(impression: Impression) -> bytes:
    """The impression as bytes; ``query.allowed``, a mask over the whole catalogue, is left out.

    Raises:
        BadInput: text is not valid Unicode, or the arrays' shapes contradict each other.
    """
    n, m, names = len(impression.ordinals), len(impression.entity_ids), impression.feature_names
    shapes = (impression.scores.shape, impression.features.shape)
    if shapes != ((n,), (m, len(names))) or m > n:
        raise BadInput(f"impression of {n} hits, {m} ids and {len(names)} features with arrays of shapes {shapes}")
    return _frame(_IMPRESSION, _ZSTD.compressor.compress(_encoded(packed.packed, impression)))


def decode_impression(data: bytes) -> Impression:
    """The impression that was encoded; its arrays are read-only.

    Raises:
        StorageError: the bytes are damaged, of another kind, or from a newer version.
    """
    version, body = _unframe(_IMPRESSION, data)
    try:
        if version == 1:
            return impression_of(first_format.impression_fields(zlib.decompress(body)))
        if version == 2:
            return _UNPACK_SECOND.decode(zlib.decompress(body))
        return packed.unpacked(_ZSTD.decompressor.decompress(body))
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
    return _frame(_EVENT, _encoded(_PACK.encode, said))


def decode_events(records: Iterable[bytes]) -> list[Event]:
    """The events that were encoded; a damaged one is told in the log and left out: the others can be used."""
    found = []
    for record in records:
        try:
            found.append(decode_event(record))
        except DamagedRecord as error:
            structlog.get_logger("log").error("passed_over", reason=str(error))
    return found


def decode_records(records: Iterable[tuple[str, bytes]]) -> Iterator[Impression | Event]:
    """The searches ("impression") and events that were encoded; damaged ones are left out, as by `decode_events`."""
    for kind, record in records:
        try:
            yield decode_impression(record) if kind == "impression" else decode_event(record)
        except DamagedRecord as error:
            structlog.get_logger("log").error("passed_over", reason=str(error))


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
    return _frame(_JSON, _encoded(msgspec.json.encode, value))


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


@cache
def _dictionary() -> zstandard.ZstdCompressionDict:
    return zstandard.ZstdCompressionDict(files(__package__).joinpath(_DICTIONARY).read_bytes())


class _Zstd(threading.local):
    """What compresses and decompresses; neither is for two threads at once."""

    @cached_property
    def compressor(self) -> zstandard.ZstdCompressor:
        return zstandard.ZstdCompressor(level=_LEVEL, dict_data=_dictionary(), write_dict_id=False)

    @cached_property
    def decompressor(self) -> zstandard.ZstdDecompressor:
        return zstandard.ZstdDecompressor(dict_data=_dictionary())


_ZSTD = _Zstd()


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


def _encoded(encode: Callable[[T], bytes], value: T) -> bytes:
    try:
        return encode(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise BadInput(f"cannot be logged: {error}") from error
