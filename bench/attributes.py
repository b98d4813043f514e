"""Queries made from a catalogue's facts, and how well retrievers answer them: nDCG@10 with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bandstand.catalog.columns import Catalog, Columns
from bandstand.catalog.text import normalize
from bandstand.retrievers.base import Retriever
from bandstand.statistics import ClusterBootstrap, Difference, Interval
from bandstand.types import KINDS, Attribute, Entity, Filters, Query

NOW = 1_577_836_800.0
"""2020-01-01, when the data were collected."""

RESAMPLES = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A query, the ordinals that answer it, and the same facts as hard filters."""

    group: str
    text: str
    relevant: frozenset[int]
    filters: Filters = Filters()


def ask(text: str, columns: Columns, filters: Filters = Filters()) -> Query:
    """A query for tracks as the engine makes it."""
    allowed = columns.mask(("track",), filters)
    return Query(
        id="bench", text=text, normalized=normalize(text), kinds=("track",), filters=filters, time=NOW, allowed=allowed
    )


def artist_era(columns: Columns, rng: np.random.Generator) -> Iterator[Asked]:
    """Such as "queen 80s": three tracks or more by the artist in that decade."""
    decade = columns.year // 10 * 10
    for ordinal in rng.permutation(_tracks(columns)):
        same = _tracks(columns)[(columns.artist_key == columns.artist_key[ordinal])[_tracks(columns)]]
        found = same[decade[same] == decade[ordinal]]
        artist = columns.names[ordinal].removesuffix(columns.titles[ordinal]).strip()
        if len(found) >= 3 and artist:
            yield Asked(
                group="artist + era", text=f"{artist} {_said(decade[ordinal])}", relevant=frozenset(found.tolist())
            )


def genre_era(columns: Columns, rng: np.random.Generator) -> Iterator[Asked]:
    """Such as "album rock 70s": ten tracks or more that surely are of the genre and the decade."""
    decade, tracks = columns.year // 10 * 10, np.isin(np.arange(columns.n), _tracks(columns))
    values = sorted(key for key in columns.postings if key[0] in {"genre", "subgenre"})
    pairs = [(key, first) for key in values for first in range(1950, 2030, 10)]
    for at in rng.permutation(len(pairs)):
        (name, value), first = pairs[at]
        posting = columns.postings[name, value]
        sure = posting.ordinals[posting.confidences >= 0.5]
        found = sure[tracks[sure] & (decade[sure] == first)]
        if len(found) >= 10:
            filters = Filters(values=((name, (value,)),), year_gte=first, year_lte=first + 9)
            yield Asked(
                group="genre + era", text=f"{value} {_said(first)}", relevant=frozenset(found.tolist()), filters=filters
            )


def live(columns: Columns, rng: np.random.Generator) -> Iterator[Asked]:
    """Such as "queen live": tracks of the artist with the word in their title."""
    tracks = _tracks(columns)
    titled = tracks[[" live" in f" {title} " and "live" in title.split() for title in columns.titles[tracks]]]
    keys = dict.fromkeys(columns.artist_key[rng.permutation(titled)].tolist())
    for key in keys:
        found = titled[columns.artist_key[titled] == key]
        artist = columns.names[found[0]].removesuffix(columns.titles[found[0]]).strip()
        yield Asked(group="artist + live", text=f"{artist} live", relevant=frozenset(found.tolist()))


def language_genre(columns: Columns) -> Iterator[Asked]:
    """Such as "french jazz": three tracks or more that surely are both."""
    sure = {key: set(p.ordinals[p.confidences >= 0.5].tolist()) for key, p in columns.postings.items()}
    tracks = set(_tracks(columns).tolist())
    languages = sorted(key for key in sure if key[0] == "language")
    for language in languages:
        for genre in sorted(key for key in sure if key[0] == "genre"):
            found = sure[language] & sure[genre] & tracks
            if len(found) >= 3:
                yield Asked(group="language + genre", text=f"{language[1]} {genre[1]}", relevant=frozenset(found))


def title_genre(columns: Columns, rng: np.random.Generator) -> Iterator[Asked]:
    """Such as "hello pop": one track, with its likeliest genre beside its title."""
    best: dict[int, tuple[float, str]] = {}
    for (name, value), posting in columns.postings.items():
        if name == "genre":
            for ordinal, share in zip(posting.ordinals.tolist(), posting.confidences.tolist(), strict=True):
                best[ordinal] = max(best.get(ordinal, (0.0, "")), (share, value))
    for ordinal in rng.permutation(_tracks(columns)).tolist():
        if ordinal in best:
            value = best[ordinal][1]
            yield Asked(
                group="title + genre",
                text=f"{columns.titles[ordinal]} {value}",
                relevant=frozenset(np.flatnonzero(columns.dedupe_key == columns.dedupe_key[ordinal]).tolist()),
                filters=Filters(values=(("genre", (value,)),)),
            )


def _tracks(columns: Columns) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    return np.flatnonzero(columns.live & (columns.kind == KINDS.index("track")))


def _said(decade: float) -> str:
    return f"{int(decade)}s" if decade >= 2000 else f"{int(decade) % 100}s"


def ndcg(found: Sequence[int], relevant: frozenset[int], depth: int = 10) -> float:
    """nDCG@depth of a ranking for binary relevance."""
    discounts = 1 / np.log2(np.arange(2, depth + 2))
    gained = sum(discounts[place] for place, ordinal in enumerate(found[:depth]) if ordinal in relevant)
    return float(gained / discounts[: min(depth, len(relevant))].sum())


def scores(
    asked: Sequence[Asked], retriever: Retriever, columns: Columns, *, hard: bool = False
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The nDCG@10 of each query, (n,); ``hard``: with the facts as filters."""
    queries = [ask(one.text, columns, one.filters if hard else Filters()) for one in asked]
    found = [retriever.retrieve(query, 10).ordinals.tolist() for query in queries]
    return np.array([ndcg(ranking, one.relevant) for ranking, one in zip(found, asked, strict=True)])


def table(values: Mapping[str, np.ndarray[tuple[int], np.dtype[np.float64]]], base: str) -> list[str]:
    """Rows of a Markdown table: mean with its interval, and the difference to ``base``, paired by query."""
    n = len(values[base])
    bootstrap = ClusterBootstrap([str(number) for number in range(n)], resamples=RESAMPLES, seed=1)
    rows = []
    for name, found in values.items():
        against = "" if name == base else _shown(bootstrap.difference(found, values[base]))
        rows.append(f"| {name} | {n} | {_shown(bootstrap.interval(found))} | {against} |")
    return rows


def _shown(found: Interval | Difference) -> str:
    value = found.value if isinstance(found, Interval) else found.difference
    sign = "" if isinstance(found, Interval) else "+"
    return f"{value:{sign}.3f} [{found.low:{sign}.3f}, {found.high:{sign}.3f}]"


def shuffled(entities: Sequence[Entity], rng: np.random.Generator, share: float = 1 / 3) -> list[Entity]:
    """The entities with the genres of a share of the tracks dealt out anew among them."""
    tracks = [at for at, entity in enumerate(entities) if entity.kind == "track"]
    chosen = rng.choice(tracks, size=int(share * len(tracks)), replace=False).tolist()
    genres = [_split(entities[at])[0] for at in rng.permutation(chosen).tolist()]
    changed = list(entities)
    for at, given in zip(chosen, genres, strict=True):
        changed[at] = replace(entities[at], attributes=(*given, *_split(entities[at])[1]))
    return changed


def _split(entity: Entity) -> tuple[tuple[Attribute, ...], tuple[Attribute, ...]]:
    """Genres, and the other attributes."""
    genres = tuple(a for a in entity.attributes if a.name in {"genre", "subgenre"})
    return genres, tuple(a for a in entity.attributes if a.name not in {"genre", "subgenre"})


def catalogue_of(catalog: Catalog) -> list[Entity]:
    """All entities in the order of their ordinals."""
    return [entity for _, entity in catalog.store.scan()]
