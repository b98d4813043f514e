"""The vector store: one transaction a batch, nothing encoded twice, nothing lost to a kill."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bandstand.catalog.sqlite_store import SqliteStore
from bandstand.errors import Conflict, StorageError
from bandstand.retrievers.encoder import HashingEncoder
from bandstand.retrievers.sentence import entity_sentence
from bandstand.retrievers.vector_store import BATCH, VectorStore
from bandstand.types import Entity

EVERYTHING = 1_000_000


class CountingEncoder(HashingEncoder):
    """Remembers what it was asked to encode."""

    def __init__(self, dim=16):
        super().__init__(dim)
        self.texts = []

    def encode(self, texts):
        self.texts += texts
        return super().encode(texts)


def track(number, title="", **fields):
    return Entity(id=f"t{number}", kind="track", title=title or f"song {number}", **fields)


@pytest.fixture
def catalog(tmp_path):
    store = SqliteStore(tmp_path / "catalog.sqlite", clock=lambda: 0.0)
    yield store
    store.close()


@pytest.fixture
def vectors(tmp_path):
    store = VectorStore(tmp_path / "vectors.sqlite")
    yield store
    store.close()


def catch_up(catalog, vectors, encoder, progress=None):
    return vectors.apply(catalog.changes(vectors.seq, EVERYTHING), encoder, progress)


def test_a_new_store_is_empty(vectors):
    batch = vectors.since(0)
    assert (vectors.seq, vectors.fingerprint, vectors.count()) == (0, "", 0)
    assert (len(batch.ordinals), len(batch.deleted), batch.seq) == (0, 0, 0)


def test_nothing_to_apply_changes_nothing(vectors):
    assert vectors.apply([], HashingEncoder()) == 0
    assert vectors.seq == 0


def test_each_entity_gets_the_vector_of_its_sentence(catalog, vectors):
    encoder, entities = HashingEncoder(), [track(0), track(1), track(2)]
    catalog.upsert(entities)
    assert catch_up(catalog, vectors, encoder) == 3
    batch = vectors.since(0)
    assert batch.ordinals.tolist() == [0, 1, 2]
    assert batch.vectors.dtype == np.float16
    expected = encoder.encode([entity_sentence(entity) for entity in entities])
    np.testing.assert_allclose(batch.vectors, expected, atol=1e-3)
    assert (vectors.seq, vectors.count()) == (catalog.head(), 3)


def test_what_the_sentence_does_not_tell_is_not_encoded(catalog, vectors):
    encoder = CountingEncoder()
    catalog.upsert([track(0), track(1)])
    catch_up(catalog, vectors, encoder)
    seq = vectors.seq
    catalog.upsert([track(0, popularity=0.9), track(1, title="other")])
    assert catch_up(catalog, vectors, encoder) == 1
    assert encoder.texts == ["song 0, a track", "song 1, a track", "other, a track"]
    assert vectors.since(seq).ordinals.tolist() == [1]
    assert vectors.seq == catalog.head()


def test_equal_sentences_are_encoded_once(catalog, vectors):
    encoder = CountingEncoder()
    catalog.upsert([track(0, title="halo"), track(1, title="halo")])
    assert catch_up(catalog, vectors, encoder) == 1
    first, second = vectors.since(0).vectors
    np.testing.assert_array_equal(first, second)


def test_a_deleted_entity_is_told_and_may_come_back(catalog, vectors):
    encoder = HashingEncoder()
    catalog.upsert([track(0), track(1)])
    catch_up(catalog, vectors, encoder)
    seq = vectors.seq
    catalog.delete(["t0"])
    assert catch_up(catalog, vectors, encoder) == 0
    assert vectors.since(seq).deleted.tolist() == [0]
    assert vectors.count() == 1
    catalog.upsert([track(0)])
    assert catch_up(catalog, vectors, encoder) == 1
    assert vectors.since(0).ordinals.tolist() == [0, 1]
    assert vectors.since(0).deleted.tolist() == []


def test_applying_changes_twice_encodes_them_once(catalog, vectors):
    encoder = CountingEncoder()
    catalog.upsert([track(0), track(1)])
    changes = catalog.changes(0, EVERYTHING)
    assert vectors.apply(changes, encoder) == 2
    assert vectors.apply(changes, encoder) == 0
    assert len(encoder.texts) == 2


def test_progress_counts_changes(catalog, vectors):
    catalog.upsert([track(i) for i in range(BATCH + 1)])
    done = []
    catch_up(catalog, vectors, HashingEncoder(4), done.append)
    assert done == [BATCH, BATCH + 1]


def test_vectors_of_two_encoders_are_never_mixed(catalog, vectors):
    catalog.upsert([track(0)])
    catch_up(catalog, vectors, HashingEncoder(8))
    catalog.upsert([track(1)])
    with pytest.raises(Conflict, match="adopt"):
        catch_up(catalog, vectors, HashingEncoder(16))
    assert not vectors.adopt(HashingEncoder(8))
    assert vectors.adopt(HashingEncoder(16))
    assert vectors.seq == 0
    assert catch_up(catalog, vectors, HashingEncoder(16)) == 2
    assert vectors.since(0).vectors.shape == (2, 16)


def test_another_connection_sees_whole_batches(catalog, vectors, tmp_path):
    reader = VectorStore(tmp_path / "vectors.sqlite")
    catalog.upsert([track(i) for i in range(BATCH + 1)])
    seen = []
    catch_up(catalog, vectors, HashingEncoder(4), lambda _: seen.append(len(reader.since(0).ordinals)))
    assert seen == [BATCH, BATCH + 1]
    reader.close()


KILLED = """
import os, signal, sys
from pathlib import Path
from bandstand.catalog.sqlite_store import SqliteStore
from bandstand.retrievers.encoder import HashingEncoder
from bandstand.retrievers.vector_store import VectorStore

class Dying(HashingEncoder):
    batches = int(sys.argv[2])

    def encode(self, texts):
        if self.batches == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.batches -= 1
        return super().encode(texts)

home = Path(sys.argv[1])
changes = SqliteStore(home / "catalog.sqlite", clock=lambda: 0.0).changes(0, 1_000_000)
VectorStore(home / "vectors.sqlite").apply(changes, Dying(4))
"""


@pytest.mark.parametrize("batches", [0, 1])
def test_a_killed_run_resumes_after_its_last_batch(catalog, tmp_path, batches):
    catalog.upsert([track(i) for i in range(BATCH + 10)])
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(batches)], check=False)
    assert killed.returncode == -9
    vectors, encoder = VectorStore(tmp_path / "vectors.sqlite"), CountingEncoder(4)
    assert vectors.count() == batches * BATCH
    assert catch_up(catalog, vectors, encoder) == BATCH + 10 - batches * BATCH
    undisturbed = VectorStore(tmp_path / "undisturbed.sqlite")
    catch_up(catalog, undisturbed, encoder)
    np.testing.assert_array_equal(vectors.since(0).vectors, undisturbed.since(0).vectors)
    vectors.close()
    undisturbed.close()


def test_a_full_disk_names_the_remedy_and_undoes_the_batch(catalog, vectors):
    catalog.upsert([Entity(id=f"id {i}", kind="track", title=f"title {i}") for i in range(500)])
    encoder, changes = CountingEncoder(1_024), catalog.changes(0, 10_000)
    ((pages,),) = vectors._database.rows("PRAGMA page_count")
    vectors._database.rows(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StorageError, match="the disk is full; free some space"):
        vectors.apply(changes, encoder)
    assert (vectors.count(), vectors.seq) == (0, 0)
    vectors._database.rows("PRAGMA max_page_count = 1000000")
    vectors.apply(changes, encoder)
    assert (vectors.count(), vectors.seq) == (500, 500)


def test_what_sqlite_raises_is_a_storage_error(tmp_path):
    (tmp_path / "broken.sqlite").write_bytes(b"not a database at all" * 100)
    with pytest.raises(StorageError):
        VectorStore(tmp_path / "broken.sqlite")
    with pytest.raises(StorageError):
        VectorStore(Path("/dev/null/vectors.sqlite"))
    closed = VectorStore(tmp_path / "closed.sqlite")
    closed.close()
    closed.close()
    with pytest.raises(StorageError):
        closed.since(0)
