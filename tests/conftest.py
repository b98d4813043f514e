"""What the suite needs from outside (OpenSearch, Chromium, real data), its markers, and clusters to share."""

from __future__ import annotations

import fcntl
import gc
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from bandstand.opensearch.connection import Cluster, ClusterSettings

hypothesis.settings.register_profile("bandstand", deadline=None, derandomize=True)
hypothesis.settings.load_profile("bandstand")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what needs a browser or a cluster, by the fixtures that a test asks for, before ``-m`` chooses."""
    fixtures = getattr(item, "fixturenames", ())
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    if "browser" in fixtures:
        item.add_marker("browser")
    if "opensearch_url" in fixtures or "opensearch" in [each for each in parameters if isinstance(each, str)]:
        item.add_marker("cluster")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let slow tests come first, so that no process is left alone with one at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Leave what was imported and collected out of every later round of the garbage collector."""
    gc.collect()
    gc.freeze()


def needed(there: object, remedy: str) -> None:
    """Skip the test where something from outside is not there; with ``CI`` set, fail it: there everything must run."""
    if there:
        return
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(f"in CI nothing is skipped: {remedy}", pytrace=False)
    pytest.skip(remedy)


@pytest.fixture(scope="session")
def opensearch_url() -> str:
    """The address of a node for tests."""
    url = os.environ.get("OPENSEARCH_URL", "")
    needed(url, "set OPENSEARCH_URL to the address of an OpenSearch for tests")
    return url


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the browser that the pages are tested in: without windows, where that is installed."""
    path = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    remedy = "install chromium-headless-shell, or chromium, which takes four times as long (Debian: apt-get install)"
    needed(path, f"there is no Chromium on the PATH: {remedy}")
    return str(path)


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Path]:
    """Finds a file or folder of real data."""

    def find(name: str) -> Path:
        root = os.environ.get("BANDSTAND_DATA", "")
        needed(root and (Path(root) / name).exists(), f"set BANDSTAND_DATA to a folder that holds {name}")
        return Path(root) / name

    return find


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """Finds a folder by its name, made by the first process of the suite that asks; who changes one copies it."""
    ours = tmp_path_factory.getbasetemp()
    root = (ours.parent if "PYTEST_XDIST_WORKER" in os.environ else ours) / "made-once"
    root.mkdir(exist_ok=True)

    def find(name: str, make: Callable[[Path], object]) -> Path:
        folder, done = root / name, root / f"{name}.done"
        with (root / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)
                make(folder)
                done.touch()
        return folder

    return find


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
