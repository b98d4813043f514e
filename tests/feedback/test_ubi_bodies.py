"""Bodies of events requests: one event, a list, NDJSON, and everything that can be wrong with them."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandstand.errors import BadInput, TooLarge
from bandstand.feedback.ubi_events import EventLimits, parse_events

NOW = 1_740_000_000.0
GOOD = b'{"action_name":"click","user_id":"u%d"}'


def parse(body, content_type="application/json", **limits):
    return parse_events(body, content_type, now=NOW, limits=EventLimits(**limits))


@pytest.mark.parametrize("content_type", [None, "application/json; charset=utf-8", "text/plain"])
def test_one_event_or_a_list(content_type):
    assert [index for index, _ in parse(GOOD % 1, content_type).events] == [0]
    events = parse(b"[" + GOOD % 1 + b"," + GOOD % 2 + b"]", content_type).events
    assert [(index, event.user_id) for index, event in events] == [(0, "u1"), (1, "u2")]


@pytest.mark.parametrize("content_type", ["application/x-ndjson", "application/jsonl", "application/json", None])
def test_a_bad_line_in_the_middle_spoils_nothing_else(content_type):
    body = b"\xef\xbb\xbf" + b"\r\n".join([GOOD % 1, b"{oops", b"", GOOD % 2, b"7", b'{"user_id":"x"}']) + b"\n"
    parsed = parse(body, content_type)
    assert [(index, event.user_id) for index, event in parsed.events] == [(0, "u1"), (2, "u2")]
    assert [rejected.index for rejected in parsed.rejected] == [1, 3, 4]
    for word, rejected in zip(("JSON", "object", "action_name"), parsed.rejected, strict=True):
        assert word in rejected.reason


def test_a_single_line_of_ndjson_is_one_event():
    assert len(parse(GOOD % 1, "application/x-ndjson").events) == 1


def test_an_empty_list_is_no_error():
    assert parse(b"[]") == ([], [])


@pytest.mark.parametrize("body", [b"", b"  \n ", b"\xef\xbb\xbf", b"nonsense", b"[{},\n{}", b"\xff\xfe", b"[" * 5000])
def test_bodies_without_json_are_refused_as_a_whole(body):
    with pytest.raises(BadInput):
        parse(body)


def test_json_that_is_no_event_is_rejected_by_index():
    assert [rejected.index for rejected in parse(b'[null, 1, "a", []]').rejected] == [0, 1, 2, 3]


def test_nan_is_no_json():
    assert parse(b'{"action_name":"play","play_seconds":NaN}\n' + GOOD % 1).rejected[0].index == 0


def test_large_bodies():
    with pytest.raises(TooLarge, match="at most"):
        parse(b" " * 10_000_000)
    with pytest.raises(TooLarge, match="more than 2 events"):
        parse(b"\n".join([GOOD % 1] * 3), max_events=2)
    assert len(parse(b"\n".join([GOOD % 1] * 2), max_events=2).events) == 2


@given(st.binary(max_size=200), st.sampled_from([None, "application/json", "application/x-ndjson"]))
def test_arbitrary_bytes_never_escape_the_error_tree(body, content_type):
    try:
        parsed = parse(body, content_type)
    except BadInput:
        return
    assert isinstance(parsed.rejected, list)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["object", "position", "ordinal", "index", "object_id", "x"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


@given(
    st.dictionaries(
        st.sampled_from(
            ["action_name", "timestamp", "user_id", "event_attributes", "play_seconds", "message", "message_type"]
        ),
        json_values,
    )
)
def test_arbitrary_json_is_accepted_or_rejected(raw):
    parsed = parse(orjson.dumps(raw))
    assert len(parsed.events) + len(parsed.rejected) == 1
