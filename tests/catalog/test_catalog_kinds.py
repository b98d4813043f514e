"""Kinds are stored by name: what the last version stored opens, and another kind changes nothing that is stored."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from base64 import b64encode
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pytest

from bandstand.catalog.codec import encode
from bandstand.catalog.sqlite_store import SqliteStore
from bandstand.opensearch.catalog import CATALOG, OpenSearchStore, key_of
from bandstand.opensearch.indices import described, live_index
from bandstand.types import KIND_SPECS, KINDS, Attribute, Entity

LAST_VERSION = Path(__file__).parent / "golden" / "last_version.sql"
"""A catalogue that the last version wrote: an entity of each kind, and a track that was deleted."""

WITH_A_LABEL = """
import json, sys, types
from pathlib import Path

path, where = map(Path, sys.argv[1:])
source = path.read_text("utf-8").replace('"track", "artist"', '"track", "label", "artist"')
source += "KIND_SPECS['label'] = replace(KIND_SPECS['artist'], code=6)\\n"
module = types.ModuleType("bandstand.types.kinds")
sys.modules[module.__name__] = module
exec(compile("from dataclasses import replace\\n" + source.replace("from __future__ import annotations", ""),
             str(path), "exec"), module.__dict__)

from bandstand.catalog.columns import Catalog
from bandstand.catalog.sqlite_store import SqliteStore
from bandstand.types import KINDS, Entity

store = SqliteStore(where, clock=lambda: 5.0)
before = store.head()
unchanged = store.upsert([entity for _, entity in store.scan()])
store.upsert([Entity(id="label:1", kind="label", title="A label")])
catalog = Catalog(store)
catalog.refresh()
held = [(KINDS[kind], id) for kind, id in zip(catalog.columns.kind, catalog.columns.ids) if id]
print(json.dumps({"kinds": KINDS, "changed": unchanged, "before": before, "held": held}))
"""
"""A version with one more kind, in the middle of the list, that opens a catalogue and shows what it reads."""


def entity(kind: str) -> Entity:
    return Entity(
        id=f"{kind}:1",
        kind=kind,
        title=f"A {kind}",
        artists=("Ana",),
        attributes=(Attribute("genre", "jazz", 0.9),),
        popularity=0.25,
        released="1999",
    )


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "catalog.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(LAST_VERSION.read_text("utf-8"))
    connection.close()
    return path


def version(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        return connection.execute("PRAGMA user_version").fetchone()[0]
    finally:
        connection.close()


def test_what_the_last_version_stored_opens_with_every_kind_right(old):
    store = SqliteStore(old, clock=lambda: 0.0)
    assert version(old) == 3
    assert [entity for _, entity in store.scan()] == [entity(kind) for kind in KINDS]
    assert store.recall(np.array([6], np.int32))[0].kind == "track"  # deleted, and still known
    assert store.head() == 8
    assert store.upsert([entity(kind) for kind in KINDS]) == 0, "the same content counts as a change"
    store.close()


def test_an_upgrade_that_is_interrupted_has_not_begun(old, monkeypatch):
    """Every row or none: here the process ends after the rows were written and before the transaction was."""
    connection = sqlite3.connect(old)
    before = connection.execute("SELECT * FROM entities").fetchall()
    connection.close()
    program = (
        "import os, sys, pathlib, bandstand.catalog.sqlite_store as s\n"
        "upgrades = s._FORMAT.upgrades\n"
        "whole = upgrades[1]\n"
        "upgrades[1] = lambda connection: (whole(connection), os._exit(9))\n"
        "s.SqliteStore(pathlib.Path(sys.argv[1]), clock=lambda: 0.0)"
    )
    assert subprocess.run([sys.executable, "-c", program, old], check=False).returncode == 9
    connection = sqlite3.connect(old)
    assert connection.execute("SELECT * FROM entities").fetchall() == before
    connection.close()
    assert version(old) == 1
    SqliteStore(old, clock=lambda: 0.0).close()
    assert version(old) == 3


def test_a_kind_put_into_the_middle_changes_nothing_that_is_stored(old):
    SqliteStore(old, clock=lambda: 0.0).close()
    kinds = sys.modules[KIND_SPECS["track"].__class__.__module__].__file__
    found = subprocess.run(
        [sys.executable, "-c", WITH_A_LABEL, kinds, old], check=True, capture_output=True, text=True, env=os.environ
    )
    seen = json.loads(found.stdout)
    assert seen["kinds"][:3] == ["track", "label", "artist"]
    assert seen["changed"] == 0
    held = [tuple(pair) for pair in seen["held"]]
    assert held == [*((kind, f"{kind}:1") for kind in KINDS), ("label", "label:1")]


def test_the_numbers_of_kinds_in_feature_rows_never_change():
    assert tuple(KIND_SPECS) == KINDS
    codes = {kind: spec.code for kind, spec in KIND_SPECS.items()}
    first = {"track": 0, "artist": 1, "album": 2, "playlist": 3, "station": 4, "podcast": 5}
    assert codes | first == codes
    assert len(set(codes.values())) == len(codes)


def test_a_catalogue_of_the_last_version_on_a_cluster_opens_with_every_kind_right(borrow_cluster):
    cluster = borrow_cluster()
    store = OpenSearchStore(cluster, clock=lambda: 0.0)
    store.upsert([entity(kind) for kind in KINDS])
    index = live_index(cluster, cluster.index(CATALOG.part))
    numbers = {"track": 0, "artist": 1, "album": 2, "playlist": 3, "station": 4, "podcast": 5}
    for kind in KINDS:  # as the last version wrote them
        payload = encode(entity(kind)).replace(f'"{kind}"'.encode(), str(numbers[kind]).encode(), 1)
        document = cluster.get(index, key_of(f"{kind}:1"))
        content = {"digest": blake2b(payload, digest_size=16).hexdigest(), "payload": b64encode(payload).decode()}
        cluster.put(index, document.id, {**document.source, **content})
    cluster.request("PUT", f"/{index}/_mapping", {"_meta": {"bandstand": {**CATALOG.meta, "format": 1}}})
    cluster.refresh(index)
    assert [entity for _, entity in store.scan()] == [entity(kind) for kind in KINDS], "read while it is of format 1"

    opened = OpenSearchStore(cluster, clock=lambda: 0.0)
    assert described(cluster, index) == CATALOG.meta
    assert [entity for _, entity in opened.scan()] == [entity(kind) for kind in KINDS]
    assert opened.upsert([entity(kind) for kind in KINDS]) == 0
