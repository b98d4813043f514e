"""Vectors of another encoder: made beside those that serve, swapped in one step, whatever happens in between."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from bandstand.catalog.sqlite_store import SqliteStore
from bandstand.errors import ModelError, StorageError
from bandstand.retrievers.encoder import HashingEncoder
from bandstand.retrievers.encoder_registry import reopen
from bandstand.retrievers.vector_index import DenseIndex
from bandstand.retrievers.vector_store import VectorFollower, VectorStores
from bandstand.types import Entity

OLD, NEW = HashingEncoder(8), HashingEncoder(16)


@pytest.fixture
def catalog(tmp_path):
    store = SqliteStore(tmp_path / "catalog.sqlite", clock=lambda: 0.0)
    store.upsert(track(number) for number in range(5))
    yield store
    store.close()


@pytest.fixture
def stores(tmp_path):
    opened = VectorStores(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def indexed(catalog, stores, tmp_path):
    """The catalogue as the old encoder sees it."""
    catch_up(follower(catalog, stores, OLD, tmp_path), catalog)
    return stores


def track(number):
    return Entity(id=f"t{number}", kind="track", title=f"song {number}")


def follower(catalog, stores, encoder, home, **how):
    return VectorFollower(stores, encoder, lambda name: reopen(name, home), head=catalog.head, **how)


def step(following, catalog, limit):
    """One turn, as the indexer takes them; whether there was anything to do."""
    changes = catalog.changes(following.seq, limit) if following.seq < catalog.head() else []
    if changes:
        following.follow(changes)
    return bool(changes)


def catch_up(following, catalog, limit=100):
    while step(following, catalog, limit):
        pass


def files(home):
    return sorted(path.name for path in home.glob("vectors*.sqlite"))


def test_the_first_encoder_needs_no_swap(catalog, indexed, tmp_path):
    assert (indexed.fingerprint, indexed.serving.count(), indexed.making) == (OLD.fingerprint, 5, None)
    assert files(tmp_path) == ["vectors.sqlite"]


def test_another_encoders_vectors_serve_once_they_are_complete(catalog, indexed, tmp_path):
    index = DenseIndex(indexed)
    following = follower(catalog, indexed, NEW, tmp_path)
    while step(following, catalog, 2):
        index.refresh()
        assert len(index.view) == 5
        vector = reopen(index.view.fingerprint, tmp_path).encode_query("song 3")
        index.view.search(vector, 5, np.ones(5, np.bool_))  # never of another length than those of the index
    assert (indexed.fingerprint, indexed.serving.count(), indexed.making) == (NEW.fingerprint, 5, None)
    assert files(tmp_path) == ["vectors-2.sqlite"]


def test_what_is_added_meanwhile_is_found_at_once(catalog, indexed, tmp_path):
    following = follower(catalog, indexed, NEW, tmp_path)
    step(following, catalog, 2)
    catalog.upsert([track(9)])
    step(following, catalog, 2)
    assert (indexed.fingerprint, indexed.serving.count()) == (OLD.fingerprint, 6)
    catch_up(following, catalog)
    assert (indexed.fingerprint, indexed.serving.count()) == (NEW.fingerprint, 6)


def test_old_vectors_without_their_encoder_are_left_as_they_are(catalog, indexed, tmp_path):
    def gone(fingerprint):
        raise ModelError(fingerprint)

    following = VectorFollower(indexed, NEW, gone, head=catalog.head)
    catalog.upsert([track(9)])
    assert step(following, catalog, 2)
    assert indexed.serving.count() == 5
    catch_up(following, catalog)
    assert (indexed.fingerprint, indexed.serving.count()) == (NEW.fingerprint, 6)


def test_another_process_follows_the_swap_also_twice(catalog, indexed, tmp_path):
    reader = VectorStores(tmp_path)
    index = DenseIndex(reader)
    for encoder in (NEW, OLD):
        catch_up(follower(catalog, indexed, encoder, tmp_path), catalog)
    index.refresh()
    assert (index.view.fingerprint, index.view.origin, len(index.view)) == (OLD.fingerprint, 3, 5)
    reader.close()


def test_a_stopped_run_goes_on_where_it_was(catalog, indexed, tmp_path):
    step(follower(catalog, indexed, NEW, tmp_path), catalog, 2)
    assert follower(catalog, indexed, NEW, tmp_path).seq == 2


def test_a_change_of_mind_deletes_what_was_begun(catalog, indexed, tmp_path):
    step(follower(catalog, indexed, NEW, tmp_path), catalog, 2)
    assert files(tmp_path) == ["vectors-2.sqlite", "vectors.sqlite"]
    assert follower(catalog, indexed, OLD, tmp_path).seq == catalog.head()
    assert files(tmp_path) == ["vectors.sqlite"]


def test_vectors_can_be_made_anew_by_the_same_encoder(catalog, indexed, tmp_path):
    index = DenseIndex(indexed)
    step(follower(catalog, indexed, OLD, tmp_path, anew=True), catalog, 2)
    catch_up(follower(catalog, indexed, OLD, tmp_path), catalog)  # as after a restart: it is gone on with
    assert files(tmp_path) == ["vectors-2.sqlite"]
    index.refresh()
    assert (index.view.origin, len(index.view)) == (2, 5)


def test_an_empty_catalogue_swaps_at_once(tmp_path, stores):
    empty = SqliteStore(tmp_path / "catalog.sqlite", clock=lambda: 0.0)
    for encoder in (OLD, NEW):
        follower(empty, stores, encoder, tmp_path)
        assert stores.fingerprint == encoder.fingerprint
    empty.close()


def test_a_damaged_pointer_is_told_with_its_remedy(indexed, tmp_path):
    (tmp_path / "vectors.serving").write_text("?")
    with pytest.raises(StorageError, match=r"vectors\.serving is damaged"):
        VectorStores(tmp_path)


KILLED = """
import os, signal, sys
from pathlib import Path
from bandstand.catalog.sqlite_store import SqliteStore
from bandstand.retrievers import vector_store
from bandstand.retrievers.encoder import HashingEncoder
from bandstand.retrievers.encoder_registry import reopen

home, point, left = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])

def dying(method):
    def called(*args, **kwargs):
        global left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return method(*args, **kwargs)
    return called

if point == "encode":
    HashingEncoder.encode = dying(HashingEncoder.encode)
elif point == "point":
    vector_store.write_file = dying(vector_store.write_file)
else:
    vector_store.VectorStores._delete_others = dying(vector_store.VectorStores._delete_others)
catalog = SqliteStore(home / "catalog.sqlite", clock=lambda: 0.0)
following = vector_store.VectorFollower(
    vector_store.VectorStores(home), HashingEncoder(16), lambda name: reopen(name, home), head=catalog.head
)
while following.seq < catalog.head():
    following.follow(catalog.changes(following.seq, 2))
"""


@pytest.mark.parametrize(("point", "left"), [("encode", 0), ("encode", 1), ("point", 0), ("delete", 1)])
def test_a_killed_run_leaves_one_or_the_other_whole(catalog, indexed, tmp_path, point, left):
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), point, str(left)], check=False)
    assert killed.returncode == -9
    swapped = point == "delete"
    assert (indexed.fingerprint, indexed.serving.count()) == ((NEW if swapped else OLD).fingerprint, 5)
    catch_up(follower(catalog, indexed, NEW, tmp_path), catalog)
    assert (indexed.fingerprint, indexed.serving.count()) == (NEW.fingerprint, 5)
    assert files(tmp_path) == ["vectors-2.sqlite"]
