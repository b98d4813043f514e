"""All that the spans of a query may mean, each with prior, likelihood and posterior."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from bandstand.catalog.columns import Columns
from bandstand.errors import BandstandError
from bandstand.types import KINDS, Kind, Slot
from bandstand.understanding.evidence import SenseEvidence, SenseKey, posterior
from bandstand.understanding.lexicon import ARTIST, Lexicon, Meaning
from bandstand.understanding.periods import period
from bandstand.understanding.priors import Priors, mass
from bandstand.understanding.records import TEXT, Sense
from bandstand.understanding.synonyms import EQUAL, Synonyms
from bandstand.understanding.variants import SpanVariant, span_variants, word_variants

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
        if slot.name in ("kind", "version", "intent", "year"):
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
