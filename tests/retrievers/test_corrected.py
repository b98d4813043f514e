"""Corrected words instead of typed ones, and beside them: the laws of every retriever hold for both."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bandstand.retrievers.corrected import CorrectedRetriever
from bandstand.retrievers.lexical import LexicalRetriever
from bandstand.retrievers.trigram import TrigramRetriever
from bandstand.types import Correction
from tests.support.retriever_factories import open_text_index


@pytest.fixture
def index(world):
    with open_text_index(world) as opened:
        yield opened


@pytest.fixture
def ask(world):
    """A misspelt query and what may have been meant by it."""

    def make(typed, text, mode="showing"):
        correction = Correction(typed=typed, text=text, mode=mode, edits=1, confidence=0.9)
        return world.ask(typed, correction=correction)

    return make


def ids(world, found):
    return world.catalog.columns.ids[found.ordinals].tolist()


def test_instead_of_the_typed_words(world, index, ask):
    lexical = CorrectedRetriever(LexicalRetriever(index, world.catalog), typed=False)
    assert lexical.name == "lexical"
    assert ids(world, lexical.retrieve(ask("thunderstrukc", "thunderstruck"), 10)) == ["t:thunderstruck"]
    assert ids(world, lexical.retrieve(ask("hello", "hallo"), 10)) == ["t:hallo"]


@pytest.mark.parametrize("typed", [False, True])
def test_a_mere_suggestion_changes_nothing(world, index, ask, typed):
    inner = TrigramRetriever(index, world.catalog)
    query = ask("hello", "hallo", mode="suggest")
    found = CorrectedRetriever(inner, typed=typed).retrieve(query, 20)
    assert found.ordinals.tolist() == inner.retrieve(query, 20).ordinals.tolist()


def test_beside_the_typed_words_the_better_score_counts(world, index, ask):
    inner, query = TrigramRetriever(index, world.catalog), ask("hello", "hallo")
    both = CorrectedRetriever(inner, typed=True).retrieve(query, 200)
    answers = inner.retrieve(query, 200), inner.retrieve(replace(query, normalized="hallo"), 200)
    scores = [dict(zip(a.ordinals.tolist(), a.scores.tolist(), strict=True)) for a in answers]
    assert set(both.ordinals.tolist()) == scores[0].keys() | scores[1].keys()
    for ordinal, score in zip(both.ordinals.tolist(), both.scores.tolist(), strict=True):
        assert score == pytest.approx(max(each.get(ordinal, 0.0) for each in scores))


@pytest.mark.parametrize("typed", [False, True])
def test_a_smaller_depth_is_a_prefix(world, index, ask, typed):
    retriever = CorrectedRetriever(TrigramRetriever(index, world.catalog), typed=typed)
    query = ask("hello", "hallo")
    whole = retriever.retrieve(query, 200)
    assert len(set(whole.ordinals.tolist())) == len(whole)
    for depth in (0, 1, 3, 10):
        some = retriever.retrieve(query, depth)
        assert np.array_equal(some.ordinals, whole.ordinals[:depth])
        assert np.array_equal(some.scores, whole.scores[:depth])


def test_words_that_only_ask_are_not_looked_for(world, index):
    lexical = CorrectedRetriever(LexicalRetriever(index, world.catalog), typed=False)
    asked = world.ask("play hallo", sought="hallo")
    assert ids(world, lexical.retrieve(asked, 10)) == ids(world, lexical.retrieve(world.ask("hallo"), 10))
    assert not len(lexical.retrieve(world.ask("songs from 1984", sought=""), 10))
