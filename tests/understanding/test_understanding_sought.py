"""Words that ask, and facts that are read, are no evidence for names; names that hold such words are found by them."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("text", "sought"),
    [
        ("play some taylor swift", "taylor swift"),
        ("can you please play hello by adele on spotify", "hello adele"),
        ("i would like to hear the song creep by radiohead", "creep radiohead"),
        ("play songs by queen from the 80s", "queen"),
        ("radiohead album", "radiohead"),
        ("the best of queen", "queen"),
        ("hello adele", "hello adele"),
        ("xqzz", "xqzz"),
        ("", ""),
    ],
)
def test_what_is_left_names_something(small, text, sought):
    assert small.read(text).sought() == sought


@pytest.mark.parametrize("text", ["play songs from 1984", "play me a tune from the sixties", "some music from 1990"])
def test_nothing_is_left_where_only_a_kind_or_a_time_is_asked_for(small, text):
    assert small.read(text).sought() == ""


@pytest.mark.parametrize("text", ["play", "play music", "please", "i want to hear some"])
def test_where_nothing_is_said_the_words_are_looked_for_as_they_are(small, text):
    assert small.read(text).sought() == text


@pytest.mark.parametrize("text", ["all i want for christmas is you", "song exploder", "radio paradise", "1999"])
def test_a_whole_name_stays_whole(small, text):
    assert small.read(text).sought() == text
