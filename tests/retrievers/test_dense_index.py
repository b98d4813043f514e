"""The dense index against a plain numpy search: masks, ties, changes, and both kinds of index."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandstand.errors import RetrievalError
from bandstand.retrievers.vector_index import DenseIndex, DenseSettings
from bandstand.retrievers.vector_store import VectorBatch

DIM = 8
EXACT = DenseSettings(tail_limit=4)
APPROXIMATE = DenseSettings(exact_up_to=40, tail_limit=4, probes=10_000)
"""All lists are read, so that it differs from the exact index only by its 8-bit rows."""


@dataclass
class Source:
    """A source in memory: a log of (ordinal, vector or None)."""

    log: list[tuple[int, np.ndarray | None]] = field(default_factory=list)
    fingerprint: str = "test"

    def since(self, seq: int) -> VectorBatch:
        newest = dict(self.log[seq:])
        kept = {ordinal: vector for ordinal, vector in newest.items() if vector is not None}
        return VectorBatch(
            seq=len(self.log),
            fingerprint=self.fingerprint,
            ordinals=np.array(list(kept), np.int32),
            vectors=np.array(list(kept.values()), np.float16).reshape(len(kept), DIM),
            deleted=np.array([ordinal for ordinal, vector in newest.items() if vector is None], np.int32),
        )

    def put(self, *ordinals: int, rng: np.random.Generator) -> None:
        self.log += [(ordinal, unit(rng)) for ordinal in ordinals]


def unit(rng: np.random.Generator) -> np.ndarray:
    vector = rng.normal(size=DIM)
    return (vector / np.linalg.norm(vector)).astype(np.float16)


def nearest(source: Source, vector, depth, mask):
    """The oracle: ordinals by score, ties by ordinal."""
    rows = [
        (-float(v.astype(np.float32) @ vector), o) for o, v in dict(source.log).items() if v is not None and mask[o]
    ]
    return [ordinal for _, ordinal in sorted((round(score, 5), ordinal) for score, ordinal in rows)[:depth]]


def best(index, vector, depth, mask, *, selective=False):
    ordinals, scores = index.view.search(vector, depth, mask, selective=selective)
    assert len(set(ordinals.tolist())) == len(ordinals)
    return ordinals[np.lexsort((ordinals, -np.round(scores, 5)))][:depth].tolist()


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def source(rng):
    filled = Source()
    filled.put(*range(300), rng=rng)
    return filled


@pytest.mark.parametrize("selective", [False, True])
@pytest.mark.parametrize("share", [1.0, 0.5, 0.05, 0.0])
@pytest.mark.parametrize("depth", [1, 10, 200, 1000])
def test_the_exact_index_finds_what_numpy_finds(source, rng, selective, share, depth):
    index, mask = DenseIndex(source, settings=EXACT), rng.random(300) < share
    for _ in range(5):
        vector = unit(rng).astype(np.float32)
        assert best(index, vector, depth, mask, selective=selective) == nearest(source, vector, depth, mask)


@pytest.mark.parametrize("share", [1.0, 0.5, 0.05])
def test_the_approximate_index_finds_nearly_that(source, rng, share):
    index, mask, found = DenseIndex(source, settings=APPROXIMATE), rng.random(300) < share, []
    for _ in range(20):
        vector = unit(rng).astype(np.float32)
        expected = nearest(source, vector, 10, mask)
        found.append(len({*best(index, vector, 10, mask, selective=True)} & {*expected}) / len(expected))
    assert np.mean(found) > 0.95


def test_the_approximate_index_depends_on_its_seed_alone(source, rng):
    few = DenseSettings(exact_up_to=40, probes=4, seed=3)
    vector, mask = unit(rng).astype(np.float32), np.ones(300, np.bool_)
    first, second = (DenseIndex(source, settings=few).view.search(vector, 50, mask) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


@pytest.mark.parametrize("share", [1.0, 0.6, 0.1])
def test_a_smaller_depth_is_a_prefix_also_when_approximate(source, rng, share):
    index = DenseIndex(source, settings=DenseSettings(exact_up_to=40, probes=3))
    mask = rng.random(300) < share
    for _ in range(10):
        vector = unit(rng).astype(np.float32)
        whole = best(index, vector, 200, mask, selective=True)
        assert all(best(index, vector, depth, mask, selective=True) == whole[:depth] for depth in (1, 5, 20, 50))


def test_ties_at_the_cut_go_to_the_lowest_ordinals(rng):
    """A hundred equal vectors: whichever FAISS fetched first, the first by ordinal stay."""
    vector, source = unit(rng), Source()
    source.log = [(ordinal, vector) for ordinal in reversed(range(100))]
    index = DenseIndex(source, settings=EXACT)
    for selective in (False, True):
        found = best(index, vector.astype(np.float32), 3, np.ones(100, np.bool_), selective=selective)
        assert found == [0, 1, 2]


operations = st.lists(
    st.tuples(st.sampled_from(["put", "delete", "refresh"]), st.lists(st.integers(0, 60), min_size=1, max_size=12)),
    max_size=25,
)


@settings(max_examples=40, deadline=None)
@given(operations, st.sampled_from([EXACT, APPROXIMATE]))
def test_whatever_changed_a_refreshed_index_is_as_one_built_anew(steps, configuration):
    """Changes wait in the tail, are folded in, outgrow the exact index; what is found stays right."""
    rng, source = np.random.default_rng(0), Source()
    index = DenseIndex(source, settings=configuration)
    for name, ordinals in steps:
        if name == "put":
            source.put(*ordinals, rng=rng)
        elif name == "delete":
            source.log += [(ordinal, None) for ordinal in ordinals]
        else:
            index.refresh()
    index.refresh()
    present = {ordinal for ordinal, vector in dict(source.log).items() if vector is not None}
    assert len(index.view) == len(present)
    ordinals, scores = index.view.search(unit(rng).astype(np.float32), 100, np.ones(61, np.bool_))
    assert sorted(ordinals.tolist()) == sorted(present)
    assert np.isfinite(scores).all()
    if configuration is EXACT:
        vector = unit(rng).astype(np.float32)
        assert best(index, vector, 5, np.ones(61, np.bool_)) == nearest(source, vector, 5, np.ones(61, np.bool_))


def test_an_index_that_outgrows_its_kind_is_made_anew(rng):
    """Exact up to 40, then lists made for 45, extended by folding, made anew when there are twice as many."""
    source, trained = Source(), []
    index = DenseIndex(source, settings=APPROXIMATE)
    for upper in (40, 45, 50, 95):
        source.put(*range(len(source.log), upper), rng=rng)
        index.refresh()
        trained.append(index.view.main.trained)
        vector, mask = unit(rng).astype(np.float32), np.ones(upper, np.bool_)
        assert len({*best(index, vector, 10, mask)} & {*nearest(source, vector, 10, mask)}) >= 9
    assert trained == [0, 45, 45, 95]


def test_refresh_says_how_much_changed(source, rng):
    index = DenseIndex(source, settings=EXACT)
    assert index.refresh() == 0
    source.put(300, 301, rng=rng)
    source.log.append((0, None))
    assert index.refresh() == 3
    assert (len(index.view), index.view.seq) == (301, 303)


def test_vectors_of_a_new_encoder_replace_all(source, rng):
    index = DenseIndex(source, settings=EXACT)
    source.log, source.fingerprint = [], "other"
    source.put(5, rng=rng)
    index.refresh()
    assert (len(index.view), index.view.fingerprint, index.view.seq) == (1, "other", 1)


def test_ordinals_outside_the_mask_are_not_permitted(source, rng):
    """The catalogue's snapshot may be older than the index."""
    index, vector = DenseIndex(source, settings=EXACT), unit(rng).astype(np.float32)
    assert max(best(index, vector, 300, np.ones(10, np.bool_))) < 10


def test_a_vector_of_another_length_is_refused(source):
    with pytest.raises(RetrievalError, match="8 numbers"):
        DenseIndex(source).view.search(np.ones(3, np.float32), 5, np.ones(300, np.bool_))


@pytest.mark.parametrize("depth", [0, 5])
def test_an_empty_index_finds_nothing(depth):
    ordinals, scores = DenseIndex(Source()).view.search(np.ones(DIM, np.float32), depth, np.ones(3, np.bool_))
    assert (len(ordinals), len(scores)) == (0, 0)
