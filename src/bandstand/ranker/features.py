"""The features of the ranker: those of each retriever, and those of a query and a candidate."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import structlog
from numpy.typing import ArrayLike, NDArray
from rapidfuzz import fuzz, process
from rapidfuzz.distance import Indel, Prefix

from bandstand.catalog.columns import Columns, artist_key_of, letters_key
from bandstand.catalog.spoken import numbers, spoken
from bandstand.catalog.text import name_keys
from bandstand.catalog.versions import VERSIONS
from bandstand.errors import BadInput
from bandstand.types import (
    KIND_SPECS,
    KINDS,
    CandidateSet,
    FeatureLayout,
    Mask,
    Matrix,
    Ordinals,
    Query,
    Roster,
    Scores,
    Slot,
)
from bandstand.types.features import RANK, SCORE
from bandstand.types.times import YEAR_S
from bandstand.understanding.records import NAMED, UNSTATED
from bandstand.understanding.senses import period
from bandstand.understanding.slots import held


def slot_match(slots: Sequence[Slot], ordinals: Ordinals, columns: Columns) -> Scores:
    """Σ slot confidence · entity confidence / Σ slot confidence, over attributes, kinds and years.

    float32 (m,) in [0, 1]; NaN where the query asks for none of them.
    """
    stated = _stated(slots)
    asked = sum(slot.confidence for slot in stated)
    if not asked:
        return np.full(len(ordinals), np.nan, np.float32)
    matched = np.zeros(len(ordinals), np.float32)
    for slot in stated:
        matched += slot.confidence * held(slot, columns, ordinals)
    return matched / np.float32(asked)


def _stated(slots: Sequence[Slot]) -> Sequence[Slot]:
    """The slots that ask for an attribute, a kind or a year, with some confidence."""
    return [slot for slot in slots if slot.name not in UNSTATED and slot.confidence]


UNKNOWN_YEAR = 0.5
"""How far an entity whose year is unknown is from the years that were asked for."""


def year_off(slots: Sequence[Slot], ordinals: Ordinals, columns: Columns) -> Scores:
    """The probability that a time was asked for and the entity is of another; float32 (m,) in [0, 1]."""
    years = columns.year[ordinals]
    asked = [slot for slot in slots if slot.name == "year"]
    held_years = sum((slot.confidence * held(slot, columns, ordinals) for slot in asked), np.zeros(len(ordinals)))
    total = min(sum(slot.confidence for slot in asked), 1.0)
    off: Scores = np.where(np.isnan(years), UNKNOWN_YEAR * total, np.maximum(total - held_years, 0)).astype(np.float32)
    return off


VAGUENESS = "vagueness"


def vagueness(query: Query) -> float:
    """The expected share of what the query looks for that is no name, over its readings; in [0, 1].

    Names of kinds that were not asked for do not count, but for artists, whose works are of every kind.
    """
    kinds = {*query.kinds, "artist"} if query.kinds else NAMED
    said = sum(slot.confidence * len(slot.phrase) for slot in query.slots if slot.name in kinds)
    return max(1.0 - said / max(len(query.named or query.normalized), 1), 0.0)


def name_match(slots: Sequence[Slot], ordinals: Ordinals, columns: Columns) -> Scores:
    """The largest confidence of the slots that name an entity, or the artist whose it is; float32 (m,) in [0, 1]."""
    named = np.zeros(len(ordinals), np.float32)
    for slot in slots:
        if slot.name in NAMED:
            np.maximum(named, np.float32(slot.confidence) * _named(slot, ordinals, columns), out=named)
    return named


def _named(slot: Slot, ordinals: Ordinals, columns: Columns) -> Mask:
    """Which entities a name is the name of."""
    if slot.name == "artist":
        theirs: Mask = columns.artist_key[ordinals] == artist_key_of(slot.value)
        return theirs
    of_kind: Mask = (columns.kind[ordinals] == KINDS.index(slot.name)) & (columns.titles[ordinals] == slot.value)
    return of_kind


_KIND_CODES = np.array([KIND_SPECS[kind].code for kind in KINDS])

COMPARED_LENGTH = 256
"""Characters of a query that are compared with titles: beyond that it is no title, and comparing gets slow."""

_COMPARED_WORDS = 16
_ARTIST_WORDS = 5


@dataclass(frozen=True, eq=False)
class Pairs:
    """A query and its m candidates, by their ordinals int32 (m,) in a snapshot of the catalogue."""

    query: Query
    ordinals: Ordinals
    columns: Columns

    @cached_property
    def titles(self) -> list[str]:
        """The candidates' normalised titles."""
        return list(self.columns.titles[self.ordinals].tolist())

    @cached_property
    def said_titles(self) -> list[str]:
        """The candidates' titles as they are `spoken`."""
        return list(self.columns.said_titles[self.ordinals].tolist())

    @cached_property
    def said_names(self) -> list[str]:
        """The candidates' artists and titles as they are `spoken`."""
        return list(self.columns.said_names[self.ordinals].tolist())

    @cached_property
    def said_anywhere(self) -> list[str]:
        """The candidates' names, albums and aliases as they are `spoken`, a blank on both sides of every word."""
        others = self.columns.other_names[self.ordinals].tolist()
        return [f" {name} {other} " for name, other in zip(self.said_names, others, strict=True)]

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The query as it was typed, normalised, as it was corrected, and its words that name something."""
        texts = (self.query.normalized, self.query.meant, self.query.named)
        return tuple(dict.fromkeys(filter(None, texts))) or ("",)

    @cached_property
    def said(self) -> tuple[str, ...]:
        """The same as they are `spoken`."""
        return tuple(dict.fromkeys(map(spoken, self.texts)))

    @cached_property
    def title_ratio(self) -> Scores:
        """How much the titles are spelt like the query; float32 (m,) in [0, 1]."""
        return _best_of(self.said, self.said_titles, Indel.normalized_similarity)

    @cached_property
    def name_ratio(self) -> Scores:
        """How much artist and title are spelt like the query; float32 (m,) in [0, 1]."""
        return _best_of(self.said, self.said_names, Indel.normalized_similarity)

    @cached_property
    def title_prefix(self) -> Scores:
        """The share of the query that the titles begin with; float32 (m,) in [0, 1]."""
        shares = [
            _alike(text, self.titles, Prefix.similarity) / np.float32(max(len(text[:COMPARED_LENGTH]), 1))
            for text in self.texts
        ]
        best: Scores = np.maximum.reduce(shares)
        return best

    @cached_property
    def holding(self) -> Mapping[str, Mask]:
        """For every compared word of the query, as it is `spoken`, which candidates hold it; each bool (m,)."""
        words = {word for text in self.said for word in _compared_words(text)}
        return {word: self.containing(f" {word} ") for word in words}

    def containing(self, part: str) -> Mask:
        """Which candidates' names, albums or aliases contain a part, as they are `spoken`; bool (m,)."""
        return np.array([part in said for said in self.said_anywhere], np.bool_)


@dataclass(frozen=True, slots=True)
class RankingFeature:
    """A number for each pair of a query and a candidate.

    Args:
        name: unique, without a dot: that is how retrievers' features are told apart.
        compute: gives float (m,), or one number for all of them; NaN where unknown. Safe for threads.
        title: what it says, in a few words for people.
        version: raise it when the meaning changes: rows that were logged before count as unknown in this column.
        weight: what a value of 1 is worth to the ranker before clicks have taught it.
        categorical: whether the numbers stand for kinds of things, without an order.
        early: whether it is looked up in columns, for next to nothing: then the first cut goes by it too.
    """

    name: str
    compute: Callable[[Pairs], ArrayLike]
    title: str = ""
    version: int = 1
    weight: float = 0.0
    categorical: bool = False
    early: bool = False


class FeatureSet:
    """The features of one platform: of each retriever of its roster, then of the pairs of query and candidate."""

    def __init__(self, roster: Roster, pairs: Sequence[RankingFeature] = ()) -> None:
        """``pairs`` are further features, behind `PAIR_FEATURES`.

        Raises:
            BadInput: two features have one name.
        """
        self.roster = roster
        self.pairs = (*PAIR_FEATURES, *pairs)
        versions = {f"{spec.name}.{fact}": version for spec in roster for fact, version in spec.versions.items()}
        versions |= {feature.name: feature.version for feature in self.pairs}
        own = [f"{spec.name}.{fact}" for spec in roster for fact in (SCORE, RANK, *spec.columns)]
        categorical = [feature.name for feature in self.pairs if feature.categorical]
        self.layout = FeatureLayout.of((*own, *(feature.name for feature in self.pairs)), versions, categorical)
        if len(set(self.names)) < len(self.names):
            twice = sorted({name for name in self.names if self.names.count(name) > 1})
            raise BadInput(f"two features are called {', '.join(twice)}: rename one", field="name")
        self._unbounded = np.array([not spec.bounded for spec in roster], np.bool_)
        self._failed: set[str] = set()

    @property
    def names(self) -> tuple[str, ...]:
        """Of all features, in the order of the columns."""
        return self.layout.names

    @property
    def titles(self) -> Mapping[str, str]:
        """What the features of pairs say, for people, by name."""
        return {feature.name: feature.title or feature.name.replace("_", " ") for feature in self.pairs}

    def early(self, query: Query, candidates: CandidateSet, columns: Columns) -> Matrix:
        """The feature matrix of a search, float32 (m, f) in the columns of ``layout``, with what costs next to nothing.

        The other columns are NaN, until `complete` fills them in. ``candidates`` must be of this roster, and every
        ordinal one of ``columns``.
        """
        matrix = np.full((len(candidates), len(self.names)), np.nan, np.float32)
        facts = self._retriever_facts(candidates)
        for column, name in enumerate(self.names[: len(self.names) - len(self.pairs)]):
            matrix[:, column] = facts[name]
        self._fill(matrix, Pairs(query, candidates.ordinals, columns), early=True)
        return matrix

    def complete(self, matrix: Matrix, query: Query, ordinals: Ordinals, columns: Columns) -> None:
        """Fill in, in place, what `early` left out; ``matrix`` float32 (m, f) has the rows of ``ordinals`` (m,).

        A further feature that raises is unknown for this search.
        """
        self._fill(matrix, Pairs(query, ordinals, columns), early=False)

    def _fill(self, matrix: Matrix, pairs: Pairs, *, early: bool) -> None:
        for column, feature in enumerate(self.pairs, start=len(self.names) - len(self.pairs)):
            if feature.early != early:
                continue
            try:
                matrix[:, column] = feature.compute(pairs)
            except Exception:
                if feature in PAIR_FEATURES:
                    raise
                matrix[:, column] = np.nan
                self._report(feature.name)

    def _report(self, name: str) -> None:
        """Log the first failure of a feature with its traceback."""
        if name not in self._failed:
            self._failed.add(name)
            structlog.get_logger("ranker").exception("feature_failed", feature=name)

    def _retriever_facts(self, candidates: CandidateSet) -> dict[str, NDArray[np.floating]]:
        best = np.fmax.reduce(candidates.scores, axis=0, initial=np.nan)
        scores = candidates.scores / np.where(self._unbounded & (best > 0), best, np.float32(1))
        reciprocal_ranks = 1 / candidates.ranks
        facts: dict[str, NDArray[np.floating]] = dict(candidates.columns)
        for column, name in enumerate(candidates.retrievers):
            facts[f"{name}.{SCORE}"] = scores[:, column]
            facts[f"{name}.{RANK}"] = reciprocal_ranks[:, column]
        return facts


def _best_of(texts: Sequence[str], others: list[str], scorer: Callable[..., float]) -> Scores:
    """Texts against many others, the best of the texts for each; float32 (n,)."""
    best: Scores = np.maximum.reduce([_alike(text, others, scorer) for text in texts])
    return best


def _alike(text: str, others: list[str], scorer: Callable[..., float]) -> Scores:
    """The beginning of one text against many, in C; float32 (n,)."""
    compared: Scores = process.cdist([text[:COMPARED_LENGTH]], others, scorer=scorer, dtype=np.float32)[0]
    return compared


def _title_exact(pairs: Pairs) -> Mask:
    """Whether the title is one of the texts but for blanks, written or said."""
    keys = np.array([letters_key(key) for text in pairs.texts for key in name_keys(text) if key], np.int64)
    columns, at = pairs.columns, pairs.ordinals
    exact: Mask = np.isin(columns.title_key[at], keys) | np.isin(columns.said_title_key[at], keys)
    return exact


def _names_artist(pairs: Pairs) -> Mask:
    """Whether some run of up to `_ARTIST_WORDS` words, within the compared length, is the artist's name."""
    runs = {
        " ".join(words[start:end])
        for words in map(_compared_words, pairs.texts)
        for start in range(len(words))
        for end in range(start + 1, min(start + _ARTIST_WORDS, len(words)) + 1)
    }
    spellings = {*runs, *(run.replace(" ", "") for run in runs)}
    keys = np.array([artist_key_of(name) for name in spellings], np.int64)
    return np.isin(pairs.columns.artist_key[pairs.ordinals], keys)


def _numbers_held(pairs: Pairs) -> ArrayLike:
    """The share of the query's numbers that are among those of the name; NaN without any.

    Years do not count, nor does "one", which mostly is none ("the crying one").
    """
    asked = {number for number in numbers(pairs.said[-1]) if period(number) is None}
    if "one" in pairs.texts[-1].split():
        asked.discard("1")
    if not asked:
        return np.nan
    return [len(asked.intersection(numbers(name))) / len(asked) for name in pairs.said_names]


def _compared_words(text: str) -> list[str]:
    return text.split()[:_COMPARED_WORDS]


_BEGUN = 0.9
"""What a last word counts that a name's word begins with: it may be half typed."""

_BEGUN_LETTERS = 2
"""The fewest letters of a word that can count as begun."""


def _words_held(pairs: Pairs) -> Scores:
    """The largest share of a text's words that names, album or aliases hold, long words counting more."""
    shares = [_share_held(_compared_words(text), pairs, begun=True) for text in pairs.said]
    best: Scores = np.maximum.reduce(shares)
    return best


def _share_held(words: Sequence[str], pairs: Pairs, *, begun: bool) -> Scores:
    """The share of words that the candidates hold, by letters, float32 (m,); ``begun``: the last may be a beginning."""
    held = np.zeros(len(pairs.ordinals), np.float32)
    for word in words:
        held += len(word) * pairs.holding[word]
    if begun and words and len(words[-1]) >= _BEGUN_LETTERS:
        last = words[-1]
        held += np.float32(_BEGUN * len(last)) * (pairs.containing(f" {last}") & ~pairs.holding[last])
    return held / np.float32(max(sum(map(len, words)), 1))


def _spelt(pairs: Pairs) -> Scores | float:
    """How much a name is spelt like the query, counted as far as no candidate's holds the words that were typed.

    That share of the query, times the fourth power of the likeness: so names of other words fall away. 0 where words
    are read as attributes, kinds or years, since these are not looked for in names.
    """
    if _stated(pairs.query.slots):
        return 0.0
    typed = _share_held(_compared_words(pairs.said[0]), pairs, begun=False)
    begins = np.float32(_BEGUN) * (pairs.title_prefix >= 1)
    alike: Scores = np.maximum.reduce([pairs.title_ratio, pairs.name_ratio, begins])
    counted: Scores = (1 - typed.max(initial=0)) * alike**4
    return counted


def _other_version(pairs: Pairs) -> list[bool]:
    """Whether it is a remix, a live recording, an imitation, ... of which no word was asked for."""
    words = {word for text in pairs.texts for word in text.split()}
    return [bool(own) and words.isdisjoint(own) for own in pairs.columns.versions[pairs.ordinals].tolist()]


def _asked_version(pairs: Pairs) -> ArrayLike:
    """Whether the name holds a word by which the query asks for a version; NaN where it asks for none."""
    asked = VERSIONS.intersection(pairs.texts[-1].split())
    return [not asked.isdisjoint(name.split()) for name in pairs.said_names] if asked else np.nan


PAIR_FEATURES = (
    RankingFeature(
        "title_exact",
        _title_exact,
        title="the title is the query",
        weight=0.4,
        early=True,
    ),
    RankingFeature(
        "title_prefix", lambda pairs: pairs.title_prefix, title="the title begins with the query", weight=0.1
    ),
    RankingFeature("title_ratio", lambda pairs: pairs.title_ratio, title="spelling like the title"),
    RankingFeature("name_ratio", lambda pairs: pairs.name_ratio, title="spelling like artist and title"),
    RankingFeature(
        "token_coverage",
        lambda pairs: _best_of(pairs.said, pairs.said_names, fuzz.token_set_ratio) / 100,
        title="words of the query that it has",
        weight=0.4,
    ),
    RankingFeature("artist_in_query", _names_artist, title="the query names the artist", early=True),
    RankingFeature("popularity", lambda pairs: pairs.columns.popularity[pairs.ordinals], weight=0.2, early=True),
    RankingFeature(
        "age",
        lambda pairs: 1970 + pairs.query.time / YEAR_S - pairs.columns.year[pairs.ordinals],
        title="age of the release",
        early=True,
    ),
    RankingFeature("kind", lambda pairs: _KIND_CODES[pairs.columns.kind[pairs.ordinals]], categorical=True, early=True),
    RankingFeature(
        "slot_match",
        lambda pairs: slot_match(pairs.query.slots, pairs.ordinals, pairs.columns),
        title="genre, mood or era as asked for",
        weight=2.0,
        early=True,
    ),
    RankingFeature(
        "name_match",
        lambda pairs: name_match(pairs.query.slots, pairs.ordinals, pairs.columns),
        title="the query names it, or whose it is",
        early=True,
    ),
    RankingFeature("query_length", lambda pairs: len(pairs.query.normalized), title="length of the query", early=True),
    RankingFeature(
        "query_words", lambda pairs: len(pairs.query.normalized.split()), title="words of the query", early=True
    ),
    RankingFeature("numbers_held", _numbers_held, title="numbers of the query that it has", weight=0.4),
    RankingFeature("words_held", _words_held, title="how much of the query it has", version=2, weight=0.8),
    RankingFeature("spelt", _spelt, title="spelling like a name, where no name has the words", weight=8.0),
    RankingFeature("other_version", _other_version, title="a version that was not asked for", weight=-0.1),
    RankingFeature("asked_version", _asked_version, title="the version that was asked for", weight=0.8),
    RankingFeature(
        "year_off",
        lambda pairs: year_off(pairs.query.slots, pairs.ordinals, pairs.columns),
        title="of another time than asked for",
        weight=-4.0,
        early=True,
    ),
    RankingFeature(VAGUENESS, lambda pairs: vagueness(pairs.query), title="the query names nothing", early=True),
)

_FORMAT = "2"
"""Goes into every hash of features, and so tells today's from those of models that are older than this one."""


def feature_hash(layout: FeatureLayout) -> str:
    """16 hex digits that are equal only for the same features, in the same order, with the same meanings."""
    versions = dict(layout.versions)
    names = [f"{name}@{versions[name]}" if name in versions else name for name in layout.names]
    return hashlib.sha256("\n".join([_FORMAT, *names]).encode()).hexdigest()[:16]
