"""The lexicon follows the catalogue: what was added, changed and deleted, as if it had been built anew."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandstand.understanding import lexicon as postings
from bandstand.understanding.lexicon import Layers, Lexicon, Postings
from tests.support.small_catalog import artist, track

PHRASES = (
    "hello", "taylor swift", "taylor", "swift", "ed sheeran", "creep", "aint no mountain", "宇多田", "utada hikaru",
    "new name", "group of blood", "the",
)  # fmt: skip


def known(lexicon, phrases=PHRASES):
    """What phrases name, with artists by name, because numbers are given in order of arrival."""
    names = lexicon.artists.names
    return [
        sorted({(m.slot, names[m.target] if m.slot == 1 else m.target, round(m.share, 5)) for m in found})
        for found in lexicon.meanings(phrases)
    ]


def test_following_changes_is_like_building_anew(own):
    lexicon = own.understanding.lexicon
    own.store.upsert([track("new", "New Name", "Taylor Swift", 2020), track("hello", "Hallo", "Adele")])
    own.store.delete(["creep", "shape", "perfect", "sheeran"])
    assert lexicon.refresh() == 6
    assert known(lexicon) == known(Lexicon(own.store))
    assert lexicon.refresh() == 0


def test_an_artist_goes_with_the_last_work_and_comes_back(own):
    lexicon = own.understanding.lexicon
    own.store.delete(["shape", "perfect", "sheeran"])
    lexicon.refresh()
    assert lexicon.meanings(["ed sheeran"]) == [[]]
    own.store.upsert([artist("sheeran", "Ed Sheeran")])
    lexicon.refresh()
    assert {meaning.slot for meaning in lexicon.meanings(["ed sheeran"])[0]} == {1}


def test_words_follow_too(own):
    lexicon = own.understanding.lexicon
    ((before, _),), gone = lexicon.holding(["hello"]), own.ordinal("hello")
    own.store.upsert([track("third", "Hello Again", "Neil Diamond")])
    own.store.delete(["hello"])
    lexicon.refresh()
    ((after, _),) = lexicon.holding(["hello"])
    assert set(after.tolist()) == set(before.tolist()) - {gone} | {own.ordinal("third")}


def test_new_words_can_be_corrected_to(own):
    own.store.upsert([track("third", "Zanzibar", "Zanzibar Group", popularity=0.9)])
    own.understanding.refresh()
    assert own.correct("zanzibra").text == "zanzibar"


def test_a_new_title_is_read_at_once(own):
    assert "track" not in own.best("zanzibar nights")
    own.store.upsert([track("third", "Zanzibar Nights", "Somebody")])
    own.catalog.refresh()
    own.understanding.refresh()
    assert own.best("zanzibar nights") == {"track": "zanzibar nights"}


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.dictionaries(st.integers(0, 6), st.lists(st.integers(0, 4), max_size=4, unique=True), max_size=4),
        max_size=6,
    )
)
def test_layers_hold_what_a_dict_would(batches):
    """Whether or not small layers are merged on the way."""
    rank = lambda rows: rows.shares  # noqa: E731
    kept: dict[int, list[int]] = {}
    layers = Layers.empty()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postings, "_MERGE_LEAST", 3)
        for batch in batches:
            kept |= batch
            rows = [(key, owner, owner, 0, 1.0) for owner, keys in batch.items() for key in keys]
            layers = layers.changed(list(batch), rows, rank)
    found = layers.find(np.arange(5))
    for key, rows in enumerate(found):
        owners = [] if rows is None else sorted(rows.owners.tolist())
        assert owners == sorted(owner for owner, keys in kept.items() if key in keys)


def test_postings_without_rows():
    assert len(Postings.of(())) == 0
    assert Layers.empty().find(np.array([1, 2])) == [None, None]
