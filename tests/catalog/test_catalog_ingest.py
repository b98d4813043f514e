import gzip
import os
import signal
import subprocess
import sys
import textwrap
from itertools import islice

import orjson
import pytest

from bandstand.catalog import ingest as module
from bandstand.catalog.ingest import IngestReport, Journal, ingest
from bandstand.catalog.readers.base import Rejected, Row
from bandstand.catalog.readers.entity_map import TableReader, entity_map
from bandstand.catalog.readers.lastfm import LastfmReader
from bandstand.catalog.readers.ndjson import NdjsonReader
from bandstand.catalog.readers.spotify import SpotifyReader
from bandstand.catalog.sqlite_store import SqliteStore
from bandstand.catalog.sync import SyncPlan, plan_sync, sync
from bandstand.errors import BadInput, StorageError
from bandstand.types import Entity


def _line(i: int) -> bytes:
    return b"broken" if i % 7 == 3 else b'{"id": "%d", "kind": "track", "title": "Song %d"}' % (i, i)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "songs.ndjson"
    path.write_bytes(b"\n".join(map(_line, range(100))))
    return path


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 10)


def _rejected_lines(path):
    return [orjson.loads(line)["line"] for line in path.read_bytes().splitlines()]


def _run(source, store, tmp_path, **options):
    return ingest(
        NdjsonReader(),
        source,
        store,
        rejects=tmp_path / "rejects",
        resume=tmp_path / "resume",
        clock=lambda: 1.0,
        **options,
    )


def test_a_file_is_stored_and_reported(source, store, tmp_path, small_batches):
    seen = []
    report = _run(source, store, tmp_path, progress=seen.append)
    assert report == IngestReport(read=86, changed=86, rejected=14)
    assert store.count() == 86
    assert [now.read + now.rejected for now in seen] == list(range(10, 101, 10))
    assert _rejected_lines(tmp_path / "rejects") == list(range(4, 101, 7))
    first = orjson.loads((tmp_path / "rejects").read_bytes().splitlines()[0])
    assert first["raw"] == "broken"
    assert first["reason"].startswith("not JSON")
    assert not (tmp_path / "resume").exists()


def test_the_same_file_twice_changes_nothing(source, store, tmp_path):
    _run(source, store, tmp_path)
    head = store.head()
    report = _run(source, store, tmp_path)
    assert (report.changed, report.unchanged, report.rejected, store.head()) == (0, 86, 14, head)
    assert _rejected_lines(tmp_path / "rejects") == list(range(4, 101, 7))


def test_no_rejects_no_file(store, tmp_path):
    path = tmp_path / "x.ndjson"
    path.write_bytes(_line(0))
    (tmp_path / "rejects").write_text("of an earlier run")
    _run(path, store, tmp_path)
    assert not (tmp_path / "rejects").exists()


def test_an_interrupted_ingest_goes_on_where_it_stopped(source, store, tmp_path, small_batches):
    def interrupt(report):
        if report.read > 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _run(source, store, tmp_path, progress=interrupt)
    done = store.count()
    assert 40 < done < 86
    report = _run(source, store, tmp_path)
    assert (report.read + done, report.changed, report.skipped) == (86, report.read, 50)
    assert store.count() == 86
    assert _rejected_lines(tmp_path / "rejects") == list(range(4, 101, 7))
    assert not (tmp_path / "resume").exists()


@pytest.mark.parametrize(
    "state", [b"", b"{}", b"nonsense", b'{"fingerprint": "other", "line": 90, "rejects": 0}', b"[]"]
)
def test_a_useless_resume_file_means_starting_over(source, store, tmp_path, state):
    (tmp_path / "resume").write_bytes(state)
    assert _run(source, store, tmp_path).read == 86


def test_another_file_is_not_resumed(source, store, tmp_path, small_batches):
    def interrupt(report):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _run(source, store, tmp_path, progress=interrupt)
    source.write_bytes(source.read_bytes() + b"\n" + _line(100))
    assert _run(source, store, tmp_path).skipped == 0


_KILLED = """
import os, signal, sys, time
from pathlib import Path
from bandstand.catalog import ingest as module
from bandstand.catalog.ingest import Journal
from bandstand.catalog.readers.ndjson import NdjsonReader
from bandstand.catalog.sqlite_store import SqliteStore

folder, moment = Path(sys.argv[1]), sys.argv[2]
module.CHUNK = 10
store = SqliteStore(folder / "catalog.sqlite", clock=time.time)

def kill(report):
    if report.read > 40:
        os.kill(os.getpid(), signal.SIGKILL)

if moment == "before the journal":
    commit = Journal.commit
    def dying(self, rejected, line):
        if line > 50:
            os.kill(os.getpid(), signal.SIGKILL)
        commit(self, rejected, line)
    Journal.commit = dying
if moment == "between rejects and position":
    save = Journal._save
    def dying(self, resume, line):
        if line > 50:
            os.kill(os.getpid(), signal.SIGKILL)
        save(self, resume, line)
    Journal._save = dying
module.ingest(NdjsonReader(), folder / "songs.ndjson", store, rejects=folder / "rejects", resume=folder / "resume",
              progress=kill if moment == "after a batch" else None)
"""


@pytest.mark.parametrize("moment", ["after a batch", "before the journal", "between rejects and position"])
def test_a_killed_ingest_loses_and_doubles_nothing(source, tmp_path, moment):
    script = [sys.executable, "-c", textwrap.dedent(_KILLED), str(tmp_path), moment]
    assert subprocess.run(script, check=False, env=dict(os.environ)).returncode == -signal.SIGKILL
    store = SqliteStore(tmp_path / "catalog.sqlite", clock=lambda: 0.0)
    assert 40 < store.count() < 86
    report = _run(source, store, tmp_path)
    assert report.skipped >= 50
    assert sorted(int(entity.id) for _, entity in store.scan()) == [i for i in range(100) if i % 7 != 3]
    assert [ordinal for ordinal, _ in store.scan()] == list(range(86))
    assert _rejected_lines(tmp_path / "rejects") == list(range(4, 101, 7))
    store.close()


@pytest.mark.parametrize("reader", [NdjsonReader(), TableReader(), SpotifyReader(), LastfmReader()])
def test_a_missing_source_is_bad_input(reader, store, tmp_path):
    with pytest.raises(BadInput, match="no file"):
        ingest(reader, tmp_path / "missing", store, rejects=tmp_path / "rejects")


@pytest.mark.parametrize(
    ("reader", "content"),
    [
        (NdjsonReader(), b""),
        (NdjsonReader(), b"\n \n"),
        (NdjsonReader(), gzip.compress(b"", mtime=0)),
        (TableReader(), b"id,kind,title\n"),
        (TableReader(), b""),
        (SpotifyReader(), b""),
    ],
)
def test_an_empty_source_is_bad_input(reader, content, store, tmp_path):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(BadInput):
        ingest(reader, tmp_path / "x", store, rejects=tmp_path / "rejects", resume=tmp_path / "resume")
    assert store.count() == 0


@pytest.mark.slow
def test_a_gz_cut_short_keeps_what_came_before(store, tmp_path, small_batches):
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(b"\n".join(map(_line, range(250))))[:-20])
    with pytest.raises(BadInput, match="damaged gz"):
        _run(path, store, tmp_path)
    assert store.count() > 0
    assert (tmp_path / "resume").exists()


def test_rejects_that_cannot_be_written_are_a_storage_error(source, store, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="cannot write"):
        ingest(NdjsonReader(), source, store, rejects=tmp_path / "file" / "rejects")


def twice(source, store, folder):
    """Two reports of reading a file whose format is read as a whole."""
    return [
        ingest(SpotifyReader(), source, store, rejects=folder / "rejects", resume=folder / "resume") for _ in range(2)
    ]


@pytest.mark.slow
def test_a_whole_file_format_reads_again(store, tmp_path, real_data):
    with gzip.open(real_data("spotify_songs.csv.gz"), "rt") as whole:
        (tmp_path / "some.csv").write_text("".join(islice(whole, 1_000)))
    first, second = twice(tmp_path / "some.csv", store, tmp_path)
    assert first.read == first.changed > 1_000  # artists and playlists come with the tracks
    assert (second.changed, second.unchanged) == (0, first.read)
    assert not (tmp_path / "resume").exists()


@pytest.mark.slow
@pytest.mark.parametrize("open_store", ["embedded"], indirect=True)
def test_the_whole_real_file(store, tmp_path, real_data):
    first, second = twice(real_data("spotify_songs.csv.gz"), store, tmp_path)
    assert (first.read, first.changed, first.rejected) == (28_352 + 10_676 + 471, 39_499, 5)
    assert (second.changed, second.unchanged) == (0, 39_499)


SONGS = "track_id,track_name\nt1,Halo\nt2,Hurt\nt3,One\n"
SONGS_MAP = [("id", "track_id"), ("title", "track_name")]


class TestSync:
    """The file as the truth."""

    @pytest.fixture
    def read(self, tmp_path):
        (tmp_path / "songs.csv").write_text(SONGS)
        return lambda: TableReader("csv", entity_map(SONGS_MAP, kind="track")).read(tmp_path / "songs.csv")

    def test_what_is_missing_is_deleted_once_that_is_agreed_to(self, store, read, tmp_path):
        store.upsert([Entity(id=id_, kind="track", title=id_) for id_ in ("t1", "old", "older")])
        plans = []

        def refuse(plan):
            plans.append(plan)
            return False

        with pytest.raises(BadInput, match=r"2 new, 1 known, 0 rejected; to be deleted: 2 \(old, older\).*--yes"):
            sync(read, store, refuse, rejects=tmp_path / "rejects")
        assert {entity.id for _, entity in store.scan()} == {"t1", "old", "older"}
        assert plans == [SyncPlan(new=2, known=1, rejected=0, missing=("old", "older"), titles=("old", "older"))]
        report = sync(read, store, lambda _: True, rejects=tmp_path / "rejects")
        assert (report.read, report.changed, report.removed) == (3, 3, 2)
        assert {entity.title for _, entity in store.scan()} == {"Halo", "Hurt", "One"}

    def test_where_nothing_is_missing_nobody_is_asked(self, store, read, tmp_path):
        for changed in (3, 0):
            report = sync(read, store, lambda _: pytest.fail("asked"), rejects=tmp_path / "rejects")
            assert (report.changed, report.removed) == (changed, 0)

    def test_a_source_without_anything_is_not_the_truth(self, store, tmp_path):
        store.upsert([Entity(id="kept", kind="track", title="Kept")])
        with pytest.raises(BadInput, match="nothing was changed"):
            sync(lambda: iter([Rejected(1, "bad", "")]), store, lambda _: True, rejects=tmp_path / "rejects")
        assert store.count() == 1


def test_a_catalogue_that_was_made_anew_is_synced(tmp_path):
    """Its entities have the ordinals of before, which are above any number that it has given to a change."""
    tracks = [Entity(id=f"t{number}", kind="track", title=f"Song {number}") for number in range(10)]
    store = SqliteStore(tmp_path / "catalog.sqlite", clock=lambda: 0.0)
    store.upsert(tracks)
    store.close()
    for path in tmp_path.glob("catalog.sqlite*"):
        path.unlink()
    store = SqliteStore(tmp_path / "catalog.sqlite", clock=lambda: 0.0)
    store.upsert(tracks[8:])
    plan = plan_sync(iter([Row(1, tracks[8])]), store)
    assert plan == SyncPlan(new=0, known=1, rejected=0, missing=("t9",), titles=("Song 9",))
    store.close()


def test_a_file_that_is_read_another_way_is_not_resumed(tmp_path):
    path, files = tmp_path / "songs.csv", {"rejects": tmp_path / "rejects", "resume": tmp_path / "resume"}
    path.write_text(SONGS)
    Journal(path, **files, asked="one way").commit([], 3)
    assert Journal(path, **files, asked="one way").start == 3
    assert Journal(path, **files, asked="another").start == 0
