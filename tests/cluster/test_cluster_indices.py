"""Versioned indices behind an alias, on a real node."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from bandstand.errors import Conflict, StorageError, Unavailable
from bandstand.opensearch.health import examine
from bandstand.opensearch.indices import (
    STATE,
    FollowingIndex,
    Schema,
    create,
    described,
    drop,
    ensure,
    live_index,
    next_version,
    serving,
    swap,
    versioned,
)
from bandstand.types import Place

SCHEMA = Schema(part="things", format=1, properties={"n": {"type": "integer"}})


def test_an_index_is_made_once_and_checked_ever_after(cluster):
    alias = ensure(cluster, SCHEMA)
    assert ensure(cluster, SCHEMA) == alias
    assert live_index(cluster, alias) == f"{alias}-v0001"
    assert described(cluster, alias + "-v0001") == {"part": "things", "format": 1}
    with pytest.raises(Unavailable, match="index --rebuild"):
        ensure(cluster, replace(SCHEMA, format=2))


def test_an_index_of_somebody_else_is_refused(cluster):
    cluster.request("PUT", f"/{cluster.index('things')}-v0001", {"aliases": {cluster.index("things"): {}}})
    with pytest.raises(Unavailable, match="index --rebuild"):
        ensure(cluster, SCHEMA)


def test_what_the_mapping_does_not_know_is_refused(cluster):
    alias = ensure(cluster, SCHEMA)
    with pytest.raises(StorageError, match="another mapping"):
        cluster.bulk(alias, [({"index": {"_id": "1"}}, {"unheard of": 1})])
    with pytest.raises(StorageError, match="another mapping"):
        cluster.put(alias, "1", {"n": "no number"})


def test_a_swap_is_seen_by_every_search_at_once(cluster):
    """No search meanwhile fails, or finds anything but the old state or the new."""
    alias = ensure(cluster, SCHEMA)
    cluster.put(alias, "old", {"n": 1}, refresh=True)
    name = next_version(cluster, SCHEMA)
    cluster.put(name, "new", {"n": 2}, refresh=True)
    seen, stop = set(), threading.Event()

    def search() -> None:
        while not stop.is_set():
            seen.add(tuple(hit["_id"] for hit in cluster.search(alias, {})["hits"]["hits"]))

    searching = threading.Thread(target=search)
    searching.start()
    old = swap(cluster, "things", name)
    drop(cluster, old)
    while ("new",) not in seen:
        assert searching.is_alive()
    stop.set()
    searching.join()
    assert seen <= {("old",), ("new",)}
    assert old == [f"{alias}-v0001"]
    assert next_version(cluster, SCHEMA) == f"{alias}-v0003"


def test_optimistic_writes_lose_to_who_was_first(cluster):
    index = ensure(cluster, STATE)
    cluster.put(index, "x", {"n": 1}, create=True)
    with pytest.raises(Conflict):
        cluster.put(index, "x", {"n": 1}, create=True)
    seen = cluster.get(index, "x")
    cluster.put(index, "x", {"n": 2}, at=seen)
    with pytest.raises(Conflict):
        cluster.put(index, "x", {"n": 3}, at=seen)
    assert cluster.get(index, "x").source == {"n": 2}


def test_edits_of_many_threads_are_all_kept(cluster):
    index = ensure(cluster, STATE)

    def add(_: int) -> None:
        for _ in range(10):
            cluster.change(index, "counter", lambda state: {"n": state.get("n", 0) + 1})

    threads = [threading.Thread(target=add, args=(at,)) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cluster.get(index, "counter").source == {"n": 40}


def test_a_scan_reads_page_after_page(cluster):
    alias = ensure(cluster, SCHEMA)
    cluster.bulk(alias, (({"index": {"_id": str(n)}}, {"n": n}) for n in range(25)), refresh=True)
    hits = cluster.scan(alias, {"range": {"n": {"gte": 3}}}, sort="n", page=4)
    assert [hit["_source"]["n"] for hit in hits] == list(range(3, 25))


class TestBlocks:
    def test_a_read_only_index_says_that_a_disk_is_full(self, cluster):
        alias = ensure(cluster, SCHEMA)
        cluster.request("PUT", f"/{alias}/_settings", {"index.blocks.read_only_allow_delete": True})
        with pytest.raises(StorageError, match="flood-stage"):
            cluster.put(alias, "1", {"n": 1})
        with pytest.raises(StorageError, match="flood-stage"):
            cluster.bulk(alias, [({"index": {"_id": "1"}}, {"n": 1})])
        assert [found.what for found in examine(cluster) if not found.ok] == ["blocks"]

    def test_a_red_index_says_so(self, cluster):
        alias = ensure(cluster, SCHEMA)
        drop(cluster, [f"{alias}-v0001"])
        body = SCHEMA.body(1)
        body["settings"]["index"] |= {"routing.allocation.require.name": "a node that is not there"}
        cluster.request(
            "PUT", f"/{alias}-v0001", {**body, "aliases": {alias: {}}}, params={"wait_for_active_shards": 0}
        )
        with pytest.raises(Unavailable, match="red"):
            cluster.search(alias, {}, timeout=5.0)
        (answer,) = cluster.msearch([(alias, {})], timeout=5.0)
        assert isinstance(answer, Unavailable)
        assert "red" in str(answer)
        shards = next(found for found in examine(cluster) if found.what == "shards")
        assert not shards.ok
        assert "no live copy" in shards.says


def served(cluster, schema):
    found = serving(cluster, schema.part, schema.format)
    return found.index, found.place.number


class TestFollowing:
    def documents(self, cluster):
        alias = cluster.index("things")
        return sorted(hit["_source"]["n"] for hit in cluster.search(alias, {"size": 100})["hits"]["hits"])

    def test_it_remembers_how_far_it_came(self, cluster):
        first = FollowingIndex(cluster, SCHEMA, head=lambda: 2)
        assert first.seq == 0
        first.write([(versioned(0, 1), {"n": 10}), (versioned(1, 2), {"n": 11})], Place(2))
        assert FollowingIndex(cluster, SCHEMA, head=lambda: 2).seq == 2
        assert served(cluster, SCHEMA) == (f"{cluster.index('things')}-v0001", 2)
        assert self.documents(cluster) == [10, 11]

    def test_an_older_change_never_replaces_a_newer_one(self, cluster):
        index = FollowingIndex(cluster, SCHEMA, head=lambda: 9)
        index.write([(versioned(0, 5), {"n": 5}), (versioned(1, 6, "delete"), None)], Place(6))
        index.write([(versioned(0, 3), {"n": 3}), (versioned(1, 4), {"n": 4})], Place(6))
        assert self.documents(cluster) == [5]

    def test_the_old_version_serves_until_the_new_one_is_complete(self, cluster):
        index = FollowingIndex(cluster, SCHEMA, head=lambda: 2)
        index.write([(versioned(0, 1), {"n": 10}), (versioned(1, 2), {"n": 11})], Place(2))
        index.rebuild()
        assert index.seq == 0
        index.write([(versioned(0, 1), {"n": 20})], Place(1))
        assert self.documents(cluster) == [10, 11]
        index.write([(versioned(1, 2), {"n": 21})], Place(2))
        assert self.documents(cluster) == [20, 21]
        assert served(cluster, SCHEMA) == (f"{cluster.index('things')}-v0002", 2)

    def test_an_index_of_another_format_is_built_anew_and_serves_till_then(self, cluster):
        FollowingIndex(cluster, SCHEMA, head=lambda: 1).write([(versioned(0, 1), {"n": 1})], Place(1))
        newer = replace(SCHEMA, format=2)
        index = FollowingIndex(cluster, newer, head=lambda: 1)
        assert (index.seq, self.documents(cluster)) == (0, [1])
        with pytest.raises(Unavailable, match="bandstand index"):
            served(cluster, newer)
        index.write([(versioned(0, 1), {"n": 2})], Place(1))
        assert (served(cluster, newer)[1], self.documents(cluster)) == (1, [2])

    def test_without_an_index_it_says_what_to_run(self, cluster):
        with pytest.raises(Unavailable, match="bandstand index"):
            served(cluster, SCHEMA)


def test_a_good_cluster_passes_the_doctor(cluster):
    found = list(examine(cluster))
    assert {"cluster", "shards", "rights", "k-NN"} <= {each.what for each in found}
    assert all(each.ok for each in found), found
    assert live_index(cluster, cluster.index("doctor")) is None


def test_a_name_that_was_taken_meanwhile_is_no_error(cluster):
    create(cluster, SCHEMA, f"{cluster.index('things')}-v0001")
    create(cluster, SCHEMA, f"{cluster.index('things')}-v0001")
