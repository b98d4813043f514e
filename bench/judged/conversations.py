"""CPCD: what people asked a playlist assistant for, and what the assistants typed into a music search.

Typed: each distinct (query, dialog); relevant is what the search returned, by cluster of equal recordings; of these,
what was then liked. Wishes: what the listener wrote in a turn that led to likes; relevant is what was liked in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bandstand.types import Entity
from bench.judged.base import Judge, JudgedSearch, JudgedSet, ndcg, read_lines, reciprocal_rank

_K = 20
_FILE = "cpcd/dialogs.ndjson.gz"


def conversations(data: Path) -> tuple[JudgedSet, JudgedSet]:
    """The typed queries and the wishes, over all tracks of the dialogs."""
    dialogs = read_lines(data / _FILE)
    tracks = {key: track for dialog in dialogs for key, track in dialog["tracks"].items()}
    clusters = {key: track["track_cluster_ids"] for key, track in tracks.items()}
    entities = tuple(_entity(key, track) for key, track in sorted(tracks.items()))
    typed = tuple(_typed(dialogs, clusters))
    wishes = tuple(_wishes(dialogs, clusters))
    return (
        JudgedSet(name="typed", headline="nDCG@10", entities=entities, searches=typed),
        JudgedSet(name="wishes", headline="nDCG@10", entities=entities, searches=wishes),
    )


def _entity(key: str, track: Mapping[str, Any]) -> Entity:
    return Entity(
        id=key,
        kind="track",
        title=track["track_titles"],
        artists=tuple(track["track_artists"]),
        album=track["track_release_titles"] or None,
    )


def _typed(dialogs: Sequence[Any], clusters: Mapping[str, str]) -> Iterator[JudgedSearch]:
    for dialog in dialogs:
        returned: dict[str, set[str]] = {}
        liked: dict[str, set[str]] = {}
        for turn in dialog["turns"]:
            for query, results in zip(turn["search_queries"], turn["search_results"], strict=True):
                found = {clusters[key] for key in results}
                returned.setdefault(query, set()).update(found)
                likes = {clusters[key] for key in turn["liked_results"]}
                liked.setdefault(query, set()).update(likes & found)
        for query, relevant in returned.items():
            if relevant:
                yield _search(query, _by_cluster(clusters, relevant, liked[query]))


def _wishes(dialogs: Sequence[Any], clusters: Mapping[str, str]) -> Iterator[JudgedSearch]:
    for dialog in dialogs:
        for turn in dialog["turns"]:
            liked = {clusters[key] for key in turn["liked_results"]}
            if liked and turn["user_query"]:
                yield _search(turn["user_query"], _by_cluster(clusters, liked, set()))


def _search(query: str, judge: Judge) -> JudgedSearch:
    return JudgedSearch(query=query, judge=judge, k=_K, kinds=("track",))


def _by_cluster(clusters: Mapping[str, str], relevant: set[str], liked: set[str]) -> Judge:
    """nDCG@10 and hit@10 of what is relevant, MRR@10 of what was liked; the first of each cluster counts."""

    def judge(hits: Sequence[Entity]) -> dict[str, float]:
        found = list(dict.fromkeys(clusters[hit.id] for hit in hits))
        right = [cluster in relevant for cluster in found]
        values = {"nDCG@10": ndcg(right, len(relevant)), "hit@10": float(any(right[:10]))}
        if liked:
            values["MRR@10 of liked"] = reciprocal_rank([cluster in liked for cluster in found])
        return values

    return judge
