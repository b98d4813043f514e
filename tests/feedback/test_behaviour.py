"""Actions as numbers: what they say, and that nothing later is ever among them."""

from __future__ import annotations

import math

import pytest

from bandstand.feedback.attribution import Attribution
from bandstand.feedback.behaviour import (
    HIT_FEATURES,
    MOST_INTERACTIONS,
    SEARCH_FEATURES,
    Interaction,
    hit_features,
    interaction_of,
    interactions_of,
    search_features,
)
from tests.support.sessions import event, page


def named(row, names):
    return dict(zip(names, row.tolist(), strict=True))


def test_a_hit_is_described_by_what_was_done_with_it_and_with_others():
    interactions = (
        Interaction(1, "click", 4.0),
        Interaction(1, "play", 9.0, 5.0),
        Interaction(0, "click", 11.0),
        Interaction(0, "save", 12.0),
    )
    found = named(hit_features(page("q"), interactions, [1])[0], HIT_FEATURES)
    assert (found["place"], found["clicks"], found["plays"], found["longest_s"]) == (2, 1, 1, 5)
    assert (found["first_s"], found["order"], found["touched"], found["later"]) == (4, 1, 2, 2)
    assert found["rival_saved"] == 1
    assert math.isnan(found["rival_s"])
    assert found["name_ratio"] == 0.5
    assert math.isnan(found["popularity"])  # the search did not log it


def test_a_search_that_nobody_touched_is_described_too():
    found = named(search_features(page("q"), ())[0], SEARCH_FEATURES)
    assert (found["shown"], found["touched"], found["lowest"], found["best_name"]) == (3, 0, 0, 0.5)
    assert math.isnan(found["first_s"])


def test_an_empty_page_has_numbers():
    assert search_features(page("q", hits=()), ()).shape == (1, len(SEARCH_FEATURES))
    assert hit_features(page("q", hits=()), (), []).shape == (0, len(HIT_FEATURES))


def test_events_come_in_any_order_and_count_by_their_time():
    on = page("q")
    events = [event(on, "b", after=9.0), event(on, "a", after=3.0), event(on, "z"), event(on, "c", "view")]
    assert [(interaction.row, interaction.after) for interaction in interactions_of(on, events, Attribution())] == [
        (0, 3.0),
        (1, 9.0),
    ]


@pytest.mark.parametrize(("after", "counts"), [(-30.0, True), (-90.0, False), (1_900.0, False)])
def test_a_clock_that_runs_backwards_stands_still(after, counts):
    interactions = interactions_of(page("q"), [event(page("q"), "a", after=after)], Attribution())
    assert [interaction.after for interaction in interactions] == ([0.0] if counts else [])


def test_a_thousand_clicks_are_fifty():
    on = page("q")
    events = [event(on, "a", number=number, after=number / 100) for number in range(1_000)]
    assert len(interactions_of(on, events, Attribution())) == MOST_INTERACTIONS


def test_an_action_on_no_hit_of_the_search_is_none():
    assert interaction_of(page("q"), event(page("q"), "elsewhere")) is None
