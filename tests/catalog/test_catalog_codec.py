import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandstand.catalog.codec import decode, encode, entity_from_json, entity_to_json
from bandstand.errors import BadInput, StorageError
from bandstand.types import Attribute, Entity

LEAST = {"id": "a", "kind": "track", "title": "A"}


@given(st.data())
def test_round_trips(any_entity, data):
    entity = data.draw(any_entity)
    assert decode(entity.id, encode(entity)) == entity
    assert entity_from_json(orjson.loads(orjson.dumps(entity_to_json(entity)))) == entity


def test_only_set_fields_are_written():
    assert entity_to_json(Entity(id="a", kind="track", title="A")) == LEAST


def test_attributes_in_each_spelling():
    read = entity_from_json(LEAST | {"attributes": {"genre": {"jazz": 0.9}, "mood": ["calm", "warm"], "era": "1959"}})
    assert read.attributes == (
        Attribute("genre", "jazz", 0.9),
        Attribute("mood", "calm"),
        Attribute("mood", "warm"),
        Attribute("era", "1959"),
    )


def test_null_is_the_same_as_left_out():
    names = ("artists", "album", "aliases", "attributes", "popularity", "released", "members")
    assert entity_from_json(LEAST | dict.fromkeys(names)) == entity_from_json(LEAST)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"id": None}, "id"),
        ({"id": "  "}, "id"),
        ({"id": 7}, "id"),
        ({"id": "x" * 257}, "id"),
        ({"kind": "song"}, "kind"),
        ({"kind": None}, "kind"),
        ({"kind": []}, "kind"),
        ({"title": ""}, "title"),
        ({"title": "x" * 2001}, "title"),
        ({"title": "\ud800"}, "title"),
        ({"title": "a\0b"}, "title"),
        ({"title": "é\0"}, "title"),
        ({"artists": "Prince"}, "artists"),
        ({"artists": [1]}, "artists"),
        ({"album": 3}, "album"),
        ({"aliases": [""]}, "aliases"),
        ({"attributes": ["jazz"]}, "attributes"),
        ({"attributes": {"genre": {"jazz": 0}}}, "attributes.genre"),
        ({"attributes": {"genre": {"jazz": 1.1}}}, "attributes.genre"),
        ({"attributes": {"genre": {"jazz": None}}}, "attributes.genre"),
        ({"attributes": {"genre": 5}}, "attributes.genre"),
        ({"attributes": {"": ["x"]}}, "attributes"),
        ({"popularity": -0.1}, "popularity"),
        ({"popularity": 66}, "popularity"),
        ({"popularity": True}, "popularity"),
        ({"popularity": float("nan")}, "popularity"),
        ({"popularity": "high"}, "popularity"),
        ({"released": "last year"}, "released"),
        ({"released": 1959}, "released"),
        ({"released": "1959-13"}, "released"),
        ({"released": "1959-02-30"}, "released"),
        ({"released": "١٩٥٩"}, "released"),
        ({"members": {}}, "members"),
        ({"members": ["x"] * 100_001}, "members"),
        ({"colour": "blue"}, "colour"),
    ],
)
def test_a_bad_value_is_refused_and_its_field_named(change, field):
    with pytest.raises(BadInput) as caught:
        entity_from_json(LEAST | change)
    assert caught.value.field == field


@pytest.mark.parametrize("value", [None, [], "text", 3])
def test_an_entity_is_an_object(value):
    with pytest.raises(BadInput, match="JSON object"):
        entity_from_json(value)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        b"[]",
        b"[9,1,2,3,4,5,6,7,8]",
        b'["track",1,2',
        b'["opera","t",[],null,[],[],0.5,null,[]]',
        b'["\xff"]',
    ],
)
def test_a_damaged_payload_is_a_storage_error(payload):
    with pytest.raises(StorageError, match="damaged"):
        decode("a", payload)


def test_text_that_json_cannot_carry_is_refused():
    with pytest.raises(BadInput, match="UTF-8"):
        encode(Entity(id="a", kind="track", title="\ud800"))
