"""A retriever that knows lines of songs, a feature for what may be played where, and a reader of M3U playlists."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

import bandstand as bs
from bandstand.catalog.readers.base import Rejected, Row, read_lines
from bandstand.ranker.features import Pairs, RankingFeature
from bandstand.types import Colour

LINES = {
    "halo": "remember those walls i built well baby they are tumbling down",
    "hurt": "i hurt myself today to see if i still feel",
    "one": "is it getting better or do you feel the same",
}


class Lyrics(bs.Retriever):
    """Songs with a line that holds the most words of the query."""

    spec = bs.RetrieverSpec(
        "lyrics", title="lines of songs", colour=Colour("#7a4b00", "#e8c27a"), cost_ms=2.0, columns=("words",)
    )

    def retrieve(self, query: bs.Query, depth: int) -> bs.Candidates:
        """See `bandstand.Retriever`."""
        asked = set(query.normalized.split())
        shared = {song: len(asked & set(line.split())) for song, line in LINES.items()}
        found = {song: count for song, count in shared.items() if count > 1}
        scores = [count / len(asked) for count in found.values()]
        return self.candidates(query, depth, found, scores, words=found.values())


def _allowed(pairs: Pairs) -> np.ndarray:
    """1 where the candidate may be played in the country of the query's locale, 0 where not, NaN where unknown."""
    country = (pairs.query.locale or "").rpartition("-")[2].lower()
    allowed, _ = pairs.columns.having("territory", country)
    return np.isin(pairs.ordinals, allowed) if country else np.full(len(pairs.ordinals), np.nan)


territory = RankingFeature("territory", _allowed, title="may be played there", weight=0.5)


class M3uReader:
    """Playlists as players write them: `#EXTINF:seconds,Artist - Title` before each path."""

    name = "m3u"
    streaming = True

    def read(self, path: Path) -> Iterator[Row | Rejected]:
        """See `bandstand.catalog.readers.base.Reader`."""
        lines = enumerate(read_lines(path), start=1)
        if next(lines, (1, ""))[1].strip() != "#EXTM3U":
            raise bs.BadInput(f"{path} is no M3U file: its first line has to be #EXTM3U")
        for number, line in lines:
            if line.startswith("#EXTINF:"):
                yield _row(number, line)


def _row(number: int, line: str) -> Row | Rejected:
    artist, dash, title = line.partition(",")[2].strip().partition(" - ")
    if not dash:
        return Rejected(number, "no `Artist - Title`", line.strip())
    entity = bs.Entity(id=f"m3u:{artist}/{title}".lower(), kind="track", title=title, artists=(artist,))
    return Row(number, entity)
