"""Clicks: the posterior by hand, and readings that learn."""

from __future__ import annotations

import pytest

from bandstand.understanding.credit import supported
from bandstand.understanding.evidence import STRENGTH, ClickCounts, posterior


def test_without_clicks_nothing_changes():
    assert posterior([0.03, 0.01], [0, 0]) == [0.03, 0.01]


def test_the_posterior_by_hand():
    """M = 0.04, shares 3/4 and 1/4; five clicks on the second at strength 5: (3.75, 1.25 + 5) / 10."""
    assert STRENGTH == 5.0
    assert posterior([0.03, 0.01], [0, 5]) == pytest.approx([0.04 * 0.375, 0.04 * 0.625])


def test_a_click_is_shared_among_the_senses_that_explain_it():
    counts = ClickCounts()
    counts.add("rock", {("genre", "rock"): 0.9, ("track", "rock"): 0.3})
    counts.add("rock", {})
    assert counts.counts("rock") == pytest.approx({("genre", "rock"): 0.75, ("track", "rock"): 0.25})
    assert counts.counts("pop") == {}


def test_what_explains_a_click(small):
    interpretation = small.read("rock 90s")
    found = dict(supported(interpretation, small.ordinal("creep"), small.catalog.columns, small.understanding.lexicon))
    assert found["rock"]["genre", "rock"] == pytest.approx(1.0)
    assert found["90s"] == {("year", "1990-1999"): 1.0}
    undated = dict(
        supported(interpretation, small.ordinal("undated"), small.catalog.columns, small.understanding.lexicon)
    )
    assert undated["rock"]["genre", "rock"] == pytest.approx(0.5)
    assert undated["90s"] == {}


def test_a_reading_that_led_to_clicks_gains_weight(own):
    """ "1999" is Prince's song at first; listeners who choose what came out that year make it a year."""

    def chance():
        return {slot.name: slot.confidence for slot in own.read("1999").slots(0.0)}

    before = chance()
    assert before["track"] > before["year"]
    for _ in range(20):
        own.understanding.clicked("1999", own.ordinal("first-love"))
    after = chance()
    assert after["year"] > after["track"]
    (best,) = own.senses("1999")
    assert best.slot == "year"
    assert best.posterior > best.prior * best.likelihood


def test_clicks_on_one_phrase_leave_others_alone(own):
    before = own.read("rock 90s")
    for _ in range(5):
        own.understanding.clicked("1999", own.ordinal("1999"))
    assert own.read("rock 90s") == before
