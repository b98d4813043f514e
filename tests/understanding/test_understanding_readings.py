"""Readings: known answers, the laws of a distribution, and the dynamic programme against plain enumeration."""

from __future__ import annotations

from itertools import product
from math import exp, isclose, log

import numpy as np
import pytest

from bandstand.understanding.records import TEXT, Sense
from bandstand.understanding.understanding import best_readings

QUERIES = (
    "hello adele", "taylor swift love songs 2008", "tayler love", "songs like creep", "happy korean girl groups",
    "rock 90s", "1999", "queen", "xqzz", "the", "宇多田", "new k-pop", "a a a a a a a a",
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hello adele", {"track": "hello", "artist": "adele"}),
        ("adele hello", {"track": "hello", "artist": "adele"}),
        ("rock 90s", {"genre": "rock", "year": "1990-1999"}),
        ("rock nineties", {"genre": "rock", "year": "1990-1999"}),
        ("pop 2015", {"genre": "pop", "year": "2015"}),
        ("creep live", {"track": "creep live"}),
        ("black live", {"track": "black", "version": "live"}),
        ("songs like creep", {"intent": "like", "track": "creep"}),
        ("new kpop", {"intent": "new", "genre": "k pop"}),
        ("best of queen", {"intent": "best", "artist": "queen"}),
        ("sad songs", {"mood": "melancholic", "kind": "track"}),
        ("korean pop happy", {"genre": "k pop", "mood": "happy"}),
        ("宇多田", {"artist": "宇多田ヒカル"}),
        ("utada hikaru first love", {"artist": "宇多田ヒカル", "track": "first love"}),
        ("kino", {"artist": "кино"}),
        ("aint no mountain", {"track": "aint no mountain high enough"}),
        ("ed sheerun", {"artist": "ed sheeran"}),
        ("taylorswift", {"artist": "taylor swift"}),
        ("song exploder", {"podcast": "song exploder"}),
        ("radio paradise", {"station": "radio paradise"}),
        ("rainy day jazz", {"playlist": "rainy day jazz"}),
        ("all i want for christmas is you", {"track": "all i want for christmas is you"}),
    ],
)
def test_the_likeliest_reading(small, text, expected):
    assert small.best(text) == expected


@pytest.mark.parametrize("text", QUERIES)
def test_readings_are_a_distribution_over_ways_to_cover_every_word(small, text):
    interpretation = small.read(text)
    probabilities = [reading.probability for reading in interpretation.readings]
    assert isclose(sum(probabilities), 1.0)
    assert probabilities == sorted(probabilities, reverse=True)
    for reading in interpretation.readings:
        covered = [place for sense in reading.senses for place in range(sense.start, sense.end)]
        assert covered == list(range(len(interpretation.words)))
        for sense in reading.senses:
            assert 0 < sense.prior <= 1
            assert 0 < sense.likelihood <= 1
            assert 0 < sense.share <= 1
            assert isclose(sense.posterior, sense.prior * sense.likelihood)  # nothing was clicked yet


@pytest.mark.parametrize("text", QUERIES)
def test_slots_are_marginals(small, text):
    interpretation = small.read(text)
    for slot in interpretation.slots(0.0):
        holding = [
            reading.probability
            for reading in interpretation.readings
            if any((sense.slot, sense.value) == (slot.name, slot.value) for sense in reading.senses)
        ]
        assert isclose(slot.confidence, min(sum(holding), 1.0))
    spans = {" ".join(interpretation.words[i:j]) for i in range(20) for j in range(i + 1, 20)}
    assert {slot.phrase for slot in interpretation.slots(0.0)} <= spans


def test_overlapping_readings_are_kept(small):
    """ "1999" is a year and a song."""
    assert {"year", "track"} <= {slot.name for slot in small.read("1999").slots(0.0)}


def test_a_blank_query_has_no_readings(small):
    assert small.read("").readings == ()
    assert small.read("").slots() == ()


def test_a_title_goes_to_the_artist_who_sings_it(small):
    """Both are called Hello; the prior alone would take the more popular one."""
    (title,) = [sense for sense in small.senses("hello lionel richie") if sense.slot == "track"]
    assert small.ordinal("hello-richie") in title.targets
    assert small.found(small.structured, "hello lionel richie")[0] == "hello-richie"
    assert small.found(small.structured, "hello adele")[0] == "hello"


def sense(start, end, value, posterior):
    return Sense(start=start, end=end, slot=TEXT, value=value, prior=posterior, likelihood=1.0, posterior=posterior)


def every_cover(n, senses, start=0):
    """All ways to cover words start..n, by plain recursion."""
    if start == n:
        yield []
    for (first, end), found in senses.items():
        if first == start:
            for one, rest in product(found, list(every_cover(n, senses, end))):
                yield [one, *rest]


@pytest.mark.parametrize("seed", range(20))
def test_the_beam_finds_the_best_readings(seed):
    rng = np.random.default_rng(seed)
    words = ["w"] * int(rng.integers(1, 6))
    senses = {
        (start, end): [sense(start, end, f"{start}-{end}-{i}", float(rng.uniform(1e-6, 1))) for i in range(2)]
        for start in range(len(words))
        for end in range(start + 1, len(words) + 1)
        if end == start + 1 or rng.random() < 0.6
    }
    covers = sorted((sum(log(s.posterior) for s in cover) for cover in every_cover(len(words), senses)), reverse=True)
    found = [sum(log(s.posterior) for s in reading) for reading in best_readings(words, senses, most=5)]
    assert found == pytest.approx(covers[:5])
    assert exp(found[0]) <= 1
