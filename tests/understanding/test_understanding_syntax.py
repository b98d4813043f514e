"""What of a typed text is a condition, and what is plain words."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bandstand.types import EXACT, Condition
from bandstand.understanding.syntax import MOST, Syntax, parse
from tests.support.effort import effort
from tests.support.hostile_queries import BOUND, HOSTILE

ATTRIBUTES = {"genre", "mood", "e"}

PLAIN = (
    *("", " ", "AC/DC", "-1", "one -1", "artist: unknown", "Re: Stacks", "Re:Stacks", "12:51", "M-Pire", "jay-z"),
    *('"', '""', '" "', '"half open', 'half open"', 'one "half', 'a "b"c d', '7" single', 'rock "n" roll'),
    *("- - -", "-", "--", "one --two", "-live", '-"radio edit"', "-live -remix", "gurenge -tv size-", "beyonce- halo"),
    *("artist:", "-artist:", 'artist:""', 'artist:"', 'artist:"half open', "mi:genre:pop", "lyrics:love", "!!!"),
    *("kind:red", "year:zero", "year:", "year:..", "year:80", "year:1980...1989", "http://a.example"),
)


def read(text: str) -> Syntax:
    return parse(text, ATTRIBUTES.__contains__)


@pytest.mark.parametrize("text", PLAIN)
def test_a_plain_text_stays_as_it_is(text):
    assert read(text) == Syntax(text)


@pytest.mark.parametrize(
    ("text", "words", "conditions"),
    [
        ('"so what"', ["so", "what"], [Condition(EXACT, "so what")]),
        ('miles "so what" live', ["miles", "so", "what", "live"], [Condition(EXACT, "so what")]),
        ("„so what“ “blue”", ["so", "what", "blue"], [Condition(EXACT, "so what"), Condition(EXACT, "blue")]),
        ("halo -live", ["halo"], [Condition(EXACT, "live", negated=True)]),
        ('-"radio edit" halo', ["halo"], [Condition(EXACT, "radio edit", negated=True)]),
        ("halo -jay-z", ["halo"], [Condition(EXACT, "jay-z", negated=True)]),
        ("Artist:U2 one", ["one"], [Condition("artist", "U2")]),
        ('artist:"pink floyd" album:animals', [], [Condition("artist", "pink floyd"), Condition("album", "animals")]),
        ("title:halo genre:soul", [], [Condition("title", "halo"), Condition("genre", "soul")]),
        ("-artist:queen", [], [Condition("artist", "queen", negated=True)]),
        ("year:1984", [], [Condition("year", "1984")]),
        ("rock year:1980..1989", ["rock"], [Condition("year", "1980..1989")]),
        ("kind:songs halo", ["halo"], [Condition("kind", "track")]),
        ("artist:!!!", [], [Condition("artist", "!!!")]),
        ("genre:pop genre:pop", [], [Condition("genre", "pop")]),
        ("lyrics:love -live", ["lyrics:love"], [Condition(EXACT, "live", negated=True)]),
    ],
)  # fmt: skip
def test_what_is_typed_as_a_condition_is_one(text, words, conditions):
    found = read(text)
    assert (found.words.split(), list(found.conditions)) == (words, conditions)


def test_a_text_of_very_many_conditions_is_plain():
    few, many = (" ".join(f"halo -word{chr(97 + at)}" for at in range(n)) for n in (MOST, MOST + 1))
    assert len(read(few).conditions) == MOST
    assert read(many) == Syntax(many)


def test_it_says_which_kinds_are_asked_for_and_whether_words_are_meant_as_they_stand():
    assert read("kind:album kind:artist -kind:track").kinds == ("artist", "album")
    assert read('one "so what"').exact
    assert not read('one -"so what"').exact


WORD = st.text(st.characters(exclude_categories=["Cs"], exclude_characters='"“”„:'), min_size=1)


@given(st.lists(WORD.filter(lambda word: not any(part.startswith("-") for part in word.split())), max_size=6))
def test_words_without_quotes_colons_and_leading_dashes_are_never_changed(words):
    text = " ".join(words)
    assert read(text) == Syntax(text)


PIECES = st.sampled_from([*'"-:“” ', "artist", "year", "kind", "genre", "1980", "..", "halo", "live", "e", "é", "愛"])


@given(st.one_of(st.text(), st.lists(PIECES, max_size=20).map("".join)))
@example("-" * 50)
def test_no_text_is_too_strange_to_read(text):
    found = read(text)
    assert found.conditions or found.words == text
    assert all(condition.value.strip() for condition in found.conditions)


@pytest.mark.parametrize("text", [*HOSTILE.values(), '"a ' * 3_000, "-a " * 3_000, "a:" * 5_000, "-" * 10_000])
def test_reading_takes_no_time(text):
    assert effort(lambda: read(text)) < BOUND
