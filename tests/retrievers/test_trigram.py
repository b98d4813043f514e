"""Misspelt names are found, and what is spelt right comes before what is not."""

from __future__ import annotations

import numpy as np
import pytest

from bandstand.retrievers.trigram import PREFIX_WEIGHT, similarities
from tests.support.retriever_factories import trigram


@pytest.fixture(scope="module")
def retriever(shared_world):
    with trigram(shared_world) as built:
        yield built


@pytest.fixture(scope="module")
def search(retriever, shared_world):
    def found(text):
        answer = retriever.retrieve(shared_world.ask(text), 10)
        return [str(id_) for id_ in shared_world.catalog.columns.ids[answer.ordinals]]

    return found


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("thunderstuck", "t:thunderstruck"),
        ("beyonse", "a:beyonce"),
        ("sigur rose", "a:sigur-ros"),
        ("halelujah bukley", "t:hallelujah-buckley"),
        ("hoppípola", "t:hoppipolla"),
        ("utada hikru", "a:hikaru"),
        ("fayrooz", "a:fairuz"),
        ("gruppa krowi", "t:gruppa-krovi"),
        ("blod type", "t:gruppa-krovi"),
        ("adele helo", "t:hello"),
        ("1998", "t:1999"),
        ("!!!", "a:chk"),
        ("it", "t:it"),
        ("aint no sunshin", "t:aint-no-sunshine"),
    ],
)
def test_the_meant_entity_comes_first(search, text, first):
    assert search(text)[0] == first


def test_exact_beats_typo(search):
    assert search("halo").index("t:halo-depeche") < search("halo").index("t:hallo")
    assert search("hallo")[0] == "t:hallo"
    assert search("hello")[0] in {"t:hello", "t:hello-richie"}


def test_unknown_words_do_not_hide_known_ones(search):
    assert search("thunderstruck xqxqxxqx")[0] == "t:thunderstruck"


@pytest.mark.parametrize("text", ["u", "u2", "25", "it", "i"])
def test_one_and_two_characters_are_answered(search, text):
    assert search(text)


def test_similarity_says_how_alike(retriever, shared_world):
    exact = retriever.retrieve(shared_world.ask("halo"), 200)
    title = dict(
        zip(shared_world.catalog.columns.ids[exact.ordinals], exact.columns["similarity"].tolist(), strict=True)
    )
    assert title["t:halo"] == 1.0
    assert title["t:hallo"] == pytest.approx(1 - 1 / 9)  # one insertion among 4 + 5 characters
    assert title["t:halo-live"] == pytest.approx(PREFIX_WEIGHT)


def test_similarities_by_hand():
    titles, names = (
        ["halo", "halo live", "hallo", "xyz"],
        ["beyonce halo", "beyonce halo live", "forster hallo", "abc xyz"],
    )
    expected = [1.0, PREFIX_WEIGHT, 1 - 1 / 9, 0.0]
    np.testing.assert_allclose(similarities("halo", titles, names)[:3], expected[:3], rtol=1e-6)
    assert similarities("halo beyonce", titles, names)[0] == 1.0
    assert similarities("halo", [], []).tolist() == []


def test_scripts_meet_in_latin_letters(search):
    assert similarities("кино", ["kino"], ["kino"]).tolist() == [1.0]
