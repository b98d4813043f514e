"""Indices by version behind an alias: made once, checked at opening, built anew beside the live one and swapped."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from bandstand.cluster.connection import Cluster, Json
from bandstand.cluster.failures import item_failure
from bandstand.errors import BandstandError, Conflict, Unavailable

_VERSION = re.compile(r"-v(\d{4,})$")
_STARTS_S = "10s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """What an index of a part is made of. Raise ``format`` with every change of the mapping or of the analysis.

    ``facts`` is what else must be the same for the index to be of use, such as the encoder of its vectors.
    """

    part: str
    format: int
    properties: Json
    settings: Json = field(default_factory=dict)
    dynamic: bool | str = "strict"
    facts: Json = field(default_factory=dict)

    @property
    def meta(self) -> Json:
        """What an index says of itself."""
        return {"part": self.part, "format": self.format, **self.facts}

    def body(self, shards: int) -> Json:
        """The request that creates such an index. Copies grow with the cluster: none on one node, one on more."""
        settings = {"number_of_shards": shards, "auto_expand_replicas": "0-1", **self.settings}
        return {
            "settings": {"index": settings},
            "mappings": {"dynamic": self.dynamic, "_meta": {"bandstand": self.meta}, "properties": self.properties},
        }


def ensure(cluster: Cluster, schema: Schema) -> str:
    """The alias of a part's index, which is made where it is missing.

    Raises:
        Unavailable: it was made by another version of the program; the message says how to build it anew.
    """
    alias = cluster.index(schema.part)
    live = live_index(cluster, alias)
    if live is None:
        create(cluster, schema, f"{alias}-v0001", alias=alias)
    elif (found := described(cluster, live)) != schema.meta:
        raise Unavailable(
            f"{cluster.where}: the index {live} is made as {found}, this version needs {schema.meta}; run"
            " `bandstand index --rebuild`"
        )
    # Another process may have made it a moment ago: before its shards have started, even a read by id fails.
    started = {"wait_for_active_shards": cluster.settings.shards, "timeout": _STARTS_S, "ignore": 408}
    cluster.request("GET", f"/_cluster/health/{alias}", params=started)
    return alias


def create(cluster: Cluster, schema: Schema, name: str, *, alias: str | None = None) -> None:
    """Make an index, at once under its alias where one is named; harmless where another process was faster."""
    body = schema.body(cluster.settings.shards)
    if alias is not None:
        body["aliases"] = {alias: {}}
    try:
        cluster.request("PUT", f"/{name}", body, params={"wait_for_active_shards": "1"})
    except BandstandError as error:
        if "resource_already_exists_exception" not in str(error):
            raise


def live_index(cluster: Cluster, alias: str) -> str | None:
    """The index behind an alias, None where there is none."""
    held = _aliased(cluster, alias)
    if len(held) > 1:
        raise Conflict(f"{cluster.where}: {alias} stands for {', '.join(held)}; leave one of them in the alias")
    return held[0] if held else None


def described(cluster: Cluster, index: str) -> Json:
    """What an index says of itself, see `Schema.meta`; {} where it is not ours."""
    mappings: Json = cluster.request("GET", f"/{index}/_mapping")[index]["mappings"]
    meta: Json = mappings.get("_meta", {}).get("bandstand", {})
    return meta


def next_version(cluster: Cluster, schema: Schema) -> str:
    """Make an empty index of the version after every one that there is; the name, in no alias yet."""
    alias = cluster.index(schema.part)
    names = cluster.request("GET", f"/{alias}-v*", params={"allow_no_indices": "true"})
    versions = [int(match[1]) for name in names if (match := _VERSION.search(name))]
    name = f"{alias}-v{max(versions, default=0) + 1:04d}"
    create(cluster, schema, name)
    return name


def swap(cluster: Cluster, part: str, name: str) -> list[str]:
    """Let the alias of a part stand for another index from one moment to the next; the indices that it stood for."""
    alias = cluster.index(part)
    old = [index for index in _aliased(cluster, alias) if index != name]
    actions: list[Json] = [{"remove": {"index": index, "alias": alias}} for index in old]
    actions.append({"add": {"index": name, "alias": alias}})
    cluster.request("POST", "/_aliases", {"actions": actions})
    return old


def drop(cluster: Cluster, names: list[str]) -> None:
    """Delete indices, by their own names."""
    for name in names:
        cluster.request("DELETE", f"/{name}", params={"ignore_unavailable": "true"})


def drop_unaliased(cluster: Cluster, part: str) -> None:
    """Delete what unfinished rebuilds of a part have left."""
    alias = cluster.index(part)
    names: dict[str, Any] = cluster.request("GET", f"/{alias}-v*/_alias", params={"allow_no_indices": "true"})
    drop(cluster, [name for name, held in names.items() if _VERSION.search(name) and alias not in held["aliases"]])


def _aliased(cluster: Cluster, alias: str) -> list[str]:
    answer = cluster.request("GET", f"/_alias/{alias}", params={"ignore": 404})
    error = answer.get("error") if isinstance(answer, dict) else None
    if error is None:
        return sorted(answer)
    if answer.get("status") == 404:
        return []
    raise item_failure(500, {"reason": str(error)}, cluster.where)


STATE = Schema(part="state", format=1, properties={}, dynamic=False)
"""Small documents that are read by id: counters, leases. Nothing of them is indexed."""
