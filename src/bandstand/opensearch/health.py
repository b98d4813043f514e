"""What a cluster lacks for Bandstand: version, rights, k-NN, copies of shards, and room on the disks."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

from bandstand.backend import Finding
from bandstand.errors import BandstandError
from bandstand.opensearch.connection import Cluster, Json

OLDEST = (2, 9)
"""The first version of OpenSearch whose Lucene vectors know the inner product and filter while searching."""

_FLOOD_STAGE = 95.0


def examine(cluster: Cluster) -> Iterator[Finding]:
    """Look at everything; where the cluster cannot be reached, that is the only finding."""
    try:
        yield _version(cluster)
    except BandstandError as error:
        yield Finding("cluster", ok=False, says=str(error))
        return
    for what, look in _LOOKS.items():
        try:
            yield from look(cluster)
        except BandstandError as error:
            yield Finding(what, ok=False, says=str(error))


def _version(cluster: Cluster) -> Finding:
    version: Json = cluster.request("GET", "/")["version"]
    number, kind = str(version["number"]), version.get("distribution", "elasticsearch")
    if kind != "opensearch":
        return Finding("cluster", ok=False, says=f"this is {kind} {number}: Bandstand needs OpenSearch")
    new_enough = tuple(int(part) for part in number.split(".")[:2]) >= OLDEST
    needs = ".".join(map(str, OLDEST))
    says = f"OpenSearch {number}" + ("" if new_enough else f": upgrade to {needs} or newer")
    return Finding("cluster", ok=new_enough, says=says)


def _shards(cluster: Cluster) -> Iterator[Finding]:
    health: Json = cluster.request("GET", f"/_cluster/health/{cluster.settings.prefix}-*")
    status, missing = health["status"], health["unassigned_shards"]
    says = {
        "green": f"every shard and copy is there ({health['number_of_nodes']} nodes)",
        "yellow": f"{missing} copies of shards are missing: nothing is lost, but one node fewer would hurt; start more",
        "red": f"{missing} shards have no live copy: start the nodes that hold them, or restore a snapshot",
    }
    yield Finding("shards", ok=status != "red", says=says[status])


def _trial(cluster: Cluster) -> Iterator[Finding]:
    """Make an index with vectors, write, search and delete it: rights and plugin are there when that works."""
    name = f"{cluster.settings.prefix}-doctor-{uuid.uuid4().hex[:8]}"
    yield _tried("rights", "create, write, search and delete indices", lambda: _use(cluster, name, {}))
    method = {"name": "hnsw", "engine": "lucene", "space_type": "innerproduct"}
    vector: Json = {"vector": {"type": "knn_vector", "dimension": 2, "method": method}}
    settings = {"index": {"knn": True}}
    found = _tried("k-NN", "vectors by Lucene", lambda: _use(cluster, name, {"settings": settings}, vector))
    if not found.ok:
        says = f"install the plugin opensearch-knn on every node ({found.says})"
        found = Finding("k-NN", ok=False, says=says)
    yield found


def _tried(what: str, able: str, work: Callable[[], None]) -> Finding:
    try:
        work()
    except BandstandError as error:
        return Finding(what, ok=False, says=str(error))
    return Finding(what, ok=True, says=able)


def _use(cluster: Cluster, name: str, body: Json, properties: Json | None = None) -> None:
    cluster.request("PUT", f"/{name}", {**body, "mappings": {"properties": properties or {}}})
    try:
        cluster.put(name, "1", {"vector": [0.6, 0.8]} if properties else {}, refresh=True)
        cluster.search(name, {"query": {"match_all": {}}})
    finally:
        cluster.request("DELETE", f"/{name}")


def _disks(cluster: Cluster) -> Iterator[Finding]:
    limit = _flood_stage(cluster)
    for row in cluster.request("GET", "/_cat/allocation", params={"format": "json", "bytes": "b"}):
        if row.get("disk.percent") is not None:
            used = float(row["disk.percent"])
            says = f"{used:.0f} % used, flood stage at {limit:.0f} %"
            full = used >= limit - 5
            says += "; free space or add a node, before its indices become read-only" if full else ""
            yield Finding(f"disk of {row['node']}", ok=not full, says=says)
    blocked = _blocked(cluster)
    if blocked:
        says = f"{', '.join(blocked)} cannot be written: free disk space, or lift index.blocks by hand"
        yield Finding("blocks", ok=False, says=says)


def _flood_stage(cluster: Cluster) -> float:
    """The share of a disk, in percent, at which its indices become read-only; 95 where it is not a percentage."""
    path = {"include_defaults": "true", "filter_path": "*.cluster.routing.allocation.disk.watermark"}
    answer: Json = cluster.request("GET", "/_cluster/settings", params=path)
    for level in ("transient", "persistent", "defaults"):
        value: Any = answer.get(level)
        for key in ("cluster", "routing", "allocation", "disk", "watermark", "flood_stage"):
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, str) and value.endswith("%"):
            return float(value[:-1])
    return _FLOOD_STAGE


def _blocked(cluster: Cluster) -> list[str]:
    found: Json = cluster.request(
        "GET", f"/{cluster.settings.prefix}-*/_settings/index.blocks.*", params={"flat_settings": "true"}
    )
    return sorted(name for name, entry in found.items() if "true" in entry["settings"].values())


_LOOKS: dict[str, Callable[[Cluster], Iterator[Finding]]] = {
    "shards": _shards,
    "rights": _trial,
    "disks": _disks,
}
