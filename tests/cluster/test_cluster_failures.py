"""Every way in which a cluster fails becomes an error of our tree that says what to do."""

from __future__ import annotations

import socket

import pytest
from opensearchpy import exceptions as upstream

from bandstand.errors import BandstandError, Conflict, MissingDependency, StorageError, Unavailable
from bandstand.opensearch.connection import Cluster, ClusterSettings, hits_of
from bandstand.opensearch.failures import failure, mapped

FULL = "disk usage exceeded flood-stage watermark, index has read-only-allow-delete block"


def arguments(kind):
    """Whatever an upstream exception needs to be made."""
    return (503, "boom", {"error": "boom"}) if issubclass(kind, upstream.TransportError) else ("boom",)


@pytest.mark.parametrize(
    "name", [n for n, kind in vars(upstream).items() if isinstance(kind, type) and issubclass(kind, Exception)]
)
def test_every_upstream_error_is_mapped(name):
    kind = getattr(upstream, name)
    cause = kind(*arguments(kind))
    with pytest.raises(BandstandError) as caught, mapped("the cluster"):
        raise cause
    assert caught.value.__cause__ is cause


@pytest.mark.parametrize(
    ("status", "kind", "reason", "error", "remedy"),
    [
        (409, "version_conflict_engine_exception", "", Conflict, "first"),
        (429, "", "", Unavailable, "more slowly"),
        (429, "cluster_block_exception", f"blocked by: [TOO_MANY_REQUESTS/12/{FULL}]", StorageError, "free space"),
        (403, "cluster_block_exception", "blocked by: [FORBIDDEN/8/index write (api)]", StorageError, "index.blocks"),
        (503, "cluster_block_exception", "blocked by: [SERVICE_UNAVAILABLE/2/no master]", Unavailable, "manager"),
        (400, "mapper_parsing_exception", "", StorageError, "index --rebuild"),
        (400, "strict_dynamic_mapping_exception", "", StorageError, "index --rebuild"),
        (401, "", "", StorageError, "BANDSTAND_OPENSEARCH_USER"),
        (403, "security_exception", "no permissions for [indices:data/write]", StorageError, "rights"),
        (404, "index_not_found_exception", "", Unavailable, "bandstand index"),
        (503, "no_shard_available_action_exception", "", Unavailable, "red"),
        (418, "teapot_exception", "", StorageError, "log"),
    ],
)  # fmt: skip
def test_each_kind_of_failure_names_its_remedy(status, kind, reason, error, remedy):
    found = failure(status, kind, reason, "the cluster")
    assert type(found) is error
    assert remedy in str(found)


def test_a_closed_port_is_unavailable_and_says_which():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    cluster = Cluster(ClusterSettings(urls=(url,)))
    with pytest.raises(Unavailable, match="cannot be reached") as caught:
        cluster.get("index", "id")
    assert url in str(caught.value)
    assert caught.value.retry_after > 0


def test_a_node_that_never_answers_costs_no_more_than_the_deadline():
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        cluster = Cluster(ClusterSettings(urls=(f"http://127.0.0.1:{deaf.getsockname()[1]}",)))
        with pytest.raises(Unavailable, match="did not answer in time"):
            cluster.search("index", {}, timeout=0.05)
        cluster.close()


def test_an_answer_that_is_no_json_is_a_storage_error(scripted):
    cluster, _ = scripted((200, "text"))
    with pytest.raises((StorageError, TypeError)):
        cluster.request("GET", "/")["version"]


def test_requests_can_be_signed_only_with_boto3_or_say_so():
    try:
        import boto3  # noqa: F401
    except ImportError:
        with pytest.raises(MissingDependency, match="pip install boto3"):
            Cluster(ClusterSettings(urls=("https://example.invalid",), aws_region="eu-west-1"))


def test_an_overloaded_cluster_is_asked_again_and_then_given_up(scripted):
    full = {"items": [{"index": {"status": 429, "error": {"type": "rejected_execution_exception", "reason": "full"}}}]}
    done = {"items": [{"index": {"status": 201}}]}
    cluster, node = scripted((200, full), (200, full), (200, done))
    assert cluster.bulk("index", [({"index": {"_id": "1"}}, {"a": 1})]) == [201]
    assert [asked[2] for asked in node.asked] == [b'{"index":{"_id":"1"}}\n{"a":1}\n'] * 3
    cluster, _ = scripted((200, full))
    with pytest.raises(Unavailable, match="overloaded"):
        cluster.bulk("index", [({"index": {"_id": "1"}}, {"a": 1})])


def test_only_what_was_refused_is_sent_again(scripted):
    error = {"type": "rejected_execution_exception", "reason": "full"}
    some = {"items": [{"index": {"status": 201}}, {"index": {"status": 429, "error": error}}]}
    cluster, node = scripted((200, some), (200, {"items": [{"index": {"status": 200}}]}))
    operations = [({"index": {"_id": id_}}, {}) for id_ in "ab"]
    assert cluster.bulk("index", operations) == [201, 200]
    assert b'"b"' in node.asked[1][2]
    assert b'"a"' not in node.asked[1][2]


def test_one_failed_search_of_several_leaves_the_others(scripted):
    refused = {"status": 429, "error": {"type": "rejected_execution_exception", "reason": "full"}}
    cluster, _ = scripted((200, {"responses": [{"hits": {"hits": [1]}}, refused, {"timed_out": True}, {}]}))
    good, full, late, empty = cluster.msearch([("index", {})] * 4)
    assert hits_of(good) == [1]
    assert hits_of(empty) == []
    for answer, words in ((full, "overloaded"), (late, "in time")):
        with pytest.raises(Unavailable, match=words):
            hits_of(answer)


def test_a_second_node_answers_for_one_that_is_gone(scripted):
    _, node = scripted((200, {"docs": []}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        gone = f"http://127.0.0.1:{free.getsockname()[1]}"
    cluster = Cluster(ClusterSettings(urls=(gone, node.url)))
    for _ in range(4):
        assert cluster.mget("index", ["1"]) == {}
    cluster.close()


def test_passwords_are_not_printed():
    assert "secret" not in repr(ClusterSettings(urls=("http://x",), user="u", password="secret"))
