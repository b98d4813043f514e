"""Searches that say conditions, end to end over a small real home."""

from __future__ import annotations

import pytest

from bandstand.engine.answers import SearchAnswer
from bandstand.learner.gate_labels import _searchable
from bandstand.types import EXACT, Condition
from tests.support.small_home import ids


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"blue in"', {"blue-in-green"}),
        ('davis "so what"', {"so-what"}),
        ("artist:metallica one", {"one-metallica"}),
        ('artist:"sigur ros" kind:artist', {"sigur-ros"}),
        ("hello -adele", {"hello-richie"}),
        ('halo album:"sasha fierce"', {"halo"}),
        ("genre:jazz year:1950..1959", {"so-what", "blue-in-green"}),
        ("title:hurt -genre:country", {"hurt-nin"}),
        ("artist:nobody", set()),
        ("genre:polka halo", set()),
        ('"halo beyonce live at"', set()),
        ("kind:podcast halo", set()),
    ],
)
def test_conditions_hold_for_every_hit(small, text, expected):
    found = set(ids(small.search(text, policy="all")))
    assert found == expected if not text.startswith("hello") else expected <= found and "hello" not in found


def test_nothing_but_conditions_is_answered_like_a_blank_query_among_what_they_allow(small):
    everything = ids(small.search("", k=50))
    old = {"one-u2", "one-metallica", "hurt-nin", "thunderstruck", "halo-depeche", "first-love"}
    found = ids(small.search("year:1988..1999", k=50))
    assert set(found) == old
    assert found == [entity for entity in everything if entity in old]


@pytest.mark.parametrize("text", ["AC/DC", "-1", "artist: unknown", "12:51", '"', "- - -", 'half open" quote', "-halo"])
def test_a_plain_query_has_no_conditions(small, text):
    query = small.search(text).impression.query
    assert (query.text, query.conditions, query.allowed) == (text, (), None)


def test_what_was_typed_is_logged_with_how_it_was_read(small):
    text = 'artist:Metallica -live "one" year:1980..'
    query = small.search(text).impression.query
    small.home.log.flush()
    logged = small.home.log.impression(query.id).query
    assert (logged.text, logged.normalized, logged.literal) == (text, "one", True)
    assert logged.conditions == (
        Condition("artist", "Metallica"), Condition(EXACT, "live", negated=True), Condition(EXACT, "one"),
        Condition("year", "1980.."),
    )  # fmt: skip
    assert logged.filters.year_gte == 1980
    columns = small.home.catalog.columns
    assert _searchable(logged, columns).allowed.tolist() == query.allowed.tolist()


def test_memory_learns_the_plain_words(small):
    first = small.search("artist:metallica one zanzibar", user="ann", policy="all")
    small.play("one-metallica", on=first)
    small.learn()
    again = small.search("one zanzibar", user="ann", policy="memory")
    assert ids(again)[0] == "one-metallica"


def test_memory_learns_the_plain_words_of_a_query_that_only_an_event_names(small):
    small.act("one-metallica", user_id="ann", user_query="artist:metallica one zanzibar -live")
    small.learn()
    assert ids(small.search("one zanzibar", user="ann", policy="memory"))[0] == "one-metallica"


def test_exact_words_are_not_corrected(small):
    assert small.search("thunderstrukc").impression.query.correction is not None
    exact = small.search('"thunderstrukc"')
    assert (exact.impression.query.correction, ids(exact)) == (None, [])


def test_kinds_of_the_request_hold_beside_the_typed_ones(small):
    assert ids(small.search("kind:artist beyonce", kinds=("track",), policy="all")) == []
    assert small.search("kind:artist beyonce").impression.query.kinds == ("artist",)


def test_the_answer_says_how_the_text_was_read(small):
    answer = SearchAnswer.of(small.search("one -live", explain=True))
    assert answer.query.conditions == (Condition(EXACT, "live", negated=True),)
    assert answer.query.normalized == "one"
