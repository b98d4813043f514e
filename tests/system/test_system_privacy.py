"""Privacy from end to end: the register of personal data is whole, and who is forgotten is in no byte of any file."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from fnmatch import fnmatch
from pathlib import Path

import msgspec
import pytest
import structlog

from bandstand.app.personal import PLACES, order_to_forget
from bandstand.backend import Paths
from bandstand.catalog.sources import Source
from bandstand.dashboard.minutes import Minutes
from bandstand.learner.apply import ERASE
from bandstand.learner.experiment import START_EXPERIMENT
from bandstand.learner.parking import parked_entries
from bandstand.learner.query_stats import read_query_stats
from bandstand.learner.relabelling import hashed
from bandstand.memory_index.environment import DATABASES
from bandstand.memory_index.keys import user_key
from bandstand.subsonic.trail import Shown, Trail
from bandstand.types.hashing import digest
from tests.support.small_home import MINUTE, SmallHome

USER, SESSION, QUERY = "ann-with-an-unmistakable-name", "a-session-like-no-other", "unmistakable humming thing"


@pytest.fixture
def small(made_once, tmp_path) -> Iterator[SmallHome]:
    opened = SmallHome.copied(made_once, tmp_path / "home")
    yield opened
    opened.close()


def finalize(small) -> None:
    small.learn()
    small.clock.pass_(60 * MINUTE)
    small.learn()


def live(small) -> None:
    """What everybody does, and what somebody does nobody else has thought of: first by session alone, then by name."""
    begins = {"id": "try", "a": "bandit", "b": "all", "share": 0.5, "alpha": 0.05, "window_s": 60.0}
    small.storage.log.append_control(START_EXPERIMENT, begins)
    small.learn()
    for user in ("bob", "cat", USER):
        small.play("halo", on=small.search("the one with the halo", user=user, session=f"{SESSION} of {user}"))
    small.act("so-what", on=small.search(QUERY, session=SESSION))
    small.search(f"{QUERY} again", session=SESSION, user=USER)
    small.play("so-what", on=small.search(QUERY, session=SESSION, user=USER))
    small.act(
        "halo", user_id=USER, session_id=SESSION, payload='{"event_attributes": ["related_to"]}'
    )  # nobody can learn this
    finalize(small)
    small.search(f"{QUERY} still", user=USER, session=SESSION)  # its window is open
    small.learn()


def needles(small) -> dict[str, bytes]:
    """Everything by which somebody could be found again."""
    secret = small.storage.memory._secret
    names = (USER, f"session:{SESSION}")
    return {
        "user": USER.encode(), "session": SESSION.encode(), "query": QUERY.encode(),
        **{f"hash of {name}": hashed(name).encode() for name in names},
        **{f"key of {name}": user_key(name, secret) for name in names},
        "account": digest(USER, 16),
    }  # fmt: skip


def held(small, wanted: dict[str, bytes]) -> dict[str, set[str]]:
    """Which of them are in which files, byte by byte; the home is open, so that nothing is tidied up by closing it."""
    found: dict[str, set[str]] = {}
    for path in small.settings.home.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        for what, needle in wanted.items():
            if needle in content:
                found.setdefault(what, set()).add(path.name)
    return found


def test_who_is_forgotten_is_in_no_byte_of_any_file(small):
    with closing(Trail(Paths(small.settings.home).shown, small.clock)) as trail:
        trail.note(USER, QUERY, Shown("q1", ("halo",), {}))
        with structlog.testing.capture_logs():
            live(small)
        wanted = needles(small)
        before = held(small, wanted)
        assert before.keys() == wanted.keys()
        assert "data.mdb" in before["query"]
        assert small.home.suggester.suggest("unmistakable", 5)
        assert {one.text for one in read_query_stats(small.storage.memory.scan)} == {QUERY, "the one with the halo"}
        assert len(parked_entries(small.storage.memory.scan)) == 1

        trail.forget(USER)
        order_to_forget(small.storage.log, USER)
        small.learn()

        left = held(small, {**wanted, "session": f"{SESSION} of {USER}".encode()})
        assert left == {}
        assert SESSION.encode() + b" of bob" in (small.settings.home / "log.sqlite").read_bytes()
        assert small.storage.memory.state(ERASE) is None
        assert not small.home.suggester.suggest("unmistakable", 5)
        assert {one.text for one in read_query_stats(small.storage.memory.scan)} == {"the one with the halo"}
        assert parked_entries(small.storage.memory.scan) == []
        rows = small.storage.memory.exact("the one with the halo", user=None, now=small.clock())
        assert rows.ordinals.tolist() == [small.ordinal("halo")]  # what bob and cat agree on stays

        for user in ("dan", "eve"):  # and what is written later brings nothing back
            small.play("hello", on=small.search("a greeting", user=user))
        finalize(small)
        assert held(small, {**wanted, "session": f"{SESSION} of {USER}".encode()}) == {}


def test_what_waits_to_be_overwritten_is_so_soon_however_much_there_is_to_learn(small):
    with structlog.testing.capture_logs():
        live(small)
    order_to_forget(small.storage.log, USER)
    learner = small.learning_side.learner
    for _ in range(60):
        small.search("hello", user="bob")
        learner.step()
        small.clock.pass_(1)
    assert small.storage.memory.state(ERASE) is None


def named(kind: str) -> list[str]:
    return [place.name for place in PLACES if place.kind == kind]


def full_home(small) -> None:
    """A home with every file that a part of the platform writes without a network."""
    paths = Paths(small.settings.home)
    live(small)
    small.learning_side.train(small.home)
    small.learning_side.learner.publish()
    with closing(Trail(paths.shown, small.clock)) as trail:
        trail.note("bob", "hello", Shown("q1", ("hello",), {}))
    Minutes(paths.minutes).close()
    with closing(Source(paths.sources, "library")) as source:
        source.keep([("a", "b", b"c")])


@pytest.mark.filterwarnings("ignore")
def test_the_register_knows_every_file_table_database_and_key(small):
    with structlog.testing.capture_logs():
        full_home(small)
    home: Path = small.settings.home
    files = [path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()]
    patterns = [*named("file"), *(name.partition("/")[0] for name in named("table"))]
    assert [file for file in files if not any(fnmatch(file, pattern) for pattern in patterns)] == []
    paths = [Path(path).name for name, path in vars(Paths(home)).items() if isinstance(path, Path) and name != "home"]
    known = {pattern.partition("/")[0] for pattern in [*patterns, "mirror"]}
    assert [path for path in paths if not any(fnmatch(path, pattern) for pattern in known)] == []

    tables = {place.name: place.parts for place in PLACES if place.kind == "table"}
    for file in files:
        if file.endswith((".sqlite", "catalog.ordinals")):
            with closing(sqlite3.connect(home / file)) as database:
                there = database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
                for (table,) in there:
                    columns = tuple(row[1] for row in database.execute(f"PRAGMA table_info({table})"))
                    known = [parts for name, parts in tables.items() if fnmatch(f"{file}/{table}", name)]
                    assert table.startswith("sqlite_") or known == [columns], f"{file}/{table}"

    assert set(named("database")) == set(DATABASES)
    with small.storage.memory._env.reading() as txn:
        keys = [bytes(key) for key, _ in txn.cursor(db=small.storage.memory._env.dbs["state"])]
    assert keys
    assert [key for key in keys if not key.startswith(tuple(name.encode() for name in named("state")))] == []


def test_the_register_knows_every_index_and_field():
    from bandstand.opensearch import catalog, indices, log_order, memory, models, text_index, ubi_indices
    from bandstand.opensearch.vector_index import vector_schema

    modules = (catalog, indices, log_order, memory, models, text_index, ubi_indices)
    schemas = [value for module in modules for value in vars(module).values() if isinstance(value, indices.Schema)]
    found = {schema.part: schema.properties for schema in [*schemas, vector_schema("x", 4)]}
    places = {place.name: place for place in PLACES if place.kind == "index"}
    assert found.keys() == places.keys()
    source = "".join(path.read_text() for path in Path(indices.__file__).parent.glob("*.py"))
    assert len(re.findall(r"\bSchema\(\s*part=", source)) == len(found)
    for name, place in places.items():
        if place.parts or place.holds:  # text and vectors are made of the catalogue alone
            assert set(place.parts) == set(found[name]), name


def test_the_register_says_of_everything_personal_how_long_and_how_it_goes():
    for place in PLACES:
        assert bool(place.holds) == bool(place.kept) == bool(place.goes), place.name
    assert len({(place.kind, place.name) for place in PLACES}) == len(PLACES)
    assert msgspec.json.encode(PLACES)
