"""Corrections: what is replaced, what is only suggested, and what beats a correction."""

from __future__ import annotations

import pytest

from bandstand.understanding.spelling import Speller
from tests.support.small_catalog import open_small, track


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("tayler swift", "taylor swift"),
        ("taylorswift", "taylor swift"),
        ("radiohed creep", "radiohead creep"),
        ("micheal buble", "michael buble"),
        ("beethovn moonlight", "beethoven moonlight"),
        ("moon light sonata", "moonlight sonata"),
        ("aint no montain high enuogh", "aint no mountain high enough"),
        ("moonl ight sonaat", "moonlight sonata"),
        ("группа крови кино", None),
        ("груупа крови", "группа крови"),
    ],
)
def test_corrections(small, typed, meant):
    correction = small.correct(typed)
    assert (correction and correction.text) == meant


def test_a_correction_says_what_and_how_sure(small):
    correction = small.correct("Radiohed creep")
    assert (correction.typed, correction.text, correction.edits) == ("radiohed creep", "radiohead creep", 1)
    assert correction.mode == "showing"
    assert 0.5 <= correction.confidence <= 1


def test_the_confidence_by_hand(tmp_path):
    """One word of weight 1 · (0.1 + 0.9) + 1 · (0.1 + 0.9), one slip, eight letters typed, nothing beside it."""
    only = [track("a", "Thunders", "", popularity=0.9), track("b", "Thunders", "", popularity=0.9)]
    with open_small(tmp_path, [*only]) as small:
        correction = small.correct("thunderz")
    assert correction.confidence == pytest.approx(2.0 * 0.02 / (2.0 * 0.02 + 3.0 * 4.0 ** (4 - 8) * 0.02))


def test_company_decides_between_two_near_words(tmp_path):
    """Both are one slip from "lova"; the other word knows which."""
    entities = [
        track("love", "Love", "Blue Band", popularity=0.9),
        track("lava", "Lava", "Volcano Choir", popularity=0.2),
    ]
    with open_small(tmp_path, entities) as small:
        assert small.correct("lova blue").text == "love blue"
        assert small.correct("lova volcano").text == "lava volcano"


def test_a_query_that_people_used_with_success_is_right(own):
    assert own.correct("tayler swift") is not None
    own.speller.learn("tayler swift", 3.0)
    assert own.correct("tayler swift") is None
    assert own.correct("tayler") is None  # and so are its words


def test_words_of_past_queries_are_corrected_to(own):
    assert own.correct("tswiftiee") is None
    own.speller.learn("tswiftie", 20.0)
    assert own.correct("tswiftiee").text == "tswiftie"


def test_a_rare_word_gets_a_hint_and_is_not_replaced(tmp_path):
    entities = [
        *(track(f"t{i}", f"Song {i}", "Taylor Swift", popularity=0.9) for i in range(40)),
        track("rare", "Tayler", "Nobody", popularity=0.0),
    ]
    with open_small(tmp_path, entities) as small:
        correction = small.correct("tayler swift")
        assert (correction.text, correction.mode) == ("taylor swift", "suggest")


def test_clean_names_are_never_replaced(small):
    columns = small.catalog.columns
    for text in (*columns.titles, *columns.names):
        correction = small.correct(text)
        assert correction is None or correction.mode == "suggest"


def test_an_empty_catalogue_corrects_nothing(tmp_path):
    with open_small(tmp_path, []) as empty:
        assert Speller(empty.understanding.lexicon).correct("qwzrty xkcdw") is None
        assert empty.found(empty.structured, "anything") == []
