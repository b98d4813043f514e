"""A home on a cluster: round trips, indices built anew under searches, and what is left when the cluster fails."""

from __future__ import annotations

import json
import socket
import threading
import zlib
from base64 import b64decode
from contextlib import suppress

import pytest

from bandstand.app.personal import order_to_forget
from bandstand.app.searching import SearchingSide
from bandstand.errors import StorageError, Unavailable
from bandstand.learner.apply import ERASE
from bandstand.opensearch.connection import ClusterSettings, new_client
from bandstand.opensearch.indices import live_index
from tests.support.small_home import ENTITIES, SmallHome, ids, track


def settings_for(cluster):
    return {
        "backend": "opensearch",
        "opensearch_url": ",".join(cluster.settings.urls),
        "opensearch_prefix": cluster.settings.prefix,
    }


@pytest.fixture
def small(cluster, tmp_path):
    opened = SmallHome(tmp_path / "home", **settings_for(cluster))
    yield opened
    opened.close()


@pytest.fixture
def asked(small):
    """The paths of what this home asks the cluster for."""
    paths, send = [], small.storage.backend.cluster.request

    def noted(method, path, *words, **named):
        delivers = threading.current_thread().name == "bandstand-relay"
        if not delivers and "-state/" not in path:  # not what the log and the learner's lease do meanwhile
            paths.append(path)
        return send(method, path, *words, **named)

    small.storage.backend.cluster.request = noted
    return paths


@pytest.fixture
def unreachable(small):
    """Cuts the line to the cluster."""

    def cut():
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{free.getsockname()[1]}"
        small.storage.backend.cluster._client = new_client(ClusterSettings(urls=(url,)))

    return cut


TEXTS = ("lexical", "trigram")


def statuses(result):
    return {outcome.retriever: outcome.status for outcome in result.impression.outcomes}


class TestRoundTrips:
    def test_everything_cheap_is_one_and_the_vectors_are_one(self, small, asked):
        small.search("halo", policy="all")  # entities are fetched once
        asked.clear()
        found = statuses(small.search("halo", policy="all"))
        assert set(found.values()) == {"ok"}
        assert asked == ["/_msearch", "/_msearch"]

    def test_corrected_words_travel_with_the_typed_ones(self, small, asked):
        small.search("hallelujha", policy="all")
        asked.clear()
        result = small.search("hallelujha", policy="all")
        assert result.impression.query.meant == "hallelujah"
        assert set(statuses(result).values()) == {"ok"}
        assert ids(result)[0] == "hallelujah"
        assert asked == ["/_msearch", "/_msearch"]

    def test_the_decision_precedes_the_expensive_request(self, small, asked):
        assert not small.home.speculation.possible
        for number in range(8):
            asked.clear()
            result = small.search("halo", policy="random", user=f"u{number}")
            depths = {arm.arm: arm.depth for arm in result.impression.decision.arms}
            texts = any(status == "rescue" or depths[arm] for arm, status in statuses(result).items() if arm in TEXTS)
            assert asked == ["/_msearch"] * (texts + bool(depths["dense"]))

    def test_what_was_not_chosen_is_not_asked(self, small, asked):
        small.search("halo", policy="lexical")
        asked.clear()
        small.search("halo", policy="lexical")
        assert asked == ["/_msearch"]
        asked.clear()
        small.search("halo", policy="memory")
        assert asked == []


class TestRebuilding:
    def test_no_search_fails_or_changes_meanwhile(self, small):
        cluster, before = small.storage.backend.cluster, ids(small.search("halo", policy="hybrid"))
        pages, bad, stop = set(), [], threading.Event()

        def search():
            while not stop.is_set():
                result = small.search("halo", policy="hybrid")
                pages.add(tuple(ids(result)))
                bad.extend(arm for arm, status in statuses(result).items() if status in ("late", "failed"))

        searching = threading.Thread(target=search)
        searching.start()
        small.storage.backend.rebuild_catalogue()
        small.learning_side.reset()
        small.learning_side.index()
        small.home.refresh()
        stop.set()
        searching.join()
        assert bad == []
        assert pages == {tuple(before)}
        for part in ("catalog", "text", "vectors"):
            alias = cluster.index(part)
            assert live_index(cluster, alias) == f"{alias}-v0002"
        assert small.home.searchable == small.storage.store.head()

    def test_entities_that_come_meanwhile_are_not_lost(self, small):
        renewed = threading.Thread(target=small.storage.backend.rebuild_catalogue)
        renewed.start()
        added = 0
        while renewed.is_alive() or not added:
            with suppress(Unavailable):  # for a moment, while the last changes are copied
                added += small.storage.store.upsert([track(f"new-{added}", f"Song {added}", "Ida")])
        renewed.join()
        assert small.storage.store.count() == len(ENTITIES) + added
        small.learning_side.index()
        small.home.refresh()
        assert small.home.catalog.columns.live.sum() == len(ENTITIES) + added


class TestFailing:
    def test_without_a_cluster_the_memory_still_answers(self, small, unreachable):
        for user in ("ann", "bob"):
            small.act("hurt-cash", on=small.search("my sad song", user=user))
        small.storage.log.deliver()
        small.learn()
        small.search("my sad song", policy="all", k=50)  # entities are kept once they were shown
        unreachable()
        assert ids(small.search("my sad song", policy="memory")) == ["hurt-cash"]
        found = statuses(small.search("my sad song", policy="all"))
        assert {arm for arm, status in found.items() if status == "failed"} == {"lexical", "trigram", "dense"}
        assert found["memory"] == "ok"

    def test_without_a_cluster_refreshing_says_so_and_when_to_try_again(self, small, unreachable):
        unreachable()
        with pytest.raises(Unavailable, match="cannot be reached") as caught:
            small.home.refresh()
        assert caught.value.retry_after > 0

    def test_a_full_disk_stops_writing_and_nothing_else(self, small):
        cluster = small.storage.backend.cluster
        cluster.request("PUT", f"/{cluster.index('catalog')}/_settings", {"index.blocks.read_only_allow_delete": True})
        with pytest.raises(StorageError, match="flood-stage"):
            small.storage.store.upsert([track("new", "New", "Ida")])
        assert ids(small.search("halo"))
        cluster.request("PUT", f"/{cluster.index('catalog')}/_settings", {"index.blocks.read_only_allow_delete": None})
        assert small.storage.store.upsert([track("new", "New", "Ida")]) == 1

    def test_a_wrong_mapping_is_named_and_built_anew(self, small):
        cluster = small.storage.backend.cluster
        alias = cluster.index("text")
        cluster.request("DELETE", f"/{alias}-v0001")
        cluster.request("PUT", f"/{alias}-v0001", {"aliases": {alias: {}}})
        result = small.search("halo", policy="all")
        assert statuses(result)["dense"] == "ok"
        assert ids(result)
        with pytest.raises(Unavailable, match="bandstand index"):
            SearchingSide(small.storage)
        small.learning_side.reset()
        small.learning_side.index()
        small.home.refresh()
        assert set(statuses(small.search("halo", policy="all")).values()) == {"ok"}

    def test_a_red_index_fails_the_arms_over_it_alone(self, small):
        cluster = small.storage.backend.cluster
        alias = cluster.index("vectors")
        body = cluster.request("GET", f"/{alias}-v0001/_mapping")[f"{alias}-v0001"]
        cluster.request("DELETE", f"/{alias}-v0001")
        settings = {"index": {"knn": True, "routing.allocation.require.name": "nobody"}}
        cluster.request(
            "PUT", f"/{alias}-v0001", {**body, "settings": settings, "aliases": {alias: {}}},
            params={"wait_for_active_shards": 0},
        )  # fmt: skip
        found = statuses(small.search("halo", policy="all"))
        assert {arm for arm, status in found.items() if status != "ok"} == {"dense"}

    def test_a_slow_node_costs_a_search_no_more_than_its_deadline(self, cluster, tmp_path):
        small = SmallHome(tmp_path / "home", **settings_for(cluster))
        home = SearchingSide(small.storage)
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
            home.retrievers.retrievers["lexical"]._inner._first._deadline_s = 0.05
            good, small.storage.backend.cluster._client = (
                small.storage.backend.cluster._client,
                new_client(ClusterSettings(urls=(url,))),
            )
            query = home.engine.query(small_request("halo"))
            answer = home.engine.answer(query, home.engine.policy("lexical"))
            small.storage.backend.cluster._client = good
        assert {o.retriever: o.status for o in answer.impression.outcomes}["lexical"] == "failed"
        assert answer.impression.took_ms < 1_000
        home.close()
        small.close()


def small_request(text):
    from bandstand.engine.request import SearchRequest

    return SearchRequest(query=text)


class TestRelated:
    def test_neighbours_are_one_round_trip(self, small, asked):
        small.home.relater.related("so-what")
        asked.clear()
        found = {each.entity.id: dict(each.sources) for each in small.home.relater.related("so-what", 50)}
        assert set(found["blue-in-green"]) >= {"artist", "dense"}
        assert asked.count("/_msearch") == 1

    def test_clicks_teach_it_on_a_cluster_too(self, small):
        for user in ("ann", "bob"):
            for entity in ("hello", "thunderstruck"):
                small.act(entity, user_id=user)
        small.learn()
        found = {each.entity.id: dict(each.sources) for each in small.home.relater.related("hello", 50)}
        assert found["thunderstruck"]["together"] == pytest.approx(2 / 7)

    def test_without_the_cluster_it_says_so(self, small, unreachable):
        unreachable()
        with pytest.raises((StorageError, Unavailable)):
            small.home.relater.related("halo")


def test_suggestions_come_from_this_machines_copy(small, asked):
    small.home.suggester.suggest("hal", 5)
    asked.clear()
    assert small.home.suggester.suggest("beyonse", 5)[0].text == "Beyoncé"
    assert asked == []


def test_a_late_event_is_not_learned_under_a_forgotten_user(small):
    found = small.search("halo", user="u1")
    small.act("halo", on=found)
    small.learn()
    assert small.storage.memory.knows("u1")
    small.storage.log.delete_user("u1")
    small.storage.log.append_control("forget_user", {"user_id": "u1"})
    small.learn()
    assert not small.storage.memory.knows("u1")
    small.act("halo", on=found, user_id=None, session_id=None)
    small.learn()
    assert not small.storage.memory.knows("u1")


def documents(cluster):
    """Every document that can be read, with what is encoded in it."""
    index = f"{cluster.settings.prefix}-*"
    cluster.refresh(index)
    for hit in cluster.request("POST", f"/{index}/_search", {"size": 10_000})["hits"]["hits"]:
        source = hit["_source"]
        yield hit["_index"], json.dumps([hit["_id"], source], ensure_ascii=False).encode()
        for name in {"key", "value", "writes", "payload", "data"} & source.keys():
            raw = b64decode(source[name])
            yield hit["_index"], zlib.decompress(raw) if name == "writes" else raw


def test_who_is_forgotten_is_in_no_document_and_no_file(small):
    user, session, query = "ann-with-an-unmistakable-name", "a-session-like-no-other", "unmistakable humming thing"
    cluster, memory = small.storage.backend.cluster, small.storage.memory
    for name in ("bob", "cat", user):
        small.play("halo", on=small.search("the one with the halo", user=name))
    small.act("so-what", on=small.search(query, session=session))
    small.play("so-what", on=small.search(query, session=session, user=user))
    small.learn()
    wanted = (user.encode(), session.encode(), query.encode())

    def held():
        files = [path for path in small.settings.home.rglob("*") if path.is_file()]
        contents = [*documents(cluster), *((path.name, path.read_bytes()) for path in files)]
        return {where for where, content in contents if any(needle in content for needle in wanted)}

    parts = ("ubi_queries", "ubi_events", "memory-journal")
    assert all(any(f"-{part}" in where for where in held()) for part in parts)

    order_to_forget(small.storage.log, user)
    small.learn()
    assert {where.rpartition("-v")[0] for where in held()} == {f"{cluster.settings.prefix}-memory-journal"}
    small.clock.pass_(31)  # others have had the time to follow
    small.learn()
    assert held() == set()
    assert memory.state(ERASE) is None
    rows = memory.exact("the one with the halo", user=None, now=small.clock())
    assert rows.ordinals.tolist() == [small.ordinal("halo")]
