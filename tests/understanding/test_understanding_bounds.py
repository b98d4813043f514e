"""Bad input: answered literally and in bounded time."""

from __future__ import annotations

import time

import pytest

from bandstand.catalog.text import normalize
from tests.support.effort import effort
from tests.support.hostile_queries import BOUND, HOSTILE, SYNTAX
from tests.support.small_catalog import open_small, track


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    """Thousands of names that overlap in every word."""
    titles = (" ".join(["love"] * n + ["me"] * m) for n in range(1, 9) for m in range(5))
    entities = [
        track(f"t{i}-{j}", title, f"Love {j}", popularity=0.5) for i, title in enumerate(titles) for j in range(80)
    ]
    with open_small(tmp_path_factory.mktemp("crowded"), entities) as opened:
        yield opened


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_queries_are_read_in_bounded_time(crowded, text):
    def everything():
        normalized = normalize(text)
        crowded.understanding.use(crowded.understanding.synonyms)  # nothing remembered
        assert crowded.understanding.interpret(normalized).normalized == normalized
        crowded.speller.correct(normalized)
        crowded.found(crowded.structured, text)

    assert effort(everything, clock=time.thread_time) < BOUND


def test_thousands_of_overlapping_matches(crowded):
    query = "love love me love love me me love love me love love me me love love me love"

    def everything():
        crowded.understanding.use(crowded.understanding.synonyms)
        crowded.found(crowded.structured, query)

    assert effort(everything, clock=time.thread_time) < BOUND
    assert crowded.found(crowded.structured, query)


@pytest.mark.parametrize("character", SYNTAX.split())
def test_syntax_is_read_literally(small, character):
    for text in (character, f"hello {character} adele", f"{character}hello adele{character}", f"hello{character}adele"):
        small.read(text)
        small.correct(text)
    if character not in {"!", "&&"}:  # letters inside words: P!nk; "and" between them
        assert small.found(small.structured, f"{character}hello adele")[0] == "hello"


def test_invisible_characters_change_nothing(small):
    assert small.read("he\u200bllo \u202eadele\u202c") == small.read("hello adele")
