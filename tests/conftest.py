"""What several folders need: a connection to a real OpenSearch, under index names of the test's own."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator

import pytest

from bandstand.opensearch.connection import Cluster, ClusterSettings

os.environ.setdefault("BANDSTAND_ABLATION_SHARE", "0")
"""By default two searches in a hundred, by the hash of a random id, log one event more: a test that counts events would
fail as often. Tests of these records set a share."""


def pytest_configure(config: pytest.Config) -> None:
    """An environment that was installed before the plug-in came along does not name it yet."""
    if not config.pluginmanager.has_plugin("bandstand"):
        config.pluginmanager.import_plugin("bandstand.testing.plugin")


@pytest.fixture(scope="session")
def opensearch_url() -> str:
    """The address of a node for tests; without one the test is skipped."""
    url = os.environ.get("OPENSEARCH_URL")
    if not url:
        pytest.skip("OPENSEARCH_URL does not name an OpenSearch for tests")
    return url


@pytest.fixture(scope="session")
def new_cluster(opensearch_url: str) -> Iterator[Callable[[], Cluster]]:
    """Opens connections, each with a random index prefix; their indices are deleted when the tests end."""
    opened: list[Cluster] = []

    def connect() -> Cluster:
        prefix = f"test-{uuid.uuid4().hex[:12]}"
        opened.append(Cluster(ClusterSettings(urls=tuple(opensearch_url.split(",")), prefix=prefix)))
        return opened[-1]

    yield connect
    for cluster in opened:
        cluster.request("DELETE", f"/{cluster.settings.prefix}-*", params={"expand_wildcards": "all"})
        cluster.close()


@pytest.fixture
def cluster(new_cluster: Callable[[], Cluster]) -> Iterator[Cluster]:
    """A cluster in which the test finds no index; what it made is deleted at once: a test node has little memory."""
    connected = new_cluster()
    yield connected
    connected.request("DELETE", f"/{connected.settings.prefix}-*", params={"expand_wildcards": "all"})


@pytest.fixture(scope="session")
def spare_clusters() -> list[Cluster]:
    """Clusters that no test uses at the moment, their indices empty: making an index takes a third of a second."""
    return []


@pytest.fixture
def borrow_cluster(
    new_cluster: Callable[[], Cluster], spare_clusters: list[Cluster]
) -> Iterator[Callable[[], Cluster]]:
    """Lends clusters without documents for the length of a test."""
    borrowed: list[Cluster] = []

    def borrow() -> Cluster:
        borrowed.append(spare_clusters.pop() if spare_clusters else new_cluster())
        return borrowed[-1]

    yield borrow
    for cluster in borrowed:
        empty(cluster)
        spare_clusters.append(cluster)


def empty(cluster: Cluster) -> None:
    """Remove every document; indices that count by versions of their own go altogether."""
    prefix = cluster.settings.prefix
    cluster.request("DELETE", f"/{prefix}-memory-v*,{prefix}-text-v*,{prefix}-vectors-v*", params={"ignore": 404})
    cluster.request("POST", f"/{prefix}-*/_refresh")
    everything, params = {"query": {"match_all": {}}}, {"conflicts": "proceed", "refresh": "true"}
    cluster.request("POST", f"/{prefix}-*/_delete_by_query", everything, params=params)
