"""Names as they are spoken: known forms, and that every way of writing one is one name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandstand.catalog.spoken import numbers, numeral_headings, spoken
from bandstand.catalog.text import index_terms, name_keys, normalize, terms


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("", ""),
        ("Halo", "halo"),
        ("Part II", "part 2"),
        ("Pt. Two", "part 2"),
        ("Another Brick in the Wall, Part I", "another brick in the wall part 1"),
        ("Vol. IV", "volume 4"),
        ("Symphony No. 5", "symphony 5"),
        ("Fifth Symphony", "5th symphony"),
        ("Opus 67", "op 67"),
        ("Opus", "opus"),
        ("Twenty One Pilots", "21 pilots"),
        ("twenty-first century", "20 1st century"),
        ("Nineteen Eighty-Four", "1984"),
        ("Ten Thousand Maniacs", "10000 maniacs"),
        ("10,000 Maniacs", "10000 maniacs"),
        ("One Hundred Ways", "100 ways"),
        ("R.E.M.", "rem"),
        ("P. J. Proby", "pj proby"),
        ("J. Cole", "j cole"),
        ("Guns N' Roses", "guns roses"),
        ("Simon & Garfunkel", "simon garfunkel"),
        ("and", "and"),
        ("Don't Stop Believin'", "dont stop believin"),
        ("Don't Stop Believing", "dont stop believin"),
        ("King", "king"),
        ("Malcolm X", "malcolm x"),
        ("No No No", "no no no"),
        ("十七岁", "17岁"),
        ("一千年以后", "1000年以后"),
        ("二〇一二", "2012"),
        ("三万五千", "35000"),
    ],
)
def test_spoken_form(written, expected):
    assert spoken(normalize(written)) == expected


@given(st.text(max_size=40))
def test_every_text_has_a_spoken_form(text):
    normalized = normalize(text)
    assert bool(spoken(normalized)) == bool(normalized)
    assert set(terms(text)) <= set(index_terms(text))


def test_numbers_are_digits_and_ordinals_count():
    assert numbers(spoken("mahler second symphony no 5 in c op 18")) == ["2", "5", "18"]
    assert numbers("maroon five") == []


def test_a_numeral_of_one_letter_counts_before_a_colon():
    assert numeral_headings("Key Entity Extraction V: Sentry") == "Key Entity Extraction 5: Sentry"
    assert numeral_headings("I: Allegro") == "I: Allegro"
    assert numeral_headings("Malcolm X") == "Malcolm X"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("R.E.M.", "rem"),
        ("r e m", "REM"),
        ("2Pac", "two pac"),
        ("U2", "u 2"),
        ("K-391", "k391"),
        ("blink-182", "blink 182"),
        ("Run-D.M.C.", "run dmc"),
        ("OneRepublic", "one republic"),
        ("Salt-N-Pepa", "salt and pepa"),
        ("Chapter Four", "chapter iv"),
        ("Summer of '69", "summer of sixty nine"),
        ("Livin' on a Prayer", "living on a prayer"),
    ],
)
def test_two_ways_of_writing_are_one_name(one, other):
    assert name_keys(normalize(one)) & name_keys(normalize(other))


@pytest.mark.parametrize(("one", "other"), [("First Love", "One Love"), ("Part 2", "Part 3"), ("Cult", "Cults")])
def test_other_names_stay_apart(one, other):
    assert not name_keys(normalize(one)) & name_keys(normalize(other))


@pytest.mark.parametrize(
    ("written", "typed"),
    [
        ("R.E.M.", "r e m"),
        ("2Pac", "two pac"),
        ("OneRepublic", "one republic"),
        ("Symphony No. 5", "fifth symphony"),
        ("Symphony No. 5", "symphony number five"),
        ("Key Entity Extraction IV: Evagria", "key entity extraction four"),
        ("Key Entity Extraction V: Sentry", "key entity extraction 5"),
        ("Part II", "part two"),
        ("17岁", "十七"),
        ("Rolling in the Deep", "rollin in the deep"),
        ("Rock & Roll", "rock n roll"),
    ],
)
def test_what_is_said_finds_what_is_written(written, typed):
    assert {word for word in terms(typed) if not word.endswith(("th", "岁"))} <= set(index_terms(written))
