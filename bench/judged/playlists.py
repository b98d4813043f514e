"""Playlists' names as topical queries: their tracks are what is right, and the playlists themselves are hidden."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bandstand.catalog.text import normalize
from bandstand.types import Entity
from bench.judged.base import Judge, JudgedSearch, JudgedSet, ndcg


def playlist_names(entities: Iterable[Entity]) -> JudgedSet:
    """Every distinct name of a playlist; lists of one name are one query, their tracks together."""
    lists: dict[str, set[str]] = {}
    kept: list[Entity] = []
    for entity in entities:
        if entity.kind == "playlist":
            lists.setdefault(normalize(entity.title), set()).update(entity.members)
        else:
            kept.append(entity)
    known = {entity.id for entity in kept}
    searches = tuple(
        JudgedSearch(query=name, judge=_judge(members & known), kinds=("track",))
        for name, members in sorted(lists.items())
        if name and members & known
    )
    return JudgedSet(name="playlists", headline="hit@10", entities=tuple(kept), searches=searches)


def _judge(relevant: set[str]) -> Judge:
    def judge(hits: Sequence[Entity]) -> dict[str, float]:
        right = [hit.id in relevant for hit in hits]
        return {"hit@10": float(any(right[:10])), "nDCG@10": ndcg(right, len(relevant))}

    return judge
