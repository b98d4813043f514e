"""What hangs on positions of a store that was replaced or set back is found, and mended as the message says."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing

import lmdb
import pytest
import structlog

from bandstand.app.platform import Platform
from bandstand.errors import StorageError, Unavailable
from bandstand.memory_index.batch import PLACE
from bandstand.memory_index.memory import Memory
from bandstand.retrievers.text_index import TextIndex
from bandstand.types import Place
from tests.support.small_home import ENTITIES, MINUTE, SmallHome, ids, track

HALO = {"halo", "halo-again", "halo-depeche"}


@pytest.fixture
def small(made_once, tmp_path):
    opened = SmallHome.copied(made_once, tmp_path / "home")
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def told():
    with structlog.testing.capture_logs() as logs:
        yield logs


def taught(small, text="sad tune", entity="hurt-cash"):
    for user in ("ann", "bob"):
        small.play(entity, on=small.search(text, user=user))
    small.learn()


def parts(small, *names):
    """The files of the home whose names begin so."""
    return [path for name in names for path in small.settings.home.glob(f"{name}*")]


def moved_away(small, *names):
    away = small.settings.home / "away"
    away.mkdir()
    for path in parts(small, *names):
        path.rename(away / path.name)


def again(small, entities):
    """The home opened anew, its catalogue given other entities first, as `bandstand ingest` and `index` do."""
    small.platform = Platform(small.settings, small.options)
    small.storage = small.platform.storage
    small.storage.store.upsert(entities)
    small.learning_side = small.platform.learning
    small.learning_side.index()
    small.home = small.platform.searching


def unidentified(small):
    """Take out of a home what this version stores beside positions, as the last version left one."""
    paths = small.storage.paths
    for path in parts(small, "catalog.ordinals"):
        path.unlink()
    for path, version, statements in (
        (paths.catalog, 2, ("DROP TABLE ordinal_chapters", "ALTER TABLE entities DROP COLUMN sum")),
        (paths.log, 1, ()),
    ):
        with closing(sqlite3.connect(path)) as connection:
            for statement in ("DROP TABLE chapters", *statements, f"PRAGMA user_version = {version}"):
                connection.execute(statement)
    with closing(sqlite3.connect(paths.home / "vectors.sqlite")) as connection:
        connection.execute("ALTER TABLE vectors DROP COLUMN sum")
        connection.execute("ALTER TABLE state DROP COLUMN chapter")
        connection.execute("PRAGMA user_version = 1")
    with closing(TextIndex(paths.text, writable=True)) as text:
        text._applied = Place(text.applied)
        text.commit()
    with closing(Memory(paths.memory)) as memory, memory.batch() as batch:
        for key, _ in batch.scan(b"log/chapter/"):
            batch.delete(key)
        batch.put(b"memory_index/predicted/seq", str(text.applied).encode())
    with closing(lmdb.open(str(paths.memory), max_dbs=30)) as env, env.begin(write=True) as txn:
        txn.delete(PLACE, db=env.open_db(b"state", txn=txn))


def first(small, text, policy):
    return ids(small.search(text, policy=policy))[:1]


class TestACatalogueMadeAnew:
    def damaged(self, small):
        small.close()
        path = small.storage.paths.catalog
        path.write_bytes(b"\0" * 100 + path.read_bytes()[100:])
        with pytest.raises(StorageError, match="move it away"), Platform(small.settings, small.options) as platform:
            _ = platform.storage
        moved_away(small, "catalog.sqlite")

    def test_what_the_message_advises_gives_right_answers(self, small):
        taught(small)
        page = small.search("halo")
        before = {entity.id: small.ordinal(entity.id) for entity in ENTITIES}
        self.damaged(small)
        again(small, [track("zeta", "Zeta March", "Nobody"), *reversed(ENTITIES)])
        assert {entity.id: small.ordinal(entity.id) for entity in ENTITIES} == before  # ordinals are kept
        assert small.ordinal("zeta") == len(ENTITIES)
        for policy in ("lexical", "dense", "all"):
            assert first(small, "halo", policy)[0] in HALO, policy
            assert first(small, "zeta march", policy) == ["zeta"], policy
        assert first(small, "sad tune", "memory") == ["hurt-cash"]
        assert ids(small.search("halo", query_id=page.impression.query.id)) == ids(page)

    def test_nothing_is_served_before_the_indexes_follow(self, small):
        self.damaged(small)
        with Platform(small.settings, small.options) as platform:
            platform.storage.store.upsert(reversed(ENTITIES))
            with pytest.raises(Unavailable, match="bandstand index"):
                _ = platform.searching

    def test_without_the_list_of_ordinals_the_memory_is_learned_anew_by_entity(self, small):
        taught(small)
        page = small.search("halo")
        self.damaged(small)
        for path in parts(small, "catalog.ordinals"):
            path.unlink()
        again(small, [track("zeta", "Zeta March", "Nobody"), *reversed(ENTITIES)])
        assert small.ordinal("hurt-cash") != ENTITIES.index(next(e for e in ENTITIES if e.id == "hurt-cash"))
        assert first(small, "sad tune", "memory") == []  # nothing wrong meanwhile
        small.learn()
        small.clock.pass_(60 * MINUTE)
        small.search("one")
        small.learn()
        assert first(small, "sad tune", "memory") == ["hurt-cash"]
        seen = small.storage.memory.query_rows("sad tune")
        assert {row.ordinal for row in seen} <= {
            small.ordinal(entity) for entity in HALO | {"hurt-cash", "hurt-nin"}
        } | {small.ordinal(id_) for id_ in ids(small.search("sad tune"))}
        assert ids(small.search("halo", query_id=page.impression.query.id)) == ids(page)

    def test_an_older_catalogue_put_back_is_followed_from_there(self, small):
        small.platform.stop_searching()
        backup = small.settings.home.with_name("backup")
        small.close()
        shutil.copytree(small.settings.home, backup)
        small.reopen()
        again_of = [track(f"new-{n}", f"Newcomer {n}", "Ida") for n in range(3)]
        small.storage.store.upsert(again_of)
        small.learning_side.index()
        small.close()
        for path in parts(small, "catalog.sqlite"):
            path.unlink()
        shutil.copy(backup / "catalog.sqlite", small.settings.home)
        again(
            small,
            [track("other", "Other Tune", "Eve"), *again_of[:1], *(track(f"x{n}", f"X {n}", "Eve") for n in "abc")],
        )
        for policy in ("lexical", "dense", "all"):
            assert first(small, "other tune", policy) == ["other"], policy
            assert first(small, "newcomer 0", policy) == ["new-0"], policy
            assert "new-1" not in ids(small.search("newcomer 1", policy=policy)), policy


class TestALogMadeAnew:
    def test_a_log_moved_away_is_learned_from_its_beginning(self, small, told):
        for text in ("first", "second", "third"):
            taught(small, text)
        small.close()
        moved_away(small, "log.sqlite")
        small.reopen()
        taught(small)
        assert small.storage.memory.position() == small.storage.log.head()
        assert first(small, "sad tune", "memory") == first(small, "first", "memory") == ["hurt-cash"]
        assert any(entry["event"] == "log_set_back" for entry in told)

    @pytest.mark.parametrize("more", [1, 12], ids=["shorter than before", "longer than before"])
    def test_an_older_log_put_back_is_learned_from_where_it_parts(self, small, more):
        taught(small, "first")
        small.close()
        shutil.copy(small.storage.paths.log, small.settings.home / "backup")
        small.reopen()
        for text in ("second", "third", "fourth"):
            taught(small, text)
        small.close()
        shutil.copy(small.settings.home / "backup", small.storage.paths.log)
        small.platform = Platform(small.settings, small.options)
        small.storage = small.platform.storage
        small.home = small.platform.searching
        for number in range(more):
            small.play("hurt-cash", on=small.search(f"later {number}", user="ann"))
            small.play("hurt-cash", on=small.search(f"later {number}", user="bob"))
        small.learning_side = small.platform.learning
        small.learn()
        assert small.storage.memory.position() == small.storage.log.head()
        for text in ("first", "second", *(f"later {number}" for number in range(more))):
            (row,) = small.storage.memory.query_rows(text)
            assert row.plays == 2.0, text  # each once

    def test_the_last_versions_home_is_given_identities(self, small):
        taught(small)
        small.close()
        unidentified(small)
        small.reopen()
        small.learning_side.index()
        assert small.learning_side.learner.catch_up() == 0
        assert first(small, "sad tune", "memory") == ["hurt-cash"]
        assert first(small, "halo", "lexical")[0] in HALO
        taught(small, "another")
        small.restart()
        assert small.learning_side.learner.catch_up() == 0
        assert first(small, "another", "memory") == ["hurt-cash"]
