"""Which search an event belongs to, and to which hit."""

from dataclasses import replace

import pytest

from bandstand.feedback.attribution import Attribution, position_of


@pytest.mark.parametrize(
    ("delay", "inside"),
    [(-61, False), (-60, True), (0, True), (1800, True), (1800.5, False), (1e9, False)],
)
def test_the_window(make, delay, inside):
    event = make.event(time=make.now + delay)
    assert Attribution().in_window(make.impression(), event) is inside


def test_what_was_offered_as_related_belongs_to_no_search(make):
    impression = make.impression("q1")
    payload = '{"event_attributes": {"related_to": "other"}}'
    event = make.event("e1", query_id="q1", time=impression.query.time)
    assert Attribution().in_window(impression, event)
    assert not Attribution().in_window(impression, replace(event, payload=payload))


def test_another_search_is_another_search(make):
    assert not Attribution().in_window(make.impression("q2"), make.event(query_id="q1"))
    assert not Attribution().in_window(make.impression("q2"), make.event(query_id=None))


@pytest.mark.parametrize(
    ("object_id", "claimed", "position"),
    [
        ("c", None, 3),
        ("c", 1, 3),  # the id decides, whatever the client claims
        ("elsewhere", 1, None),
        (None, 2, 2),
        (None, 4, None),
        (None, 0, None),
        (None, None, None),
    ],
)
def test_positions(make, object_id, claimed, position):
    assert position_of(make.impression(), make.event(object_id=object_id, position=claimed)) == position
