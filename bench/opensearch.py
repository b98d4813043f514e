"""The platform on a cluster beside the same platform in a folder: what it finds, what it takes, and where that goes.

Run with ``OPENSEARCH_URL`` and ``BANDSTAND_DATA`` set: ``python -m bench.opensearch FOLDER [QUERIES]``. Both homes rank
by the same models, so that only retrieval differs.
"""

from __future__ import annotations

import shutil
import sys
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bandstand.app.embedded import EmbeddedBackend
from bandstand.app.platform import Platform
from bandstand.app.searching import SearchingSide
from bandstand.app.storage import Storage
from bandstand.engine.request import SearchRequest
from bandstand.learner.indexer import Follower
from bandstand.opensearch.backend import OpenSearchBackend
from bandstand.opensearch.connection import Cluster
from bandstand.retrievers.encoder import Encoder
from bandstand.retrievers.encoder_registry import link_encoders
from bandstand.retrievers.sentence import entity_sentence
from bandstand.settings import Settings, load_settings
from bandstand.types import Entity, Matrix, Scores
from bench.catalogue import build, entities
from bench.searches import Known, in_first_ten, known_items

ARMS = ("lexical", "trigram", "dense")
POLICIES = ("all", "bandit")
WARM_UP = 100


class Meter:
    """Counts the requests of a connection, and how long they take."""

    def __init__(self, cluster: Cluster) -> None:
        self.trips, self.seconds = 0, 0.0
        send = cluster.request

        def counted(*words: Any, **named: Any) -> Any:  # noqa: ANN401 - as they are passed on
            if "search" not in str(words[1]):  # what the log delivers meanwhile is no part of a search
                return send(*words, **named)
            started = time.perf_counter()
            try:
                return send(*words, **named)
            finally:
                self.trips += 1
                self.seconds += time.perf_counter() - started

        cluster.request = counted  # type: ignore[method-assign]


class KnownVectors:
    """An encoder for sentences whose vectors are known: to see what storing them costs."""

    def __init__(self, inner: Encoder, vectors: dict[str, Scores]) -> None:
        self._inner, self._vectors = inner, vectors
        self.dim, self.fingerprint, self.encode_query = inner.dim, inner.fingerprint, inner.encode_query

    def encode(self, texts: Sequence[str]) -> Matrix:
        """See `Encoder`."""
        return np.array([self._vectors[text] for text in texts], np.float32)


def known_vectors(storage: Storage) -> dict[str, Scores]:
    """The vectors of an indexed home by sentence."""
    assert isinstance(storage.backend, EmbeddedBackend)
    batch = storage.backend.vectors.since(0)
    at = {int(ordinal): row for row, ordinal in enumerate(batch.ordinals)}
    return {
        entity_sentence(entity): batch.vectors[at[ordinal]].astype(np.float32)
        for ordinal, entity in storage.store.scan()
    }


def fill(platform: Platform, found: list[Entity], vectors: dict[str, Scores]) -> None:
    """Entities and indexes into the cluster, each with its rate."""
    storage = platform.storage
    timed("entities (upsert)", len(found), lambda: storage.store.upsert(found))
    encoder = KnownVectors(storage.encoders.wanted(), vectors)
    text, dense = storage.backend.open_writer(storage.store, storage.encoders.of).followers(encoder)
    for follower in (text, dense):
        timed(f"{follower.name} (bulk)", len(found), partial(followed, storage, follower))
    platform.learning.prepare()
    timed("predicted queries (memory commits)", len(found), platform.learning.index)
    platform.stop_learning()


def followed(storage: Storage, follower: Follower) -> None:
    """Bring one index up to the catalogue."""
    while changes := storage.store.changes(follower.seq, 2_000):
        follower.follow(changes)


def timed(name: str, count: int, work: Callable[[], object]) -> None:
    """Do the work and print a row with its rate."""
    started = time.perf_counter()
    work()
    seconds = time.perf_counter() - started
    print(f"| {name} | {count / seconds:,.0f} /s | {seconds:.1f} s |", flush=True)


def arm_hits(home: SearchingSide, queries: Sequence[Known]) -> dict[tuple[str, str], list[bool]]:
    """By arm and class of query, whether the arm alone finds it."""
    found = defaultdict(list)
    for kind, text, wanted in queries:
        query = home.engine.query(SearchRequest(query=text))
        for arm in ARMS:
            answer = home.retrievers.retrievers[arm].retrieve(query, 200)
            found[arm, kind].append(in_first_ten(home, answer.ordinals, wanted))
    return found


def policy_run(home: SearchingSide, queries: Sequence[Known], policy: str, meter: Meter | None) -> dict[str, Any]:
    """Whole searches under a policy: what was found, milliseconds, round trips and the time in them."""
    hits, took, trips, http, arms = defaultdict(list), [], [], [], defaultdict(list)
    failed: list[str] = []
    for number, (kind, text, wanted) in enumerate(queries):
        before = (meter.trips, meter.seconds) if meter else (0, 0.0)
        result = home.search(SearchRequest(query=text, policy=policy))
        if number < WARM_UP:
            continue
        hits[kind].append(in_first_ten(home, result.impression.ordinals, wanted))
        took.append(result.took_ms)
        if meter:
            trips.append(meter.trips - before[0])
            http.append((meter.seconds - before[1]) * 1e3)
        for outcome in result.impression.outcomes:
            if outcome.status == "ok":
                arms[outcome.retriever].append(outcome.took_ms)
            failed += [outcome.retriever] if outcome.status in ("late", "failed") else []
    return {"hits": hits, "took": took, "trips": trips, "http": http, "arms": arms, "failed": failed}


def report(name: str, policy: str, run: dict[str, Any]) -> None:
    """Print a row of the table of policies."""
    took, hits = run["took"], [found for each in run["hits"].values() for found in each]
    trips = f"{np.mean(run['trips']):.2f}" if run["trips"] else "0"
    http = f"{np.median(run['http']):.1f}" if run["http"] else "0"
    p50, p95, p99 = np.percentile(took, [50, 95, 99])
    arms = ", ".join(f"{arm} {np.median(times):.1f}" for arm, times in run["arms"].items())
    print(
        f"| {policy} | {name} | {np.mean(hits):.4f} | {p50:.1f} / {p95:.1f} / {p99:.1f} | {trips} | {http} |"
        f" {len(run['failed'])} | {arms} |",
        flush=True,
    )


def cluster_home(base: Settings, folder: Path) -> Settings:
    """The settings of a home on the cluster, with the encoder of the embedded one."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    link_encoders(base.home, folder)
    return load_settings(home=folder, backend="opensearch", opensearch_prefix=f"bench-{uuid.uuid4().hex[:8]}")


def connection(platform: Platform) -> Cluster:
    """Of a platform on a cluster."""
    assert isinstance(platform.storage.backend, OpenSearchBackend)
    return platform.storage.backend.cluster


def main(folder: Path, count: int) -> None:
    """Build or reuse the embedded home, fill a cluster from the same entities, compare, and delete its indices."""
    found = entities()
    base = load_settings(home=folder / "embedded", backend="embedded", deadline_ms=2_000.0)
    build(base, found)
    settings = cluster_home(base, folder / "cluster").model_copy(update={"deadline_ms": 2_000.0})
    with Platform(base) as plain, Platform(settings) as clustered:
        try:
            print("| into the cluster | rate | time |\n| --- | ---: | ---: |")
            fill(clustered, found, known_vectors(plain.storage))
            compare(plain, clustered, count)
        finally:
            connection(clustered).request("DELETE", f"/{settings.opensearch_prefix}-*")


def compare(plain: Platform, clustered: Platform, count: int) -> None:
    """Print what each arm and each policy finds and takes, on either backend."""
    clustered.storage.models = plain.storage.models
    homes = {"embedded": plain.searching, "opensearch": clustered.searching}
    meter = Meter(connection(clustered))
    queries = known_items(homes["embedded"], count)
    print("\n| retriever | queries | embedded hit@10 | OpenSearch hit@10 | difference |")
    print("| --- | --- | ---: | ---: | ---: |")
    hits = {name: arm_hits(home, queries) for name, home in homes.items()}
    for arm in ARMS:
        kinds = sorted({kind for of, kind in hits["embedded"] if of == arm})
        for kind in (*kinds, None):
            one, other = (
                np.mean(
                    [found for (of, k), each in hits[name].items() if of == arm and kind in (k, None) for found in each]
                )
                for name in homes
            )
            print(f"| {arm} | {kind or 'all'} | {one:.4f} | {other:.4f} | {other - one:+.4f} |", flush=True)
    print(
        "\n| policy | backend | hit@10 | ms p50 / p95 / p99 | round trips | HTTP ms p50 | arms failed | arms, ms p50 |"
    )
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |")
    for policy in POLICIES:
        for name, home in homes.items():
            report(name, policy, policy_run(home, queries, policy, meter if name == "opensearch" else None))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 2_000)
