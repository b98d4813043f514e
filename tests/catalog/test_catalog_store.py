import multiprocessing
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bandstand.catalog.sqlite_store import SqliteStore
from bandstand.catalog.store import CHUNK
from bandstand.errors import BadInput, NotFound, StorageError
from bandstand.types import Entity


def _state(store):
    return [(c.ordinal, c.entity) for c in sorted(store.changes(0, 10**6), key=lambda c: c.ordinal)]


def test_an_empty_store(store):
    assert (store.count(), store.head()) == (0, 0)
    assert (store.changes(0, 10), list(store.scan())) == ([], [])
    assert (store.upsert([]), store.delete([]), store.delete(["x"])) == (0, 0, 0)
    assert store.get_many(np.empty(0, np.int32)) == []
    assert store.get_many(np.array([0, -1, 7], np.int32)) == [None] * 3
    assert store.ordinals([]).shape == (0,)
    assert store.ordinals(["x"]).tolist() == [-1]
    with pytest.raises(NotFound, match="'x'"):
        store.get("x")


def test_ordinals_count_from_zero_and_stay(store, make_track):
    assert store.upsert([make_track("a"), make_track("b")]) == 2
    assert store.upsert([make_track("c"), make_track("a", "other")]) == 2
    ordinals = store.ordinals(["a", "b", "c"])
    assert (ordinals.tolist(), ordinals.dtype) == ([0, 1, 2], np.int32)
    assert [entity.title for _, entity in store.scan(batch=2)] == ["other", "title b", "title c"]


def test_the_same_content_changes_nothing(store, make_track):
    tracks = [make_track(str(i), popularity=i / 10) for i in range(5)]
    store.upsert(tracks)
    assert store.upsert(tracks) == 0
    assert store.head() == 5


def test_the_last_of_several_wins(store, make_track):
    assert store.upsert([make_track("a", "first"), make_track("a", "last")]) == 1
    assert store.get("a").title == "last"


def test_the_feed_holds_the_newest_state_in_order(store, make_track):
    store.upsert([make_track("a"), make_track("b"), make_track("c")])
    store.upsert([make_track("a", "new")])
    store.delete(["b"])
    feed = store.changes(0, 10)
    assert [(c.seq, c.ordinal, c.entity and c.entity.title) for c in feed] == [
        (3, 2, "title c"),
        (4, 0, "new"),
        (5, 1, None),
    ]
    assert [c.seq for c in store.changes(3, 1)] == [4]
    assert store.changes(store.head(), 10) == []


def test_a_deleted_entity_is_gone_but_its_ordinal_is_not_given_away(store, make_track):
    store.upsert([make_track("a"), make_track("b")])
    assert store.delete(["a", "a", "nobody"]) == 1
    assert store.delete(["a"]) == 0
    store.upsert([make_track("c")])
    assert store.ordinals(["a", "b", "c"]).tolist() == [-1, 1, 2]
    assert store.get_many(np.array([0, 1], np.int32)) == [None, make_track("b")]
    assert store.recall(np.array([0, 9], np.int32)) == [make_track("a"), None]
    assert [ordinal for ordinal, _ in store.scan()] == [1, 2]
    assert store.count() == 2
    with pytest.raises(NotFound):
        store.get("a")


def test_a_returning_entity_gets_its_ordinal_back_and_counts_as_added_again(open_store, make_track):
    now = [100.0]
    store = open_store(clock=lambda: now[0])
    store.upsert([make_track("a")])
    now[0] = 200.0
    store.upsert([make_track("a", "edited")])
    assert store.changes(0, 1)[0].added == 100.0
    store.delete(["a"])
    assert store.upsert([make_track("a", "edited")]) == 1
    assert (store.changes(0, 1)[0].added, store.ordinals(["a"]).tolist()) == (200.0, [0])


def test_everything_survives_reopening(open_store, make_track):
    first = open_store()
    first.upsert([make_track("a"), make_track("b")])
    first.delete(["a"])
    before = (_state(first), first.head(), first.count())
    first.close()
    first.close()
    again = open_store()
    assert (_state(again), again.head(), again.count()) == before


def test_a_failing_source_keeps_the_whole_chunks_before_it(store, make_track):
    def source():
        yield from (make_track(str(i)) for i in range(CHUNK + 1))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.upsert(source())
    assert store.count() == CHUNK
    assert store.upsert([make_track("after")]) == 1


@pytest.mark.slow
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_store_is_a_dictionary_with_memory(open_store, any_entity, data):
    store = open_store(f"model-{uuid4().hex}")
    model: dict[str, Entity] = {}
    for _ in range(data.draw(st.integers(1, 4))):
        batch = [replace(e, id=data.draw(st.sampled_from("abcd"))) for e in data.draw(st.lists(any_entity, max_size=5))]
        newest = {entity.id: entity for entity in batch}
        assert store.upsert(batch) == sum(model.get(id_) != entity for id_, entity in newest.items())
        model |= newest
        gone = data.draw(st.sets(st.sampled_from("abcd"), max_size=2))
        assert store.delete(gone) == len(gone & model.keys())
        model = {id_: entity for id_, entity in model.items() if id_ not in gone}
    assert {entity.id: entity for _, entity in store.scan(batch=2)} == model
    feed = store.changes(0, 100)
    assert [c.seq for c in feed] == sorted({c.seq for c in feed})
    assert sorted(c.ordinal for c in feed) == list(range(len(feed)))
    store.close()


def _write(path: Path, who: str, rounds: int) -> None:
    store = SqliteStore(path, clock=lambda: 0.0)
    for i in range(rounds):
        store.upsert([Entity(id=f"{who}{i}-{j}", kind="track", title="t") for j in range(20)])
    store.close()


@pytest.mark.slow
def test_processes_write_one_file_together(tmp_path):
    path, context = tmp_path / "c.sqlite", multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(path, who, 20)) for who in "xyz"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    store = SqliteStore(path, clock=lambda: 0.0)
    feed = store.changes(0, 10_000)
    assert [c.seq for c in feed] == list(range(1, 1201))
    assert sorted(c.ordinal for c in feed) == list(range(1200))


def test_threads_share_a_store(store, make_track):
    errors: list[BaseException] = []

    def work(who: int) -> None:
        try:
            for i in range(20):
                store.upsert([make_track(f"{who}-{i}")])
                assert store.get(f"{who}-{i}").kind == "track"
                assert store.ordinals([f"{who}-{i}"])[0] >= 0
        except BaseException as error:  # noqa: BLE001 - shown below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert (store.count(), store.head()) == (80, 80)


def test_a_file_that_is_not_a_database_is_refused(tmp_path):
    path = tmp_path / "c.sqlite"
    path.write_bytes(b"something else entirely" * 100)
    with pytest.raises(StorageError, match="move it away"):
        SqliteStore(path, clock=lambda: 0.0)


def test_another_programs_database_is_refused_untouched(tmp_path):
    path = tmp_path / "c.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE theirs (x)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(StorageError, match="another program"):
        SqliteStore(path, clock=lambda: 0.0)
    assert path.read_bytes() == before


def test_a_newer_schema_is_refused(tmp_path):
    path = tmp_path / "c.sqlite"
    SqliteStore(path, clock=lambda: 0.0).close()
    with sqlite3.connect(path) as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(StorageError, match="newer Bandstand"):
        SqliteStore(path, clock=lambda: 0.0)


def test_a_missing_folder_and_a_folder_as_file_name_the_remedy(tmp_path):
    for path in (tmp_path / "missing" / "c.sqlite", tmp_path):
        with pytest.raises(StorageError, match="folder exists and is writable"):
            SqliteStore(path, clock=lambda: 0.0)


def test_use_after_closing_is_a_storage_error(tmp_path, make_track):
    store = SqliteStore(tmp_path / "c.sqlite", clock=lambda: 0.0)
    store.close()
    for use in (store.count, store.head, lambda: store.upsert([make_track("a")]), lambda: store.get("a")):
        with pytest.raises(StorageError, match="closed"):
            use()


def test_an_id_that_is_not_text_is_refused(store):
    with pytest.raises(BadInput):
        store.ordinals(["\ud800"])


def test_a_full_disk_names_the_remedy_and_undoes_the_chunk(tmp_path, make_track):
    store = SqliteStore(tmp_path / "c.sqlite", clock=lambda: 0.0)
    store.upsert([make_track("kept")])
    ((pages,),) = store._writer.rows("PRAGMA page_count")
    store._writer.rows(f"PRAGMA max_page_count = {pages + 2}")
    many = [make_track(str(i), "t" * 500) for i in range(2_000)]
    with pytest.raises(StorageError, match="the disk is full; free some space"):
        store.upsert(many)
    assert (store.count(), store.head()) == (1, 1)
    store._writer.rows("PRAGMA max_page_count = 1000000")
    assert store.upsert(many) == 2_000
    store.close()
