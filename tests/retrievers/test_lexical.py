"""What word search has to get right in music."""

from __future__ import annotations

import pytest

from bandstand.types import Entity
from tests.support.retriever_factories import lexical


@pytest.fixture(scope="module")
def retriever(shared_world):
    with lexical(shared_world) as built:
        yield built


@pytest.fixture(scope="module")
def search(retriever, shared_world):
    def found(text, **fields):
        answer = retriever.retrieve(shared_world.ask(text, **fields), 10)
        return [str(id_) for id_ in shared_world.catalog.columns.ids[answer.ordinals]]

    return found


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("beyonce halo", "t:halo"),
        ("Halo Beyoncé", "t:halo"),
        ("halo live", "t:halo-live"),
        ("christmas bublé", "t:all-i-want"),
        ("want christmas bublé", "t:all-i-want"),
        ("The The", "a:the-the"),
        ("it", "t:it"),
        ("1999 prince", "t:1999"),
        ("!!!", "a:chk"),
        ("chk chk chk", "a:chk"),
        ("acdc", "a:acdc"),
        ("AC/DC", "a:acdc"),
        ("ac dc thunderstruck", "t:thunderstruck"),
        ("pink so what", "t:so-what"),
        ("p!nk so what", "t:so-what"),
        ("aint no sunshine", "t:aint-no-sunshine"),
        ("sigur ros", "a:sigur-ros"),
        ("hoppipolla", "t:hoppipolla"),
        ("宇多田ヒカル", "a:hikaru"),
        ("utada hikaru", "a:hikaru"),
        ("кино", "a:kino"),
        ("kino", "a:kino"),
        ("gruppa krovi", "t:gruppa-krovi"),
        ("blood type", "t:gruppa-krovi"),
        ("فيروز", "a:fairuz"),
        ("fairuz", "a:fairuz"),
        ("one metallica", "t:one-metallica"),
        ("rainy sunday playlist", "p:rainy"),
        ("violator album", "l:violator"),
        ("crazy in love jay z", "t:crazy"),
    ],
)
def test_the_named_entity_comes_first(search, text, first):
    assert search(text)[0] == first


def test_an_artists_name_finds_its_songs(search):
    assert {"a:beyonce", "t:halo", "t:halo-live", "t:crazy"} <= set(search("beyonce"))


def test_same_title_more_popular_first(search):
    assert search("halo")[:2] == ["t:halo", "t:halo-depeche"]
    assert search("hallelujah")[:2] == ["t:hallelujah-buckley", "t:hallelujah"]


def test_a_kind_narrows(search):
    assert search("violator", kinds=("album",)) == ["l:violator"]


def test_unknown_words_cost_nothing(retriever, shared_world):
    plain = retriever.retrieve(shared_world.ask("christmas bublé"), 10)
    noisy = retriever.retrieve(shared_world.ask("christmas xqxqx bublé qqqqq"), 10)
    assert plain.ordinals.tolist() == noisy.ordinals.tolist()
    assert plain.scores.tolist() == noisy.scores.tolist()


def test_the_rarest_words_of_a_long_query_decide(world):
    world.store.upsert(Entity(id=f"f:{n}", kind="track", title=f"filler{n} la la") for n in range(60))
    world.catalog.refresh()
    with lexical(world) as retriever:
        text = " ".join(["la", *(f"filler{n % 30}" for n in range(60)), "thunderstruck"])
        found = retriever.retrieve(world.ask(text), 200)
    ids = [str(id_) for id_ in world.catalog.columns.ids[found.ordinals]]
    assert "t:thunderstruck" in ids


@pytest.mark.parametrize("text", ["\x00", "\ud800", "a\x00b", "\U0010ffff", "halo\ud800"])
def test_characters_that_are_none_are_no_error(retriever, shared_world, text):
    retriever.retrieve(shared_world.ask(text), 10)
