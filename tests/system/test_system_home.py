"""Opening, sharing, closing and running a home."""

from __future__ import annotations

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bandstand.app import retrieval, searching
from bandstand.app.learning import LearningSide, stopper
from bandstand.app.platform import Platform
from bandstand.app.searching import SearchingSide
from bandstand.app.storage import Storage
from bandstand.errors import Conflict, StorageError, Unavailable
from bandstand.settings import Settings
from bandstand.supervision import Stopped
from tests.support.small_home import ENTITIES, ids, track


def settings(folder, **values):
    return Settings(**{"home": folder, "encoder": "hashing", "deadline_ms": 10_000.0, **values})


class TestStorage:
    def test_a_folder_that_cannot_be_made_is_refused_with_the_remedy(self, tmp_path):
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(StorageError, match="set BANDSTAND_HOME"):
            Storage(settings(tmp_path / "file"))

    def test_what_was_opened_is_closed_again_when_a_later_file_is_damaged(self, tmp_path):
        Storage(settings(tmp_path)).close()
        good = (tmp_path / "log.sqlite").read_bytes()
        (tmp_path / "log.sqlite").write_bytes(b"no database, and long enough to be read as one" * 50)
        for _ in range(2):  # the second time, LMDB would say that it is open already
            with pytest.raises(StorageError):
                Storage(settings(tmp_path))
        (tmp_path / "log.sqlite").write_bytes(good)
        Storage(settings(tmp_path)).close()

    def test_every_file_is_closed_although_one_of_them_fails_to(self, tmp_path):
        storage = Storage(settings(tmp_path))
        closed = []

        class Full:
            def close(self):
                closed.append("log")
                raise StorageError("disk full")

        storage._opened.callback(Full().close)
        with pytest.raises(StorageError, match="disk full"):
            storage.close()
        Storage(settings(tmp_path)).close()  # LMDB was closed, else this would be refused
        assert closed == ["log"]


class TestHome:
    def test_without_an_index_it_says_what_to_do(self, tmp_path):
        storage = Storage(settings(tmp_path))
        with pytest.raises(Unavailable, match="bandstand index"):
            SearchingSide(storage)
        storage.close()

    def test_a_home_without_an_index_reads_its_catalogue_once_however_often_it_is_tried(self, tmp_path, monkeypatch):
        read = []

        class Counted(searching.Catalog):
            def __init__(self, *args, **rest):
                read.append(self)
                super().__init__(*args, **rest)

        monkeypatch.setattr(searching, "Catalog", Counted)
        with Platform(settings(tmp_path)) as platform:
            platform.storage.store.upsert(ENTITIES)
            for _ in range(3):
                with pytest.raises(Unavailable, match="bandstand index"):
                    _ = platform.searching
            platform.learning.index()
            assert platform.searching.catalog.columns.n == len(ENTITIES)
        assert len(read) == 1

    def test_what_was_opened_is_closed_again_when_the_rest_cannot_be(self, small, monkeypatch):
        closed = []
        whole = searching.RetrieverSet.close
        monkeypatch.setattr(searching.RetrieverSet, "close", lambda self: (closed.append(self), whole(self)))

        def broken(*_, **__):
            raise StorageError("the list of words cannot be read")

        monkeypatch.setattr(searching, "Suggester", broken)
        with pytest.raises(StorageError, match="list of words"):
            SearchingSide(small.storage, small.options)
        assert len(closed) == 1

    def test_the_indexes_are_closed_again_when_a_retriever_cannot_be_made(self, small, monkeypatch):
        closed = []
        opened = small.storage.backend.open_reader

        def reader(*given):
            found = opened(*given)
            monkeypatch.setattr(found, "close", lambda close=found.close: (closed.append(found), close()))
            return found

        def broken(*_, **__):
            raise StorageError("the memory cannot be read")

        monkeypatch.setattr(small.storage.backend, "open_reader", reader)
        monkeypatch.setattr(retrieval, "RephraseRetriever", broken)
        with pytest.raises(StorageError, match="memory cannot be read"):
            SearchingSide(small.storage, small.options)
        assert len(closed) == 1

    @pytest.mark.parametrize("part", ["understood", "models", "suggester"])
    def test_a_part_that_keeps_failing_keeps_no_other_from_refreshing(self, small, monkeypatch, part):
        def broken():
            raise ZeroDivisionError(part)

        parts = ("catalog", "understood", "retrievers", "serving", "suggester")
        seen = []
        for name in parts:
            refresh = broken if name == part else getattr(small.home, name).refresh
            monkeypatch.setattr(
                getattr(small.home, name), "refresh", lambda name=name, refresh=refresh: (seen.append(name), refresh())
            )
        if part == "models":
            monkeypatch.setattr(small.home.models, "follow", broken)
        for _ in range(2):
            with pytest.raises(ZeroDivisionError, match=part):
                small.home.refresh()
        assert seen == list(parts) * 2

    def test_suggestions_are_what_people_asked_then_names_each_once(self, small):
        for user in ("ann", "bob"):
            small.act("halo", on=small.search("halo remix", user=user))
            small.act("hallelujah", on=small.search("hallelujah", user=user))
        small.learn()
        found = small.home.suggester.suggest("hal", 10)
        texts = [item.text.lower() for item in found]
        assert set(texts[:2]) == {"halo remix", "hallelujah"}
        assert len(texts) == len(set(texts))
        assert "halo" in texts[2:]
        assert {item.text: item.entity_id for item in found}["halo remix"] is None
        assert len(small.home.suggester.suggest("hal", 1)) == 1
        assert small.home.suggester.suggest("", 5) == small.home.suggester.suggest("zzz", 5) == []

    def test_it_may_be_refreshed_by_several_threads(self, small):
        small.storage.store.upsert(track(f"n{n}", f"New Song {n}", "Ida") for n in range(50))
        small.learning_side.index()
        for user in ("ann", "bob"):
            for number in range(10):
                small.act("halo", user_id=user, user_query=f"a query {number}")
        small.storage.log.flush()
        small.learning_side.learner.catch_up()
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(lambda _: small.home.refresh(), range(12)))
        learned = small.home.retrievers.retrievers["rephrase"]._learned
        assert len(learned.texts) == len(set(learned.texts)) == 10
        assert small.home.searchable == small.storage.store.head()
        assert len(small.home.catalog.columns.ids) == len(ENTITIES) + 50

    def test_freezing_takes_what_is_loaded_out_of_the_collectors_rounds(self, small):
        small.home.freeze()
        try:
            assert gc.get_freeze_count() > 10_000
        finally:
            gc.unfreeze()


class TestWorkshop:
    def test_one_process_writes_at_a_time(self, small):
        with pytest.raises(Conflict, match="stop it first"):
            LearningSide(small.storage)
        small.platform.stop_learning()
        second = LearningSide(small.storage)
        assert small.platform.learning_if_free() is None
        second.close()
        assert small.platform.learning.index() == 0

    def test_a_workshop_that_could_not_be_opened_holds_no_lock(self, tmp_path, monkeypatch):
        def broken(*_):
            raise StorageError("input/output error")

        storage = Storage(settings(tmp_path))
        with monkeypatch.context() as patched:
            patched.setattr(storage.backend, "open_writer", broken)
            with pytest.raises(StorageError, match="input/output"):
                LearningSide(storage)
        LearningSide(storage).close()
        storage.close()

    def test_a_reset_that_is_cut_short_leaves_no_half_index(self, small, monkeypatch):
        """The deletion ends, as by a kill, when some files are gone and some are not."""

        def cut_short(path, **_):
            for file in sorted(Path(path).iterdir())[::2]:
                file.unlink()
            raise OSError("input/output error")

        with monkeypatch.context() as patched:
            patched.setattr("shutil.rmtree", cut_short)
            with pytest.raises(StorageError, match="bandstand index"):
                small.learning_side.reset()
        small.restart()
        small.learning_side.index()
        small.home.refresh()
        assert ids(small.search("halo", policy="lexical"))[0] == "halo"

    def test_reset_builds_text_and_vectors_anew(self, small):
        before = ids(small.search("hallelujah", policy="hybrid"))
        small.platform.stop_searching()
        small.learning_side.reset()
        assert small.learning_side.index() == 2 * len(ENTITIES)  # text and vectors, not the memory's predictions
        small.home = small.platform.searching
        assert ids(small.search("hallelujah", policy="hybrid")) == before

    def test_while_it_runs_clicks_and_entities_are_taken_in_and_it_stops_when_told(self, small):
        stop = threading.Event()
        runner = threading.Thread(target=small.learning_side.run, args=(small.home, stop))
        runner.start()
        try:
            small.storage.store.upsert([track("kid-a", "Kid A", "Radiohead")])
            event = small.act("halo", on=small.search("halo", user="ann"))
            assert event.object_id == "halo"
            wanted = small.storage.log.head(), small.storage.store.head()
            assert waited(lambda: (small.storage.memory.position(), small.learning_side.indexer.seq) == wanted)
        finally:
            stop.set()
            runner.join(30)
        assert not runner.is_alive()
        small.home.refresh()
        assert ids(small.search("kid a", policy="lexical"))[0] == "kid-a"
        assert small.storage.memory.knows("ann")

    def test_training_is_stopped_in_the_middle(self, small):
        stop = threading.Event()
        stop.set()
        with pytest.raises(Stopped):
            small.learning_side.train(small.home, progress=stopper(stop))
        assert small.storage.models.list("ranker") == ()


def waited(condition, seconds=20.0):
    """Whether a condition came true in time, looked at again and again."""
    pause = threading.Event()
    for _ in range(int(seconds / 0.01)):
        if condition():
            return True
        pause.wait(0.01)
    return False
