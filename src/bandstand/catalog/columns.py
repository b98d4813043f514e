"""The catalogue in memory: immutable numpy columns over ordinals, kept up to date from the store's change feed."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bandstand.catalog.fields import FieldColumn, FieldsBuilder, Vocabulary
from bandstand.catalog.spoken import letters_said, numeral_headings, spoken
from bandstand.catalog.store import Change, Store
from bandstand.catalog.text import fold_title, normalize, romanize
from bandstand.catalog.versions import version_words
from bandstand.errors import NotFound
from bandstand.types import KINDS, Boundary, Clause, Entity, Filters, Kind, Mask, Ordinals, Scores
from bandstand.types.hashing import digest

AttributeKey = tuple[str, str]
"""(attribute name case-folded, value normalised)."""

_DTYPES: Mapping[str, type] = {
    "live": np.bool_,
    "kind": np.int8,
    "popularity": np.float32,
    "year": np.float32,
    "added": np.float64,
    "dedupe_key": np.int64,
    "artist_key": np.int64,
    "title_key": np.int64,
    "said_title_key": np.int64,
    "ids": np.object_,
    "titles": np.object_,
    "names": np.object_,
    "latin_titles": np.object_,
    "latin_names": np.object_,
    "said_titles": np.object_,
    "said_names": np.object_,
    "other_names": np.object_,
    "versions": np.object_,
    "members": np.object_,
    "described": np.object_,
    "fielded": np.object_,
}
_GROWTH = 1.5


class Posting(NamedTuple):
    """The entities that have one attribute value: ordinals int32 (m,) ascending, confidences float32 (m,)."""

    ordinals: Ordinals
    confidences: Scores


class Builder:
    """Turns changes into arrays. Rows beyond the published length are written in place, older rows on a copy."""

    def __init__(self) -> None:
        self.n = 0
        self.arrays: dict[str, NDArray[Any]] = {name: np.empty(0, dtype) for name, dtype in _DTYPES.items()}
        self.postings: dict[AttributeKey, Posting] = {}
        self._fields = FieldsBuilder()

    @property
    def fields(self) -> Mapping[str, FieldColumn]:
        """What is held in each field."""
        return self._fields.columns

    def apply(self, changes: Sequence[Change]) -> None:
        """Take in changes of distinct ordinals."""
        published = self.n
        self._make_room(1 + max(change.ordinal for change in changes), copy=any(c.ordinal < published for c in changes))
        rewritten = [change.ordinal for change in changes if change.ordinal < self.n]
        touched = {key for ordinal in rewritten for key in self.arrays["described"][ordinal] or ()}
        gone = {ordinal: self.arrays["fielded"][ordinal] or () for ordinal in rewritten}
        self.n = max(self.n, *(change.ordinal + 1 for change in changes))
        added = self._write(changes)
        self._update_postings(touched | added.keys(), added, rewritten)
        self._update_fields(changes, gone)

    def _make_room(self, n: int, *, copy: bool) -> None:
        capacity = len(self.arrays["live"])
        if n <= capacity and not copy:
            return
        capacity = capacity if n <= capacity else max(n, int(capacity * _GROWTH))
        for name, old in self.arrays.items():
            new = np.empty(capacity, old.dtype)
            new[: self.n] = old[: self.n]
            new[self.n :].fill(_BLANKS.get(name, 0))
            self.arrays[name] = new

    def _write(self, changes: Sequence[Change]) -> dict[AttributeKey, tuple[list[int], list[float]]]:
        """Write the rows; return what each attribute value gains."""
        arrays, gained = self.arrays, dict[AttributeKey, tuple[list[int], list[float]]]()
        everything = np.fromiter((change.ordinal for change in changes), np.int32, len(changes))
        arrays["added"][everything] = [change.added for change in changes]
        arrays["live"][everything] = [change.entity is not None for change in changes]
        arrays["described"][everything] = None
        living = [(change.ordinal, change.entity) for change in changes if change.entity is not None]
        ordinals = [ordinal for ordinal, _ in living]
        columns = zip(*(_row(entity) for _, entity in living), strict=True)
        for name, values in zip(_ROW, columns, strict=False):  # no columns when nothing lives
            arrays[name][ordinals] = np.fromiter(values, _DTYPES[name], len(values))
        for ordinal, attributes in zip(ordinals, arrays["described"][ordinals], strict=True):
            arrays["described"][ordinal] = tuple(attributes)
            for key, confidence in attributes.items():
                posting = gained.setdefault(key, ([], []))
                posting[0].append(ordinal)
                posting[1].append(confidence)
        return gained

    def _update_fields(self, changes: Sequence[Change], gone: Mapping[int, tuple[str, ...]]) -> None:
        living = [(change.ordinal, change.entity) for change in changes if change.entity is not None]
        self.arrays["fielded"][[change.ordinal for change in changes]] = None
        for (ordinal, _), names in zip(living, self._fields.apply(living, gone), strict=True):
            self.arrays["fielded"][ordinal] = names or None

    def _update_postings(
        self,
        keys: set[AttributeKey],
        gained: Mapping[AttributeKey, tuple[list[int], list[float]]],
        rewritten: Sequence[int],
    ) -> None:
        postings = dict(self.postings)  # a snapshot holds the old one
        for key in keys:
            ordinals, confidences = gained.get(key, ((), ()))
            posting = _merged(postings.get(key, NOTHING), ordinals, confidences, rewritten)
            if len(posting.ordinals):
                postings[key] = posting
            else:
                postings.pop(key, None)
        self.postings = postings


_BLANKS: Mapping[str, object] = {
    "ids": "",
    "titles": "",
    "names": "",
    "latin_titles": "",
    "latin_names": "",
    "said_titles": "",
    "said_names": "",
    "other_names": "",
    "versions": frozenset(),
    "members": None,
    "described": None,
    "fielded": None,
    "year": np.nan,
}
NOTHING = Posting(np.empty(0, np.int32), np.empty(0, np.float32))


def _merged(old: Posting, ordinals: Sequence[int], confidences: Sequence[float], rewritten: Sequence[int]) -> Posting:
    """Return a posting without the rewritten ordinals and with the gained ones, ascending."""
    if rewritten and len(old.ordinals):
        kept = ~np.isin(old.ordinals, np.asarray(rewritten, np.int32))
        old = Posting(old.ordinals[kept], old.confidences[kept])
    merged = np.concatenate([old.ordinals, np.asarray(ordinals, np.int32)])
    order = np.argsort(merged, kind="stable")
    return Posting(merged[order], np.concatenate([old.confidences, np.asarray(confidences, np.float32)])[order])


_ROW = (
    *("ids", "kind", "titles", "names", "latin_titles", "latin_names", "said_titles", "said_names", "other_names"),
    *("versions", "popularity", "year", "dedupe_key", "artist_key", "title_key", "said_title_key"),
    *("members", "described"),
)


def _row(entity: Entity) -> tuple[object, ...]:
    """Return what the columns named by `_ROW` hold of an entity."""
    title = normalize(entity.title)
    said = spoken(title if ":" not in entity.title else normalize(numeral_headings(entity.title)))
    artists = [_normalized_name(artist) for artist in entity.artists]
    name = " ".join([*artists, title])
    owner = title if entity.kind == "artist" else artists[0] if artists else ""
    year = entity.year
    return (
        entity.id,
        KINDS.index(entity.kind),
        title,
        name,
        romanize(title),
        romanize(name),
        said,
        " ".join([spoken(" ".join(artists)), said]).strip(),
        _other_names(entity, [*artists, title]),
        version_words(entity.title, artists),
        entity.popularity,
        np.nan if year is None else year,
        _hash(_recording(entity)),
        artist_key_of(owner) if owner else 0,
        letters_key(title),
        letters_key(said),
        entity.members or None,
        _attributes(entity),
    )


def _other_names(entity: Entity, names: Sequence[str]) -> str:
    """Return, as they are `spoken`, the album, the aliases, and normalised names in Latin letters."""
    latin = (romanize(name) for name in names if not name.isascii())
    also = [_normalized_name(name) for name in (*filter(None, (entity.album,)), *entity.aliases)]
    return " ".join(map(spoken, (*also, *latin)))


def _recording(entity: Entity) -> str:
    """Return what releases of one recording share; what is nobody's is only itself: names alone prove nothing."""
    if not entity.artists:
        return entity.id
    title, artist = letters_said(fold_title(entity.title)), letters_said(_normalized_name(entity.artists[0]))
    return f"{entity.kind}\n{title}\n{artist}"


def _attributes(entity: Entity) -> dict[AttributeKey, float]:
    """Return the entity's attribute values; of values that are the same normalised the surest counts."""
    found: dict[AttributeKey, float] = {}
    for attribute in entity.attributes:
        key = attribute_key(attribute.name, attribute.value)
        found[key] = max(attribute.confidence, found.get(key, 0.0))
    return found


@lru_cache(maxsize=65_536)
def attribute_key(name: str, value: str) -> AttributeKey:
    """Return the key under which an attribute value is found."""
    return name.casefold(), normalize(value)


@lru_cache(maxsize=65_536)
def _normalized_name(name: str) -> str:
    return normalize(name)


@lru_cache(maxsize=65_536)
def artist_key_of(normalized: str) -> int:
    """Return the value of `Columns.artist_key` for an artist of this normalised name, the same as it is `spoken`."""
    return _hash(letters_said(normalized))


def letters_key(normalized: str) -> int:
    """Return a hash of a text's letters, blanks left out; 0 without any."""
    letters = normalized.replace(" ", "")
    return _hash(letters) if letters else 0


def _hash(text: str) -> int:
    """Return a signed 64-bit hash that is the same in every process, never 0."""
    return int.from_bytes(digest(text), signed=True) or 1


_PAGE = 20_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Columns:
    """One state of the catalogue, every array of shape (n,) over ordinals 0..n-1 and read-only.

    ``kind`` indexes `KINDS`; ``year`` is NaN where unknown; ``added`` is seconds since 1970. ``dedupe_key`` is equal
    for releases of one recording (kind, folded title, first artist); ``artist_key`` is equal for an artist and what
    is theirs, 0 where there is none; ``title_key`` and ``said_title_key`` are the `letters_key` of the title, as it is
    written and as it is `spoken`. ``members`` are the ids that a playlist or an album holds, None for the rest.
    ``titles`` and ``names`` ("artist artist title") are normalised, ``latin_titles`` and ``latin_names`` the same in
    Latin letters, ``said_titles`` and ``said_names`` as they are `spoken`, ``other_names`` album and aliases so.
    ``versions`` are the words that make a title another version than the original, see `version_words`. Rows that are
    not ``live`` keep what was last known, or blanks; ``postings`` and ``fields`` (by case-folded name) hold live ones.
    """

    n: int
    live: Mask
    kind: NDArray[np.int8]
    popularity: Scores
    year: Scores
    added: NDArray[np.float64]
    dedupe_key: NDArray[np.int64]
    artist_key: NDArray[np.int64]
    title_key: NDArray[np.int64]
    said_title_key: NDArray[np.int64]
    ids: NDArray[np.object_]
    titles: NDArray[np.object_]
    names: NDArray[np.object_]
    latin_titles: NDArray[np.object_]
    latin_names: NDArray[np.object_]
    said_titles: NDArray[np.object_]
    said_names: NDArray[np.object_]
    other_names: NDArray[np.object_]
    versions: NDArray[np.object_]
    members: NDArray[np.object_]
    postings: Mapping[AttributeKey, Posting]
    fields: Mapping[str, FieldColumn]
    _inside: dict[Boundary, Mask]

    def having(self, name: str, value: str) -> tuple[Ordinals, Scores]:
        """Return the live entities with an attribute value: ordinals int32 (m,) ascending, confidences float32 (m,)."""
        return self.postings.get(attribute_key(name, value), NOTHING)

    def mask(self, kinds: Sequence[Kind] = (), filters: Filters = Filters()) -> Mask:
        """Return which ordinals are live, of one of the kinds (any when empty) and pass every filter, bool (n,)."""
        allowed = self.live.copy()
        if kinds:
            allowed &= np.isin(np.arange(len(KINDS)), [KINDS.index(kind) for kind in kinds])[self.kind]
        for name, values in filters.values:
            allowed &= self._meeting(Clause(field=name, values=values))
        if filters.year_gte is not None:
            allowed &= self.year >= filters.year_gte
        if filters.year_lte is not None:
            allowed &= self.year <= filters.year_lte
        for clause in filters.clauses:
            allowed &= self._meeting(clause)
        return allowed

    def inside(self, boundary: Boundary) -> Mask:
        """As `mask`, of a boundary, read-only: made once, since every request of a key asks for the same."""
        found = self._inside.get(boundary)
        if found is None:
            found = self._inside[boundary] = self.mask(boundary.kinds, boundary.filters)
            found.flags.writeable = False
        return found

    def has_field(self, name: str) -> bool:
        """Whether filters can ask about a field: one that every entity may have, a free one, or an attribute."""
        folded = name.casefold()
        return folded in OF_ALL or folded in self.fields or any(folded == known for known, _ in self.postings)

    def field_names(self) -> list[str]:
        """Everything that `has_field` knows, in alphabetical order."""
        return sorted({*OF_ALL, *self.fields, *(name for name, _ in self.postings)})

    def field(self, name: str) -> FieldColumn | None:
        """Who holds what in a field; None where nobody does, and for attributes."""
        if name not in ("kind", "popularity", "year"):
            return self.fields.get(name)
        every = np.arange(self.n, dtype=np.int32)
        if name == "kind":
            return FieldColumn(every, np.full(self.n, np.nan, np.float32), self.kind.astype(np.int32), _KIND_NAMES)
        if name == "popularity":
            return FieldColumn(every, self.popularity, np.full(self.n, -1, np.int32), _KIND_NAMES)
        known = every[~np.isnan(self.year)]
        return FieldColumn(known, self.year[known], np.full(len(known), -1, np.int32), _KIND_NAMES)

    def _meeting(self, clause: Clause) -> Mask:
        """Which ordinals meet a clause, bool (n,)."""
        name, column = clause.field.casefold(), self.field(clause.field.casefold())
        found = np.ones(self.n, np.bool_)
        if clause.values is not None:
            having = [self.having(name, value)[0] for value in clause.values]
            found &= _among(self.n, *having, *([column.equal(clause.values)] if column else []))
        if bounds := clause.bounds:
            found &= _among(self.n, *([column.within(bounds)] if column else []))
        if clause.exists is not None:
            having = [posting.ordinals for (known, _), posting in self.postings.items() if known == name]
            found &= _among(self.n, *having, *([column.ordinals] if column else [])) == clause.exists
        return ~found if clause.negated else found


OF_ALL = frozenset(("kind", "year", "released", "popularity", "duration", "url", "image"))
"""Fields that filters know in every catalogue."""

_KIND_NAMES = Vocabulary.of(KINDS)


def _among(n: int, *found: Ordinals) -> Mask:
    mask = np.zeros(n, np.bool_)
    for ordinals in found:
        mask[ordinals] = True
    return mask


def _snapshot(builder: Builder) -> Columns:
    views: dict[str, NDArray[Any]] = {}
    for name, array in builder.arrays.items():
        views[name] = array[: builder.n]
        views[name].flags.writeable = False
    del views["described"], views["fielded"]
    return Columns(n=builder.n, postings=builder.postings, fields=builder.fields, _inside={}, **views)


class Catalog:
    """The store's newest state for searching. `refresh` follows the change feed; readers never wait for it."""

    def __init__(self, store: Store, *, cached: int = 50_000, warm: bool = False) -> None:
        """Load everything.

        ``cached`` is how many decoded entities are held at most; ``warm`` holds those that changes bring at once, where
        reading one later would be a round trip.
        """
        self._warm = warm
        self._store = store
        self._builder = Builder()
        self._refreshing = threading.Lock()
        self._cache = _EntityCache(cached)
        self._state: tuple[int, Columns] = (0, _snapshot(self._builder))
        while self.refresh(_PAGE):
            pass

    @property
    def store(self) -> Store:
        """Where the entities live."""
        return self._store

    @property
    def columns(self) -> Columns:
        """The current snapshot; keep it for the length of one search."""
        return self._state[1]

    @property
    def seq(self) -> int:
        """The sequence number of the newest change that `columns` holds."""
        return self._state[0]

    def refresh(self, limit: int = 100_000) -> list[Change]:
        """Take in and return at most ``limit`` changes; nothing left when fewer came."""
        with self._refreshing:
            changes = self._store.changes(self.seq, limit)
            if changes:
                self._builder.apply(changes)
                self._state = (changes[-1].seq, _snapshot(self._builder))
                self._cache.forget([change.ordinal for change in changes])
                if self._warm:
                    self._keep(changes)
            return changes

    def _keep(self, changes: Sequence[Change]) -> None:
        _, generation = self._cache.get(())
        self._cache.put({change.ordinal: change.entity for change in changes if change.entity is not None}, generation)

    def entities(self, ordinals: Ordinals) -> list[Entity]:
        """Return entities, aligned; one deleted meanwhile as it last was, so that a search under way can end.

        Raises:
            NotFound: the store never gave one of the ordinals.
        """
        wanted = np.asarray(ordinals).tolist()
        found, generation = self._cache.get(wanted)
        missing = [ordinal for ordinal in wanted if ordinal not in found]
        if missing:
            read = dict(zip(missing, self._store.recall(np.asarray(missing, np.int32)), strict=True))
            if unknown := [ordinal for ordinal, entity in read.items() if entity is None]:
                raise NotFound(f"there is no entity with ordinal {unknown[0]}")
            fresh = {ordinal: entity for ordinal, entity in read.items() if entity is not None}
            self._cache.put(fresh, generation)
            found |= fresh
        return [found[ordinal] for ordinal in wanted]


class _EntityCache:
    """Least recently used entities by ordinal; a result read before a change is not kept after it."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._entities: OrderedDict[int, Entity] = OrderedDict()
        self._generation = 0
        self._lock = threading.Lock()

    def get(self, ordinals: Sequence[int]) -> tuple[dict[int, Entity], int]:
        with self._lock:
            found = {ordinal: self._entities[ordinal] for ordinal in ordinals if ordinal in self._entities}
            for ordinal in found:
                self._entities.move_to_end(ordinal)
            return found, self._generation

    def put(self, entities: Mapping[int, Entity], generation: int) -> None:
        with self._lock:
            if generation != self._generation:
                return
            self._entities.update(entities)
            while len(self._entities) > self._size:
                self._entities.popitem(last=False)

    def forget(self, ordinals: Sequence[int]) -> None:
        with self._lock:
            self._generation += 1
            for ordinal in ordinals:
                self._entities.pop(ordinal, None)
