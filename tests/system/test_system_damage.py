"""One byte of a home's file changed, or its end cut off: `doctor --deep` finds it, or nothing comes of it."""

from __future__ import annotations

import shutil
from contextlib import closing

import pytest
import structlog

from bandstand.app.deep import PARTS, Examination
from bandstand.catalog.sqlite_store import SqliteStore
from bandstand.errors import BandstandError
from bandstand.feedback.sqlite_log import SqliteLog
from bandstand.memory_index.memory import Memory
from tests.support.small_home import ENTITIES, NOW, SmallHome

PART_OF = {
    "catalog.sqlite": "catalogue",
    "catalog.ordinals": "catalogue",
    "log.sqlite": "log",
    "memory": "memory",
    "text": "text index",
    "vectors.sqlite": "vectors",
    "models": "models",
}
"""The part that the files of a home belong to; empty locks and what other processes are told are no part of any."""

OF_NO_MATTER = {"lock.mdb", ".managed.json", "threads.json"}
"""Rebuilt at the next opening; a list of files that are to be deleted some day; told anew by the next server."""


def made(folder):
    small = SmallHome(folder)
    for user in ("ann", "bob"):
        small.play("hurt-cash", on=small.search("sad tune", user=user))
    small.learn()
    small.learning_side.learner.publish()
    small.close()


@pytest.fixture(scope="module")
def home(made_once, tmp_path_factory):
    return shutil.copytree(made_once("damage", made), tmp_path_factory.mktemp("damage") / "home")


def looked_into(home, part):
    return Examination(home, lambda: NOW).part(part)


def known(home, part):
    """What a part tells its readers, as plain values."""
    if part == "catalogue":
        with closing(SqliteStore(home / "catalog.sqlite", clock=lambda: NOW)) as store:
            changes = [(change.ordinal, change.entity, change.added) for change in store.changes(0, 1_000)]
            return changes, store.ordinals([entity.id for entity in ENTITIES]).tolist()
    if part == "memory":
        with closing(Memory(home / "memory")) as memory, memory._env.reading() as txn:
            return {name: [(bytes(k), bytes(v)) for k, v in txn.cursor(db=db)] for name, db in memory._env.dbs.items()}
    with closing(SqliteLog(home / "log.sqlite", clock=lambda: NOW)) as log:
        return [(entry.seq, entry.kind, round(entry.time), repr(entry.record)) for entry in log.read(0, 1_000)]


def harmless(home, part, before):
    """Whether what was damaged is refused aloud, or tells the same as before."""
    try:
        return known(home, part) == before
    except BandstandError:
        return True


def files(home):
    for path in sorted(home.rglob("*")):
        part = PART_OF.get(path.relative_to(home).parts[0])
        if path.is_file() and path.stat().st_size and part and path.name not in OF_NO_MATTER:
            yield part, path


def damages(content):
    """The content with one byte changed, at places all over it, and cut short."""
    step = max(len(content) // 10, 1)
    for at in range(step // 3, len(content), step):
        if content[at]:  # zeros are mostly room that nothing is kept in
            yield content[:at] + bytes([content[at] ^ 0x41]) + content[at + 1 :]
    yield content[: len(content) // 2]


@pytest.mark.slow
def test_every_damage_is_found_or_harmless(home):
    with structlog.testing.capture_logs():
        for part in PARTS:
            assert looked_into(home, part).ok, looked_into(home, part).says
        whole = {part: known(home, part) for part in ("catalogue", "log", "memory")}
        missed, tried = [], 0
        for part, path in files(home):
            content = path.read_bytes()
            for number, damaged in enumerate(damages(content)):
                path.write_bytes(damaged)
                found = looked_into(home, part)
                tried += 1
                if found.ok and not (part in whole and harmless(home, part, whole[part])):
                    missed.append(f"{path.relative_to(home)} {number}")
                elif not found.ok:
                    assert any(word in found.says for word in ("bandstand", "delete", "restore")), found.says
                path.write_bytes(content)
                for beside in path.parent.glob(f"{path.name}-*"):
                    beside.unlink()
        assert tried > 80
        assert missed == []
