"""All that the spans of a query may mean, each with prior, likelihood and posterior."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, product
from math import exp
from typing import NamedTuple, Protocol

import numpy as np

from bandstand.catalog.columns import AttributeKey, Columns, Posting
from bandstand.catalog.spoken import spoken
from bandstand.catalog.text import romanize
from bandstand.errors import BandstandError
from bandstand.types import KIND_SPECS, KINDS, Kind, Slot
from bandstand.understanding.lexicon import ARTIST, LONGEST, OTHER_SCRIPT, Lexicon, Meaning
from bandstand.understanding.records import REQUEST, TEXT, Sense
from bandstand.understanding.segments import segmented
from bandstand.understanding.synonyms import EQUAL, Synonyms
from bandstand.understanding.vocabulary import Vocabulary

TYPO = 0.02
"""P(one typo of the keyboard), per word."""

NEAR = 3
"""Near words of a misspelt one that are considered."""

RARE, MUCH = 0.5, 40.0
"""A known word of less weight than `RARE` may be a typo for one that is `MUCH` times as common."""

SAID = 0.95
"""P(typed | the name as it is spoken), where that is written otherwise."""

_SPELT = 4
"""Forms of one span that are looked up."""

_SPLIT_UP_TO = 24


class Variant(NamedTuple):
    """A form of a word or of a span of words: its text, the edits made, and P(typed | this form was meant)."""

    text: str
    edits: int
    factor: float


class SpanVariant(NamedTuple):
    """A form of the words ``start`` to ``end``."""

    start: int
    end: int
    form: Variant


def word_variants(word: str, vocabulary: Vocabulary) -> list[Variant]:
    """The word itself first, then what it may stand for."""
    typed, weight = Variant(word, 0, 1.0), vocabulary.weight(word)
    found = [typed]
    if not word.isascii() and not weight:
        found.append(Variant(romanize(word), 0, OTHER_SCRIPT))
    if weight < RARE:
        near = [other for other in vocabulary.near(word) if other.weight > MUCH * weight]
        mass = sum(other.weight for other in near) or 1.0
        found += [
            Variant(other.word, other.edits, TYPO**other.edits * (other.weight / mass) ** 0.5) for other in near[:NEAR]
        ]
    return found


def span_variants(
    words: Sequence[str], forms: Sequence[Sequence[Variant]], known: Sequence[bool]
) -> Iterator[SpanVariant]:
    """The forms of every span of up to `LONGEST` words."""
    for start in range(len(words)):
        for end in range(start + 1, min(start + LONGEST, len(words)) + 1):
            for chosen in islice(product(*forms[start:end]), _SPELT):
                yield SpanVariant(start, end, _together(chosen))
            typed = " ".join(words[start:end])
            if (said := spoken(typed)) != typed:
                yield SpanVariant(start, end, Variant(said, 0, SAID))
        if start + 1 < len(words) and not (known[start] and known[start + 1]):
            yield SpanVariant(start, start + 2, Variant(words[start] + words[start + 1], 1, TYPO))
        if not known[start]:
            yield from (SpanVariant(start, start + 1, form) for form in _splits(words[start]))


def _together(chosen: Sequence[Variant]) -> Variant:
    factor, edits = 1.0, 0
    for form in chosen:
        factor, edits = factor * form.factor, edits + form.edits
    return Variant(" ".join([form.text for form in chosen]), edits, factor)


def _splits(word: str) -> Iterator[Variant]:
    least = 2 if word.isascii() else 1  # a syllable or an ideograph is a word
    if 3 * least <= len(word) <= _SPLIT_UP_TO and not any(map(str.isdigit, word)):
        for place in range(least, len(word) - least + 1):
            yield Variant(f"{word[:place]} {word[place:]}", 1, TYPO)


_DECADE = re.compile(r"((?:19|20)?)(\d)0s")
_YEAR = re.compile(r"19[0-9]\d|20[0-3]\d")
LIKELY, POSSIBLE = 1.0, 0.6
"""A decade is hardly anything else, a bare year may be a title ("1999")."""


def period(word: str) -> Slot | None:
    """The years that a word names, ``Slot("year", "1984")`` or, inclusive, ``Slot("year", "1980-1989")``."""
    if not word.isascii() or not word[:1].isdigit():
        return None
    if match := _DECADE.fullmatch(word):
        century = int(match[1] or (20 if int(match[2]) < 3 else 19))
        first = century * 100 + int(match[2]) * 10
        return Slot("year", f"{first}-{first + 9}", LIKELY)
    return Slot("year", word, POSSIBLE) if _YEAR.fullmatch(word) else None


def bounds(value: str) -> tuple[int, int]:
    """First and last year, inclusive, of a ``year`` slot's value."""
    first, _, last = value.partition("-")
    return int(first), int(last or first)


SLOTS: Mapping[str, float] = {
    **{kind: spec.asked for kind, spec in KIND_SPECS.items()},
    REQUEST: 0.3,
    "genre": 0.06,
    "mood": 0.05,
    "kind": 0.05,
    "year": 0.04,
    "version": 0.03,
    "intent": 0.03,
    "language": 0.02,
    TEXT: 0.1,
}
"""P(slot) of a span: round numbers, not fitted; clicks correct them phrase by phrase."""

OTHER_SLOT = 0.01

_STEEP = 6.0
"""Queries grow with popularity like exp(6 p): the most popular is asked for 400 times as often as the least."""

_CLOSED = {REQUEST: 1 / 10, "kind": 1 / len(KINDS), "version": 1 / 10, "intent": 1 / 3, "year": 1 / 20}


def mass(popularity: float) -> float:
    """How often an entity is asked for, relative to others of its kind."""
    return exp(_STEEP * popularity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Priors:
    """P(slot) · P(value | slot) for one state of the catalogue."""

    kinds: Sequence[float] = (1.0,) * len(KINDS)
    attributes: Mapping[str, int] = field(default_factory=dict)
    words: float = 1.0

    @classmethod
    def of(cls, columns: Columns, *, artists: Sequence[float], words: float) -> Priors:
        """Add up the catalogue: ``artists`` are their popularities, ``words`` the weight of all words."""
        masses = np.exp(_STEEP * columns.popularity[columns.live].astype(np.float64))
        kinds = np.bincount(columns.kind[columns.live], masses, len(KINDS))
        kinds[KINDS.index("artist")] = np.exp(_STEEP * np.asarray(artists, np.float64)).sum()
        return cls(kinds=np.maximum(kinds, 1.0).tolist(), attributes=_sizes(columns.postings), words=max(words, 1.0))

    def entity(self, kind: int, masses: float) -> float:
        """Of entities of a kind, given their summed `mass`."""
        return SLOTS[KINDS[kind]] * min(masses / self.kinds[kind], 1.0)

    def attribute(self, name: str, count: int) -> float:
        """Of an attribute value that ``count`` entities have."""
        return SLOTS.get(name, OTHER_SLOT) * count / max(self.attributes.get(name, count), 1)

    def closed(self, name: str) -> float:
        """Of a value of a slot with a few fixed ones."""
        return SLOTS[name] * _CLOSED[name]

    def word(self, weight: float) -> float:
        """Of a loose word of some weight; one that is unknown has a little."""
        return SLOTS[TEXT] * (weight + 0.05) / self.words


def _sizes(postings: Mapping[AttributeKey, Posting]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for (name, _), posting in postings.items():
        sizes[name] = sizes.get(name, 0) + len(posting.ordinals)
    return sizes


SenseKey = tuple[str, str]
"""(slot, value)."""

STRENGTH = 5.0
"""How many clicks the catalogue's own opinion of a phrase is worth."""


class SenseEvidence(Protocol):
    """Where click counts come from: the platform's memory, or `NoClicks`."""

    @property
    def version(self) -> int:
        """Changes whenever counts may have changed."""
        ...

    def counts(self, asked: Mapping[str, Sequence[SenseKey]]) -> Mapping[str, Sequence[float]]:
        """Clicks that support each asked sense of a phrase, aligned; phrases without any may be left out."""
        ...


class NoClicks:
    """Nobody has clicked yet."""

    version = 0

    def counts(self, asked: Mapping[str, Sequence[SenseKey]]) -> Mapping[str, Sequence[float]]:  # noqa: ARG002
        """See `SenseEvidence`."""
        return {}


def posterior(joint: Sequence[float], counts: Sequence[float]) -> list[float]:
    """Prior · likelihood of a phrase's senses, after clicks.

    M (κ j_i / M + c_i) / (κ + Σ c) with M = Σ j and κ = `STRENGTH`: the mean of a Dirichlet posterior over the
    phrase's senses, scaled so that their sum stays what it was; ``joint`` itself without clicks.

    Args:
        joint: j, prior · likelihood of each sense, > 0.
        counts: c, clicks that support each sense, >= 0.
    """
    clicks, whole = sum(counts), sum(joint)
    if not clicks:
        return list(joint)
    pairs = zip(joint, counts, strict=True)
    return [whole * (STRENGTH * j / whole + c) / (STRENGTH + clicks) for j, c in pairs]


KEPT = 6
"""Senses of one span that go on, the likeliest."""

Span = tuple[int, int]


class _Draft(NamedTuple):
    """A sense before the clicks: prior, likelihood, share, edits, targets."""

    prior: float
    likelihood: float
    share: float
    edits: int
    targets: tuple[int, ...]

    @property
    def joint(self) -> float:
        return self.prior * self.likelihood


_Drafts = dict[tuple[str, str], _Draft]


class SenseFinder:
    """Finds senses in one state of the catalogue. ``concepts``: what phrases mean beside names."""

    def __init__(
        self, lexicon: Lexicon, columns: Columns, synonyms: Synonyms, priors: Priors, evidence: SenseEvidence
    ) -> None:
        self._lexicon = lexicon
        self._columns = columns
        self._synonyms = synonyms
        self._priors = priors
        self._evidence = evidence
        self._values = _values(columns)

    def words(self, normalized: str) -> list[str]:
        """The words of a normalised query, those of scripts without spaces apart as far as their meanings say how."""
        return segmented(normalized, means=lambda piece: any(True for _ in self._meanings(piece)), named=self._is_name)

    def _is_name(self, phrase: str) -> bool:
        (meanings,) = self._lexicon.meanings([phrase])
        return any(share == 1.0 for _, _, share in meanings)

    def find(self, words: Sequence[str]) -> dict[Span, list[Sense]]:
        """The senses of every span that has any, the likeliest first; each single word has at least that of a word."""
        vocabulary = self._lexicon.vocabulary
        forms = [word_variants(word, vocabulary) for word in words]
        typed = list(span_variants(words, forms, [vocabulary.weight(word) > 0 for word in words]))
        spans = [*typed, *(other for at in typed for other in self._equal(at))]
        found = dict[Span, _Drafts]()
        for at, meanings in zip(spans, self._lexicon.meanings([at.form.text for at in spans]), strict=True):
            drafts = found.setdefault((at.start, at.end), {})
            self._names(drafts, at, meanings)
            self._concepts(drafts, at)
            if at.end == at.start + 1 and " " not in at.form.text:
                prior = self._priors.word(vocabulary.weight(at.form.text))
                _keep(drafts, (TEXT, at.form.text), _Draft(prior, at.form.factor, 1.0, at.form.edits, ()))
        phrases = {span: " ".join(words[slice(*span)]) for span, drafts in found.items() if drafts}
        clicks = self._clicks({phrase: list(found[span]) for span, phrase in phrases.items()})
        return {span: _senses(span, found[span], clicks.get(phrase)) for span, phrase in phrases.items()}

    def _clicks(self, asked: Mapping[str, Sequence[SenseKey]]) -> Mapping[str, Sequence[float]]:
        """What clicks say of the senses of phrases; nothing where that cannot be read: readings do without."""
        try:
            return self._evidence.counts(asked)
        except BandstandError:
            return {}

    def _names(self, drafts: _Drafts, at: SpanVariant, meanings: Iterable[Meaning]) -> None:
        """Entities of one kind with one name are one sense: their masses add up."""
        groups = dict[tuple[Kind, str], tuple[float, float, list[int]]]()
        artists, columns = self._lexicon.artists, self._columns
        for slot, target, share in meanings:
            if slot == ARTIST:
                value, popularity = artists.names[target], artists.popularity[target]
            elif target < columns.n and columns.live[target]:
                value, popularity = columns.titles[target], float(columns.popularity[target])
            else:
                continue
            key = (KINDS[slot], value)
            masses, best, targets = groups.get(key, (0.0, 0.0, []))
            if target not in targets:
                targets.append(target)
                masses += mass(popularity)
            groups[key] = (masses, max(best, share), targets)
        for key, (masses, share, targets) in groups.items():
            prior = self._priors.entity(KINDS.index(key[0]), masses)
            _keep(drafts, key, _Draft(prior, share * at.form.factor, share, at.form.edits, tuple(targets)))

    def _concepts(self, drafts: _Drafts, at: SpanVariant) -> None:
        """Attribute values, kinds, versions, intents and periods."""
        phrase, form = at.form.text, at.form
        for slot in self._meanings(phrase):
            if (prior := self._prior(slot)) > 0:
                draft = _Draft(prior, slot.confidence * form.factor, 1.0, form.edits, ())
                _keep(drafts, (slot.name, slot.value), draft)

    def _equal(self, at: SpanVariant) -> Iterator[SpanVariant]:
        """The phrases for which the table lets a phrase stand."""
        for other in self._synonyms.equals.get(at.form.text, ()):
            yield at._replace(form=at.form._replace(text=other, factor=at.form.factor * EQUAL))

    def _meanings(self, phrase: str) -> Iterator[Slot]:
        yield from self._values.get(phrase, ())
        yield from self._synonyms.meanings.get(phrase, ())
        if (years := period(phrase)) is not None:
            yield years

    def _prior(self, slot: Slot) -> float:
        if slot.name in _CLOSED:
            return self._priors.closed(slot.name)
        posting = self._columns.postings.get((slot.name, slot.value))
        return 0.0 if posting is None else self._priors.attribute(slot.name, len(posting.ordinals))


def _senses(span: Span, drafts: _Drafts, clicks: Sequence[float] | None) -> list[Sense]:
    """The likeliest senses of a span; ``clicks`` on each draft, None without any."""
    joint = [draft.joint for draft in drafts.values()]
    after = joint if clicks is None else posterior(joint, clicks)
    best = sorted(zip(drafts.items(), after, strict=True), key=lambda item: -item[1])[:KEPT]
    return [_sense(span, key, draft, p) for (key, draft), p in best]


def _sense(span: Span, key: tuple[str, str], draft: _Draft, after: float) -> Sense:
    return Sense(
        start=span[0],
        end=span[1],
        slot=key[0],
        value=key[1],
        prior=draft.prior,
        likelihood=draft.likelihood,
        posterior=after,
        share=draft.share,
        edits=draft.edits,
        targets=draft.targets,
    )


def _keep(drafts: _Drafts, key: tuple[str, str], draft: _Draft) -> None:
    if key not in drafts or drafts[key].joint < draft.joint:
        drafts[key] = draft


def _values(columns: Columns) -> Mapping[str, tuple[Slot, ...]]:
    """The attribute values of a catalogue by phrase."""
    found: dict[str, list[Slot]] = {}
    for name, value in columns.postings:
        found.setdefault(value, []).append(Slot(name, value))
    return {value: tuple(slots) for value, slots in found.items()}
