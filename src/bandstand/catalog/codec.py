"""Entities as JSON (validated field by field, from outside) and as compact payloads (trusted, in the store)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from math import inf, isfinite
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from bandstand.errors import BadInput, StorageError, nearest, shown
from bandstand.types import KINDS, Attribute, Entity, Field, FieldValue, Kind
from bandstand.types.answers import Answer

MAX_ID = 256
MAX_TEXT = 2_000
MAX_ITEMS = 100_000
MAX_FIELDS = 100
MAX_ATTRIBUTES = 1_000
"""Limits of one entity: characters of an id, characters of any other text, entries of any list, free fields."""

_DATE = re.compile(r"\d{4}(?:-(?:0[1-9]|1[0-2]))?|(\d{4}-\d\d-\d\d)", re.ASCII)
_LINK = re.compile(r"https?://[^\s/]\S*|/(?!/)\S*")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
FIELDS = (
    *("id", "kind", "title", "artists", "album", "aliases", "attributes", "popularity", "released", "members"),
    *("url", "image", "duration", "fields"),
)
RESERVED = frozenset((*FIELDS, "year", "not"))
"""What no free field can be called, as filters and files mean something else by it."""


class _Payload(msgspec.Struct, array_like=True):
    """What the store keeps of an entity beside its id, in this order; a new field goes last and has a default."""

    kind: Kind
    title: str
    artists: tuple[str, ...]
    album: str | None
    aliases: tuple[str, ...]
    attributes: tuple[tuple[str, str, float], ...]
    popularity: float
    released: str | None
    members: tuple[str, ...]
    url: str | None = None
    image: str | None = None
    duration: float | None = None
    fields: tuple[tuple[str, FieldValue], ...] = ()


_PAYLOADS = msgspec.json.Decoder(_Payload)
_NUMBERED: tuple[Kind, ...] = ("track", "artist", "album", "playlist", "station", "podcast")
"""The kinds by the numbers that stood for them in payloads of format 1, whatever kinds there are now."""

_NAMES = {b"[%d" % number: b'["%b"' % kind.encode() for number, kind in enumerate(_NUMBERED)}


def encode(entity: Entity) -> bytes:
    """Return the store's payload of an entity: a JSON array without the id, the same bytes for the same content.

    Raises:
        BadInput: a text holds a lone surrogate or another value that JSON cannot carry.
    """
    attributes = [(a.name, a.value, a.confidence) for a in entity.attributes]
    names = (entity.kind, entity.title, entity.artists, entity.album, entity.aliases)
    facts = (attributes, entity.popularity, entity.released, entity.members)
    shown = (entity.url, entity.image, entity.duration, [(each.name, each.value) for each in entity.fields])
    try:  # what nobody has is left out, so that an entity has the payload that versions without these gave it
        return msgspec.json.encode((*names, *facts, *shown) if shown != (None, None, None, []) else (*names, *facts))
    except (ValueError, TypeError) as error:
        raise BadInput(f"entity {entity.id!r} cannot be stored: {error}. Send valid UTF-8 text.") from error


def decode(id: str, payload: bytes) -> Entity:  # noqa: A002 - the field's name
    """Return the entity whose payload `encode` made.

    Raises:
        StorageError: the payload is damaged.
    """
    try:
        found = _PAYLOADS.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StorageError(f"the stored entity {id!r} is damaged: {error}. Ingest it again.") from error
    return Entity(
        id=id,
        kind=found.kind,
        title=found.title,
        artists=found.artists,
        album=found.album,
        aliases=found.aliases,
        attributes=tuple([Attribute(*attribute) for attribute in found.attributes]),
        popularity=found.popularity,
        released=found.released,
        members=found.members,
        url=found.url,
        image=found.image,
        duration=found.duration,
        fields=tuple([Field(*each) for each in found.fields]),
    )


def kind_by_name(payload: bytes) -> bytes:
    """Return a payload of format 1, in which a number stood for the kind, as today's; any other as it is."""
    kind, comma, rest = payload.partition(b",")
    return _NAMES.get(kind, kind) + comma + rest


class EntityAnswer(Answer):
    """An entity; fields that are not set are left out."""

    id: str
    kind: Kind
    title: str
    artists: tuple[str, ...] | UnsetType = UNSET
    album: str | UnsetType = UNSET
    aliases: tuple[str, ...] | UnsetType = UNSET
    attributes: dict[str, dict[str, float]] | UnsetType = UNSET
    popularity: float | UnsetType = UNSET
    released: str | UnsetType = UNSET
    members: tuple[str, ...] | UnsetType = UNSET
    url: str | UnsetType = UNSET
    image: str | UnsetType = UNSET
    duration: Annotated[float | UnsetType, msgspec.Meta(description="Seconds")] = UNSET
    fields: dict[str, FieldValue] | UnsetType = UNSET

    @classmethod
    def of(cls, entity: Entity) -> EntityAnswer:
        """Of an entity; attributes are ``{"genre": {"jazz": 0.9}}``."""
        attributes: dict[str, dict[str, float]] = {}
        for attribute in entity.attributes:
            attributes.setdefault(attribute.name, {})[attribute.value] = attribute.confidence
        return cls(
            id=entity.id,
            kind=entity.kind,
            title=entity.title,
            artists=entity.artists or UNSET,
            album=entity.album or UNSET,
            aliases=entity.aliases or UNSET,
            attributes=attributes or UNSET,
            popularity=entity.popularity or UNSET,
            released=entity.released or UNSET,
            members=entity.members or UNSET,
            url=entity.url or UNSET,
            image=entity.image or UNSET,
            duration=UNSET if entity.duration is None else entity.duration,
            fields={each.name: each.value for each in entity.fields} or UNSET,
        )


def entity_to_json(entity: Entity) -> dict[str, Any]:
    """Return an entity as plain JSON values, see `EntityAnswer`."""
    values: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(EntityAnswer.of(entity)))
    return values


def entity_from_json(data: object) -> Entity:
    """Return the entity that a JSON object describes, as `entity_to_json` writes it.

    Attributes may also be lists (``{"genre": ["jazz"]}``, confidence 1) or a single text.

    Raises:
        BadInput: a field is missing, unknown or wrong; ``field`` names it.
    """
    if not isinstance(data, Mapping):
        raise BadInput(f"an entity is a JSON object, not {type(data).__name__}")
    for name in data:
        if name not in FIELDS:
            raise BadInput(_unknown(str(name)), field=str(name))
    return Entity(
        id=_text(data.get("id"), "id", MAX_ID),
        kind=_kind(data.get("kind")),
        title=_text(data.get("title"), "title"),
        artists=_texts(data.get("artists"), "artists"),
        album=_optional(data.get("album"), "album", _text),
        aliases=_texts(data.get("aliases"), "aliases"),
        attributes=_attributes(data.get("attributes")),
        popularity=_popularity(data.get("popularity")),
        released=_optional(data.get("released"), "released", _date),
        members=_texts(data.get("members"), "members"),
        url=_optional(data.get("url"), "url", _link),
        image=_optional(data.get("image"), "image", _link),
        duration=_duration(data.get("duration")),
        fields=_fields(data.get("fields")),
    )


def _unknown(name: str) -> str:
    remedy = nearest(name, FIELDS) or f"; an entity has {', '.join(FIELDS)}"
    return f"unknown field {name!r}{remedy} What is your own goes into `fields`."


def checked(entity: object) -> Entity:
    """An entity, or its fields as `entity_from_json` takes them, of which every field can be stored and found.

    Raises:
        BadInput: a field is missing, unknown or wrong; ``field`` names it.
    """
    return entity_from_json(entity_to_json(entity) if isinstance(entity, Entity) else entity)


def _text(value: object, field: str, limit: int = MAX_TEXT) -> str:
    if type(value) is str and value.isascii() and 0 < len(value) <= limit and value.isprintable():
        return value.strip() or _text("", field)  # the common case, quickly
    if not isinstance(value, str):
        raise BadInput(f"{field} must be text, not {shown(value)}", field=field)
    text = value.strip()
    if not text:
        raise BadInput(f"{field} is empty", field=field)
    if len(text) > limit:
        raise BadInput(f"{field} has {len(text)} characters; at most {limit} are kept", field=field)
    if _UNSTORABLE.search(text):
        raise BadInput(f"{field} holds a character that cannot be stored (lone surrogate or NUL)", field=field)
    return text


def _optional(value: object, field: str, read: Callable[[object, str], str]) -> str | None:
    return None if value is None or value == "" else read(value, field)


def _texts(value: object, field: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)):
        raise BadInput(f"{field} must be a list of texts, not {shown(value)}", field=field)
    if len(value) > MAX_ITEMS:
        raise BadInput(f"{field} has {len(value)} entries; at most {MAX_ITEMS} are kept", field=field)
    return tuple(dict.fromkeys(_text(item, field) for item in value))


def _kind(value: object) -> Kind:
    for kind in KINDS:
        if value == kind:
            return kind
    raise BadInput(f"kind must be one of {', '.join(KINDS)}, not {shown(value)}", field="kind")


def _date(value: object, field: str) -> str:
    match = _DATE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or (match[1] and not _is_day(match[1])):
        raise BadInput(f"{field} must be YYYY, YYYY-MM or YYYY-MM-DD, not {shown(value)}", field=field)
    return match[0]


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _popularity(value: object) -> float:
    return 0.0 if value is None else _share(value, "popularity", closed=True)


def _share(value: object, field: str, *, closed: bool) -> float:
    """Return a number in (0, 1], or in [0, 1] when ``closed``."""
    if type(value) is float and 0 < value <= 1:
        return value
    interval = "[0, 1]" if closed else "(0, 1]"
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value):
        raise BadInput(f"{field} must be a number in {interval}, not {shown(value)}", field=field)
    if not 0 <= value <= 1 or (value == 0 and not closed):
        raise BadInput(f"{field} must be in {interval}, not {value}", field=field)
    return float(value)


def _link(value: object, field: str) -> str:
    text = _text(value, field)
    if not _LINK.fullmatch(text):
        raise BadInput(
            f"{field} must begin with http:// or https://, or be a path like /a.mp3, not {shown(text)}", field=field
        )
    return text


def _duration(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < inf:
        raise BadInput(f"duration must be a number of seconds, not {shown(value)}", field="duration")
    return float(value)


def _fields(value: object) -> tuple[Field, ...]:
    if value is None:
        return ()
    if not isinstance(value, Mapping):
        raise BadInput(f'fields must be an object like {{"bpm": 120}}, not {shown(value)}', field="fields")
    if len(value) > MAX_FIELDS:
        raise BadInput(f"fields has {len(value)} entries; at most {MAX_FIELDS} are kept", field="fields")
    found = [(_text(name, "fields"), each) for name, each in value.items() if each is not None and each != ""]
    for name, _ in found:
        if name.casefold() in RESERVED:
            raise BadInput(f"a free field cannot be called {name}: that means something else", field=f"fields.{name}")
    return tuple(Field(name, _field_value(each, f"fields.{name}")) for name, each in found)


def _field_value(value: object, field: str) -> FieldValue:
    if isinstance(value, str):
        return _text(value, field)
    if isinstance(value, list | tuple):
        return _texts(value, field)
    if not isinstance(value, int | float) or not abs(value) < _HUGE:  # NaN is not less than anything
        raise BadInput(
            f"{field} must be text, a number, true, false or a list of texts, not {shown(value)}", field=field
        )
    return value


_HUGE = 2.0**63
"""Numbers that JSON is read and written with everywhere are nearer to 0."""


def _attributes(value: object) -> tuple[Attribute, ...]:
    if value is None:
        return ()
    if not isinstance(value, Mapping):
        raise BadInput(
            f'attributes must be an object like {{"genre": {{"jazz": 0.9}}}}, not {shown(value)}', field="attributes"
        )
    found = tuple(attribute for name, values in value.items() for attribute in _values(name, values))
    if len(found) > MAX_ATTRIBUTES:
        raise BadInput(f"attributes has {len(found)} values; at most {MAX_ATTRIBUTES} are kept", field="attributes")
    return found


def _values(name: object, values: object) -> list[Attribute]:
    key = _text(name, "attributes")
    field = f"attributes.{key}"
    if isinstance(values, str):
        values = [values]
    if isinstance(values, Mapping):
        return [Attribute(key, _text(v, field), _share(c, field, closed=False)) for v, c in values.items()]
    return [Attribute(key, text) for text in _texts(values, field)]
