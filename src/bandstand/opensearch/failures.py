"""What can go wrong with a cluster, in the words of our error tree: each with the remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opensearchpy import exceptions as upstream

from bandstand.errors import BandstandError, Conflict, MissingDependency, StorageError, Unavailable

_OVERLOADED_S, _AWAY_S = 1.0, 2.0

_BY_TYPE: Mapping[str, tuple[type[StorageError | Unavailable], str]] = {
    "index_not_found_exception": (Unavailable, "an index is missing; run `bandstand index`"),
    "mapper_parsing_exception": (StorageError, "the index has another mapping; run `bandstand index --rebuild`"),
    "strict_dynamic_mapping_exception": (
        StorageError,
        "the index has another mapping; run `bandstand index --rebuild`",
    ),
    "query_shard_exception": (StorageError, "the index has another mapping; run `bandstand index --rebuild`"),
    "security_exception": (StorageError, "the user lacks rights on these indices; `bandstand doctor` names them"),
    "circuit_breaking_exception": (Unavailable, "the cluster is short of memory; try again, or give it more heap"),
    "rejected_execution_exception": (Unavailable, "the cluster is overloaded; try again more slowly"),
    "no_shard_available_action_exception": (Unavailable, "the index is red: a shard has no live copy; start its node"),
    "search_phase_execution_exception": (Unavailable, "the index is red: no shard could answer; start its nodes"),
    "illegal_index_shard_state_exception": (Unavailable, "a shard of the index is still starting; try again"),
    "unavailable_shards_exception": (Unavailable, "the index is red: a shard has no live copy; start its node"),
    "master_not_discovered_exception": (Unavailable, "the cluster has no manager; start more of its nodes"),
    "cluster_manager_not_discovered_exception": (Unavailable, "the cluster has no manager; start more of its nodes"),
}
"""By the type that OpenSearch gives an error: our class, and what to do."""

_BY_STATUS: Mapping[int, tuple[type[StorageError | Unavailable], str]] = {
    400: (StorageError, "it refused the request; run `bandstand doctor`"),
    401: (StorageError, "it does not know this user; set BANDSTAND_OPENSEARCH_USER and _PASSWORD"),
    403: (StorageError, "the user lacks rights on these indices; `bandstand doctor` names them"),
    404: (Unavailable, "an index is missing; run `bandstand index`"),
    413: (StorageError, "a request was larger than http.max_content_length allows"),
    429: (Unavailable, "the cluster is overloaded; try again more slowly"),
    502: (Unavailable, "the proxy before the cluster found no node; try again"),
    503: (Unavailable, "the cluster cannot answer now; `bandstand doctor` says why"),
    504: (Unavailable, "the cluster took too long; try again"),
}

_QUOTED = re.compile(r" in document with id '.*'|\. Preview of field's value: '.*'", re.DOTALL)
"""What OpenSearch quotes of a document that it refuses: who it was of is not to stand in any log."""

_FLOOD_STAGE = "disk usage exceeded flood-stage watermark"


def failure(status: int, kind: str, reason: str, where: str) -> BandstandError:
    """The error of our tree for a status, the type of the error, and its reason.

    A blocked write is told apart by its reason: OpenSearch answers 403, or 429 since it also means the flood stage.
    """
    if status == 409:
        return Conflict(f"{where}: somebody else changed it first ({reason})")
    if kind == "cluster_block_exception" or _FLOOD_STAGE in reason:
        return _blocked(status, reason, where)
    reason = _QUOTED.sub("", reason)
    cls, remedy = _BY_TYPE.get(kind) or _BY_STATUS.get(status) or (StorageError, "see the cluster's log")
    message = f"{where}: {remedy} ({status} {kind}: {reason})"
    if cls is Unavailable:
        return Unavailable(message, retry_after=_OVERLOADED_S)
    return cls(message)


def _blocked(status: int, reason: str, where: str) -> BandstandError:
    if "no master" in reason or "no cluster-manager" in reason or "not recovered" in reason or status == 503:
        return Unavailable(f"{where}: the cluster has no manager; start more of its nodes", retry_after=_AWAY_S)
    if "read-only-allow-delete" in reason or "read-only / allow delete" in reason or _FLOOD_STAGE in reason:
        return StorageError(
            f"{where}: the index is read-only because a disk passed its flood-stage watermark; free space or add a"
            " node, and OpenSearch lifts the block by itself"
        )
    return StorageError(
        f'{where}: the index is blocked ({reason}); lift it: PUT /INDEX/_settings {{"index.blocks.write": null}}'
    )


def item_failure(status: int, error: Mapping[str, Any], where: str) -> BandstandError:
    """`failure` of one part of a bulk or multi-search answer, from the error that it carries."""
    inner = _root(error)
    return failure(status, str(inner.get("type", "")), str(inner.get("reason", "")), where)


@contextmanager
def mapped(where: str) -> Iterator[None]:
    """Raise whatever opensearch-py raises inside the block as an error of our tree."""
    try:
        yield
    except upstream.ConnectionTimeout as cause:
        raise Unavailable(f"{where} did not answer in time; try again", retry_after=_OVERLOADED_S) from cause
    except upstream.SSLError as cause:
        raise StorageError(
            f"{where} has no certificate that this machine trusts; name its authority in BANDSTAND_OPENSEARCH_CA"
        ) from cause
    except upstream.ConnectionError as cause:
        raise Unavailable(
            f"{where} cannot be reached; start it, or correct BANDSTAND_OPENSEARCH_URL", retry_after=_AWAY_S
        ) from cause
    except upstream.TransportError as cause:
        raise _transport(cause, where) from cause
    except upstream.ImproperlyConfigured as cause:
        raise MissingDependency(f"{where}: {cause}; pip install opensearch-py") from cause
    except (upstream.OpenSearchException, upstream.OpenSearchWarning, upstream.OpenSearchDslException) as cause:
        raise StorageError(f"{where} answered what cannot be read: {cause}; is it OpenSearch?") from cause


def _transport(cause: upstream.TransportError, where: str) -> BandstandError:
    status = cause.status_code if isinstance(cause.status_code, int) else 503
    info = cause.info if isinstance(cause.info, Mapping) else {}
    error = info.get("error")
    if isinstance(error, Mapping):
        return item_failure(status, error, where)
    return failure(status, "", str(error or cause.error), where)


def _root(error: Mapping[str, Any]) -> Mapping[str, Any]:
    """The error that caused a failed search: the shards' own where there is one."""
    for shard in error.get("failed_shards") or ():
        if isinstance(shard, Mapping) and isinstance(shard.get("reason"), Mapping):
            return dict(shard["reason"])
    causes = error.get("root_cause") or ()
    return dict(causes[0]) if causes and isinstance(causes[0], Mapping) else error
