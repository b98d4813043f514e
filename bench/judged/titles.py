"""Titles as people type them: whole, misspelt, and as far as they have come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from bandstand.catalog.text import fold_title, normalize
from bandstand.learner.selfplay import misspell
from bandstand.types import Entity
from bench.judged.base import Judge, JudgedSearch, JudgedSet, reciprocal_rank

_SEED, _MEANT = 11, 300
_TYPED, _SHORTEST = 0.6, 3
_TWO_SLIPS_FROM = 10


def titles(entities: Sequence[Entity]) -> JudgedSet:
    """Tracks drawn at random, each asked for in every way; right is the recording, by whatever release."""
    rng = np.random.default_rng(_SEED)
    tracks = [entity for entity in entities if entity.kind == "track" and entity.artists]
    meant = (tracks[place] for place in rng.permutation(len(tracks))[:_MEANT])
    searches = tuple(search for track in meant for search in _asked(track, rng))
    return JudgedSet(name="titles", headline="hit@10", entities=tuple(entities), searches=searches)


def _asked(track: Entity, rng: np.random.Generator) -> Iterator[JudgedSearch]:
    title = normalize(track.title)
    named, judge = f"{normalize(track.artists[0])} {title}", _judge(_recording(track))
    for part, text in (("title", title), ("artist + title", named)):
        yield JudgedSearch(query=text, judge=judge, part=part)
        slips = 2 if len(text) >= _TWO_SLIPS_FROM else 1
        yield JudgedSearch(query=misspell(text, slips, rng), judge=judge, part=f"{part}, misspelt")
    typed = title[: max(_SHORTEST, int(_TYPED * len(title)))]
    if typed != title:
        yield JudgedSearch(query=typed, judge=judge, part="half a title")


def _recording(track: Entity) -> tuple[str, str]:
    return fold_title(track.title), normalize(track.artists[0]) if track.artists else ""


def _judge(meant: tuple[str, str]) -> Judge:
    def judge(hits: Sequence[Entity]) -> dict[str, float]:
        right = [hit.kind == "track" and _recording(hit) == meant for hit in hits]
        return {"hit@10": float(any(right[:10])), "MRR@10": reciprocal_rank(right)}

    return judge
