"""UBI events: what is accepted, what is refused with which field, and what goes out again."""

import math

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandstand.errors import BadInput
from bandstand.feedback.ubi_events import EventLimits, event_to_ubi, parse_event

NOW = 1_740_000_000.0
CLICK = {
    "action_name": "click",
    "timestamp": "2025-02-18T20:20:39Z",
    "query_id": "q1",
    "session_id": "s1",
    "client_id": "c1",
    "user_id": "u1",
    "application": "web",
    "event_attributes": {
        "position": {"ordinal": 3},
        "object": {"object_id": "track:1", "object_id_type": "track", "object_id_field": "id"},
        "play_seconds": 12.5,
        "shuffle": True,
    },
}


def parse(**changes):
    raw = {name: value for name, value in {**CLICK, **changes}.items() if value is not ...}
    return parse_event(raw, now=NOW)


def attributes(**changes):
    return parse(event_attributes={**CLICK["event_attributes"], **changes})


def test_a_full_event_is_read_field_by_field():
    event = parse()
    assert (event.action, event.time) == ("click", 1_739_910_039.0)
    assert (event.query_id, event.session_id, event.client_id, event.user_id) == ("q1", "s1", "c1", "u1")
    assert (event.object_id, event.position, event.play_seconds) == ("track:1", 3, 12.5)
    assert orjson.loads(event.payload) == CLICK


@pytest.mark.parametrize(
    ("timestamp", "seconds"),
    [
        ("2025-02-18T20:20:39", 1_739_910_039.0),
        ("2025-02-18T21:20:39+01:00", 1_739_910_039.0),
        ("2025-02-18 20:20:39.250Z", 1_739_910_039.25),
        ("2025-02-18 20:20:39.250000 UTC", 1_739_910_039.25),
        (1_739_910_039_250, 1_739_910_039.25),
        ("1739910039250", 1_739_910_039.25),
        (1_739_910_039, 1_739_910_039.0),
        (..., NOW),
        (None, NOW),
        ("", NOW),
    ],
)
def test_timestamps(timestamp, seconds):
    assert parse(timestamp=timestamp).time == seconds


def test_ids_are_read_where_older_schemas_put_them():
    inner = {"user_id": "u9", "session_id": "s9", "object": {"internal_id": 77}, "position": {"ordinal": {"index": 4}}}
    event = parse(user_id=..., session_id="", event_attributes=inner)
    assert (event.user_id, event.session_id, event.object_id, event.position) == ("u9", "s9", "77", 4)
    flat = parse(event_attributes=..., object_id="track:2", play_seconds="31")
    assert (flat.object_id, flat.play_seconds, flat.position) == ("track:2", 31.0, None)
    assert parse(message_type="QUERY", message="sigur ros").user_query == "sigur ros"
    assert parse(message_type="QUERY", message="x", user_query="y").user_query == "y"
    assert attributes(position={"xy": {"x": 1, "y": 2}}).position is None
    assert attributes(position="2").position == 2


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"action_name": ...}, "action_name"),
        ({"action_name": "  "}, "action_name"),
        ({"action_name": "x" * 101}, "action_name"),
        ({"action_name": True}, "action_name"),
        ({"query_id": "q" * 101}, "query_id"),
        ({"user_id": ["u"]}, "user_id"),
        ({"user_id": "\ud800"}, None),
        ({"message": "m" * 1025}, "message"),
        ({"user_query": "m" * 10_001}, "user_query"),
        ({"timestamp": "yesterday"}, "timestamp"),
        ({"timestamp": "9999-12-31T23:59:59Z"}, "timestamp"),
        ({"timestamp": NOW + 86_401}, "timestamp"),
        ({"timestamp": -5}, "timestamp"),
        ({"timestamp": True}, "timestamp"),
        ({"timestamp": 1e300}, "timestamp"),
        ({"event_attributes": []}, "event_attributes"),
        ({"event_attributes": {"object": "a"}}, "event_attributes.object"),
        ({"event_attributes": {"object": {"object_id": "o" * 257}}}, "event_attributes.object.object_id"),
        ({"event_attributes": {"object": {"object_id": {}}}}, "event_attributes.object.object_id"),
        ({"event_attributes": {"position": {"ordinal": 0}}}, "event_attributes.position.ordinal"),
        ({"event_attributes": {"position": {"ordinal": 1.5}}}, "event_attributes.position.ordinal"),
        ({"event_attributes": {"position": {"ordinal": "first"}}}, "event_attributes.position.ordinal"),
        ({"event_attributes": {"play_seconds": -1}}, "event_attributes.play_seconds"),
        ({"event_attributes": {"play_seconds": math.nan}}, "event_attributes.play_seconds"),
        ({"play_seconds": math.inf, "event_attributes": {}}, "play_seconds"),
        ({"play_seconds": "9" * 400, "event_attributes": {}}, "play_seconds"),
        ({"extra": "x" * 70_000}, None),
        ({"extra": object()}, None),
    ],
)
def test_refusals_name_the_field(changes, field):
    with pytest.raises(BadInput) as refused:
        parse(**changes)
    assert refused.value.field == field
    assert field is None or field in str(refused.value)


def test_a_day_ahead_is_still_accepted():
    assert parse(timestamp=NOW + 86_400).time == NOW + 86_400


def test_ids_come_from_the_caller_or_from_the_content_whatever_its_order():
    assert parse(event_id="mine").id == "mine"
    assert parse().id == parse_event(dict(reversed(CLICK.items())), now=NOW + 99).id
    assert parse().id != parse(user_id="u2").id


def test_without_timestamp_a_repeat_counts_once_within_the_second_only():
    raw = {"action_name": "click"}
    first = parse_event(raw, now=NOW + 0.1)
    assert parse_event(raw, now=NOW + 0.9).id == first.id
    assert parse_event(raw, now=NOW + 1.1).id != first.id


def test_actions_lose_their_case_and_unknown_ones_are_kept():
    assert parse(action_name=" Click ").action == "click"
    assert parse(action_name="add_to_cart").action == "add_to_cart"


def test_emitted_events_are_strict_ubi_and_keep_what_was_added():
    document = event_to_ubi(parse(event_id="e1", colour="red", message_type=None))
    assert document == {
        "action_name": "click",
        "timestamp": "2025-02-18T20:20:39.000000Z",
        "event_id": "e1",
        "query_id": "q1",
        "session_id": "s1",
        "client_id": "c1",
        "user_id": "u1",
        "application": "web",
        "event_attributes": {**CLICK["event_attributes"], "colour": "red"},
    }


def test_an_unknown_position_is_said_openly_and_read_back_as_unknown():
    document = event_to_ubi(attributes(position=None))
    assert document["event_attributes"]["position"] == {"ordinal": 0, "known": False}
    assert parse_event(document, now=NOW).position is None
    xy = {"xy": {"x": 1, "y": 2}}
    assert event_to_ubi(attributes(position=xy))["event_attributes"]["position"] == xy


names = st.one_of(st.none(), st.text(st.characters(codec="utf-8"), max_size=20))


@given(
    user=names,
    query=names,
    item=names,
    position=st.one_of(st.none(), st.integers(1, 1000)),
    seconds=st.one_of(st.none(), st.floats(0, 1e6)),
    time=st.floats(0, NOW),
)
def test_out_and_in_again_is_the_same_event(user, query, item, position, seconds, time):
    raw = {
        "action_name": "play",
        "timestamp": time * 1000 if time * 1000 >= 1e11 else time,
        "user_id": user,
        "user_query": query,
        "event_attributes": {"position": {"ordinal": position}, "object": {"object_id": item}, "play_seconds": seconds},
    }
    event = parse_event(raw, now=NOW)
    again = parse_event(event_to_ubi(event), now=NOW)
    assert again.time == pytest.approx(event.time, abs=1e-6)
    for name in ("id", "action", "user_id", "user_query", "object_id", "position", "play_seconds"):
        assert getattr(again, name) == getattr(event, name), name


def test_payload_limit_is_a_setting():
    with pytest.raises(BadInput, match="at most 20 are allowed"):
        parse_event(CLICK, now=NOW, limits=EventLimits(max_payload=20))
