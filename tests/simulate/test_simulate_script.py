"""What is going to be typed is known beforehand, and its vectors are those that a search would have made."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from bandstand.catalog.text import normalize
from bandstand.errors import StorageError
from bandstand.replay.query_vectors import PreparedEncoder, QueryVectors
from bandstand.replay.simulate.closed_loop import simulate
from bandstand.replay.simulate.listener import Script
from bandstand.replay.simulate.world import World
from bandstand.retrievers.encoder import HashingEncoder
from tests.support.tiny_world import TINY, UNTAUGHT, tiny_settings

SEED = 3


class Counting(HashingEncoder):
    """Remembers what it was asked to encode."""

    def __init__(self, dim=16):
        super().__init__(dim)
        self.asked = []

    def encode_query(self, text):
        self.asked.append(text)
        return super().encode_query(text)


def test_a_script_is_the_same_every_time_and_four_in_ten_try_again(music):
    world = World(music, TINY, seed=SEED)
    scripts = [Script.of(world, number, seed=SEED) for number in range(TINY.searches)]
    assert [script.texts for script in scripts] == [Script.of(world, n, seed=SEED).texts for n in range(TINY.searches)]
    again = np.mean([script.again is not None for script in scripts])
    assert again == pytest.approx(TINY.listeners.persistent, abs=0.1)


@pytest.mark.slow
def test_all_that_may_be_typed_is_encoded_beforehand(played, music):
    simulated, folder = played
    stored = QueryVectors.load(folder / "base" / "queries.npz")
    world = World(music, TINY, seed=simulated.settings.seed)
    texts = {normalize(t) for n in range(200) for t in Script.of(world, n, seed=simulated.settings.seed).texts}
    assert len(stored) == len(texts)
    assert all(stored.get(text) is not None for text in texts)


def test_a_prepared_encoder_encodes_only_what_it_does_not_have(tmp_path):
    inner = Counting()
    QueryVectors.of(["halo", "halo", "", "bad romance"], inner).save(tmp_path / "queries.npz")
    assert sorted(inner.asked) == ["bad romance", "halo"]
    inner.asked.clear()
    encoder = PreparedEncoder(inner, QueryVectors.load(tmp_path / "queries.npz"))
    assert (encoder.dim, encoder.fingerprint) == (inner.dim, inner.fingerprint)
    assert np.array_equal(encoder.encode_query("halo"), HashingEncoder(16).encode_query("halo"))
    assert inner.asked == []
    assert np.array_equal(encoder.encode_query("poker face"), HashingEncoder(16).encode_query("poker face"))
    assert inner.asked == ["poker face"]
    assert not encoder.encode_query("halo").flags.writeable


def test_vectors_of_another_encoder_are_not_used():
    inner = Counting(dim=8)
    encoder = PreparedEncoder(inner, QueryVectors.of(["halo"], HashingEncoder(16)))
    assert encoder.encode_query("halo").shape == (8,)


def test_no_queries_make_no_vectors(tmp_path):
    QueryVectors.of([], HashingEncoder(16)).save(tmp_path / "none.npz")
    assert len(QueryVectors.load(tmp_path / "none.npz")) == 0


def test_damaged_vectors_are_refused(tmp_path):
    (tmp_path / "queries.npz").write_bytes(b"PK")
    with pytest.raises(StorageError, match="play again"):
        QueryVectors.load(tmp_path / "queries.npz")


@pytest.mark.slow
def test_side_by_side_is_the_same_as_one_after_another(music, tmp_path):
    progress = []
    settings = tiny_settings(policies=("bandit", "lexical"), platform=UNTAUGHT, limit=40)
    alone = simulate(music, TINY, settings, tmp_path / "alone")
    shutil.copytree(tmp_path / "alone" / "base", tmp_path / "both" / "base")
    both = simulate(music, TINY, settings, tmp_path / "both", jobs=2, progress=lambda *step: progress.append(step))
    assert list(both.tables) == ["bandit", "lexical"]
    for name, table in alone.tables.items():
        assert np.array_equal(table.first, both.tables[name].first)
        assert np.array_equal(table.depths, both.tables[name].depths)
    assert {("bandit", 40, 40), ("lexical", 40, 40)} <= set(progress)
