"""How queries are read, on a cluster: conditions hold however much else has the words, commands name what they name."""

from __future__ import annotations

import pytest

from bandstand.types import DEPTHS
from tests.support.small_home import ENTITIES, SmallHome, ids, track

CROWD = tuple(track(f"crowd-{n}", f"One {n}", "Crowd", popularity=1.0) for n in range(2 * DEPTHS[-1]))


@pytest.fixture(scope="module")
def small(new_cluster, tmp_path_factory):
    settings = new_cluster().settings
    opened = SmallHome(
        tmp_path_factory.mktemp("home"), entities=(*ENTITIES, *CROWD), selfplay_queries=10, backend="opensearch",
        opensearch_url=",".join(settings.urls), opensearch_prefix=settings.prefix,
    )  # fmt: skip
    yield opened
    opened.close()


@pytest.mark.parametrize("policy", ["all", "lexical", "dense"])
def test_one_among_many_of_the_words(small, policy):
    assert ids(small.search("artist:metallica one", policy=policy)) == ["one-metallica"]


@pytest.mark.parametrize("typed", ["play some metallica", "play some metalica songs", "play some metallca on spotify"])
def test_the_words_of_a_command_that_name_something_are_looked_for(small, typed):
    assert ids(small.search(typed, policy="lexical"))[:1] == ["one-metallica"]


def test_what_is_to_be_left_out_is(small):
    found = ids(small.search("one -crowd", policy="all"))
    assert {"one-u2", "one-metallica"} <= set(found)
    assert not any(entity.startswith("crowd") for entity in found)


def test_years_kinds_and_exact_words(small):
    assert ids(small.search("one year:1988 kind:track", policy="all")) == ["one-metallica"]
    assert ids(small.search('"one 399"', policy="all")) == ["crowd-399"]
    assert ids(small.search("artist:nobody one", policy="all")) == []


def test_nothing_but_conditions(small):
    assert set(ids(small.search('artist:"miles davis"'))) == {"so-what", "blue-in-green"}
