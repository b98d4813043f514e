"""`lastfm-hetrec`: the folder of HetRec 2011 Last.fm 2k; artists with the tags that users gave them."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bandstand.catalog.codec import entity_from_json
from bandstand.catalog.readers.base import Rejected, Row, read_lines
from bandstand.errors import BadInput
from bandstand.types.hashing import digest

_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")


@dataclass(slots=True)
class _Tagging:
    """What the tag file says about one artist."""

    tags: Counter[str] = field(default_factory=Counter)
    users: set[str] = field(default_factory=set)


class LastfmReader:
    """Artist entities in an order, and with ids, that say nothing about popularity.

    A tag's confidence is its count over that of the artist's commonest tag. Popularity is log(1 + users who tagged
    the artist), 1 for the most tagged. With ``before`` ("YYYY-MM") only tags of earlier months count, so that a
    replay cannot see its future. The listening counts are an undated snapshot and are not read.
    """

    name = "lastfm-hetrec"
    streaming = False

    def __init__(self, *, before: str | None = None) -> None:
        match = _MONTH.fullmatch(before) if before is not None else None
        if before is not None and match is None:
            raise BadInput(f"before must be YYYY-MM, not {before!r}", field="before")
        self._before = (int(match[1]), int(match[2])) if match else None

    def read(self, path: Path) -> Iterator[Row | Rejected]:
        """Yield rejected rows as they are met, and the entities when all files have been read."""
        names: dict[str, tuple[int, str]] = {}
        for line, values in _table(path, "artists", ("id", "name")):
            names[values[0]] = (line, values[1])
        tags = {values[0]: values[1] for _, values in _table(path, "tags", ("tagID", "tagValue"), encoding="latin-1")}
        taggings = defaultdict[str, _Tagging](_Tagging)
        columns = ("artistID", "tagID", "userID", "month", "year")
        for line, (artist, tag, user, month, year) in _table(path, "user_taggedartists", columns):
            if artist not in names or tag not in tags or not (month.isdecimal() and year.isdecimal()):
                yield Rejected(line, "user_taggedartists: unknown artist or tag, or no date", f"{artist}\t{tag}")
            elif self._before is None or (int(year), int(month)) < self._before:
                taggings[artist].tags[tags[tag]] += 1
                taggings[artist].users.add(user)
        yield from _entities(names, taggings)


def entity_id(artist: str) -> str:
    """Return the entity's id of an artistID: a hash, since the file's own numbers follow the crawl's popularity."""
    return f"lastfm-{digest(artist).hex()}"


def _entities(names: dict[str, tuple[int, str]], taggings: dict[str, _Tagging]) -> Iterator[Row | Rejected]:
    most = max((len(tagging.users) for tagging in taggings.values()), default=0)
    for artist in sorted(names, key=entity_id):
        line, name = names[artist]
        tagging = taggings.get(artist, _Tagging())
        top = max(tagging.tags.values(), default=0)
        fields: dict[str, object] = {"id": entity_id(artist), "kind": "artist", "title": name}
        if top:
            fields["attributes"] = {"tag": {tag: count / top for tag, count in tagging.tags.most_common()}}
            fields["popularity"] = math.log1p(len(tagging.users)) / math.log1p(most)
        try:
            yield Row(line, entity_from_json(fields))
        except BadInput as error:
            yield Rejected(line, f"artists: {error}", f"{artist}\t{name}")


def _table(
    folder: Path, name: str, columns: tuple[str, ...], *, encoding: str = "utf-8-sig"
) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, the asked columns) of a tab-separated file; a short line gives empty texts."""
    path = next((path for suffix in (".dat", ".dat.gz") if (path := folder / f"{name}{suffix}").exists()), None)
    if path is None:
        raise BadInput(f"{folder} has no {name}.dat or {name}.dat.gz: give the folder of HetRec 2011 Last.fm")
    lines = read_lines(path, encoding=encoding)
    header = next(lines, "").rstrip("\r\n").split("\t")
    if missing := [column for column in columns if column not in header]:
        raise BadInput(f"{path}: the header lacks {', '.join(missing)}")
    places = [header.index(column) for column in columns]
    for line, text in enumerate(lines, start=2):
        values = text.rstrip("\r\n").split("\t")
        yield line, [values[place] if place < len(values) else "" for place in places]
