"""The deletion index against comparing with every word."""

from __future__ import annotations

import numpy as np
import pytest
from rapidfuzz.distance import OSA

from bandstand.understanding.vocabulary import DeletionIndex, edits_allowed


@pytest.mark.parametrize(
    ("word", "allowed"),
    [("", 0), ("abc", 0), ("abcd", 1), ("abcdefg", 1), ("abcdefgh", 2), ("2024", 0), ("abba2", 0), ("a" * 41, 0)],
)
def test_how_much_is_forgiven(word, allowed):
    assert edits_allowed(word) == allowed


@pytest.mark.parametrize("seed", range(5))
def test_it_finds_what_comparing_with_every_word_finds(seed):
    rng = np.random.default_rng(seed)
    letters = list("abcd")
    words = sorted({"".join(rng.choice(letters, rng.integers(3, 12))) for _ in range(400)})
    index = DeletionIndex(words)
    for _ in range(60):
        asked = "".join(rng.choice(letters, rng.integers(3, 12)))
        near = {(n, OSA.distance(asked, word)) for n, word in enumerate(words)}
        allowed = edits_allowed(asked)
        expected = {(n, edits) for n, edits in near if allowed and edits <= allowed}
        assert set(index.near(asked)) == expected


def test_nothing_is_near_in_an_empty_index():
    assert DeletionIndex(()).near("anything") == []


def test_words_of_other_scripts():
    index = DeletionIndex(["группа", "宇多田ヒカル"])
    assert index.near("груупа") == [(0, 1)]
    assert index.near("宇多ヒカル") == [(1, 1)]
