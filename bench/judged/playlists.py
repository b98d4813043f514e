"""Playlists' names as topical queries: their tracks are what is right, and the playlists themselves are hidden."""

from __future__ import annotations

from collections.abc import Iterable

from bandstand.catalog.text import normalize
from bandstand.types import Entity
from bench.judged.base import JudgedSearch, JudgedSet, right_by_id


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
        JudgedSearch(query=name, judge=right_by_id({each: each for each in members & known}), kinds=("track",))
        for name, members in sorted(lists.items())
        if name and members & known
    )
    return JudgedSet(name="playlists", headline="hit@10", entities=tuple(kept), searches=searches)
