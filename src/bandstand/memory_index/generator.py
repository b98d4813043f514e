"""A generator of plausible queries for an entity: how people ask, counted from (query, entity) pairs of the log."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import msgspec
import numpy as np
from rapidfuzz.distance import OSA

from bandstand.catalog.text import fold_title, normalize, romanize
from bandstand.errors import ModelError
from bandstand.memory_index.predicted import LONGEST_PHRASE, predicted_queries
from bandstand.memory_index.typos import MOST_TYPOS, TYPOS, Typos, length_of, typos_between
from bandstand.types import Entity

NAMES = ("title", "folded", "first", "first two", "last", "latin", "alias")
"""The title as it stands, without its brackets, cut to words of it, in Latin letters; or another name."""

_DESCRIBING = ("mood", "era", "language", "genre", "subgenre")
_BY_ARTIST = ("artist", "surname", "artist latin")


def wordings(entity: Entity) -> dict[str, str]:
    """Normalised texts by form: the parts that they are made of, in order, joined by ``+`` ("surname+first two").

    Each text once, under the plainest form that gives it.
    """
    names, artists, words = _names(entity), _artists(entity), _describing(entity)
    found: dict[str, str] = {}
    for form, text in _forms(names, artists, words, normalize(entity.album or "")):
        if text and text not in found:
            found[text] = form
    return {form: text for text, form in found.items()}


def context(entity: Entity) -> tuple[str, ...]:
    """What decides how an entity is asked for, the widest first: nothing, its kind, and the look of its name."""
    name = normalize(entity.title)
    words = min(len(name.split()), 4)
    look = f"{words} words{'' if name.isascii() else ', other script'}{', described' if entity.attributes else ''}"
    return ("", entity.kind, f"{entity.kind}, {look}")


def _forms(
    names: dict[str, str], artists: dict[str, str], words: dict[str, str], album: str
) -> Iterator[tuple[str, str]]:
    yield from names.items()
    for who, artist in artists.items():
        for what, name in names.items():
            yield f"{what}+{who}", f"{name} {artist}"
            yield f"{who}+{what}", f"{artist} {name}"
    yield from artists.items()
    if album:
        yield "album", album
        for who, artist in artists.items():
            yield f"{who}+album", f"{artist} {album}"
    yield from words.items()
    for what, word in words.items():
        for other, second in words.items():
            if what != other:
                yield f"{what}+{other}", f"{word} {second}"
        for who, whose in (("artist", artists.get("artist")), ("title", names.get("title"))):
            if whose:
                yield f"{who}+{what}", f"{whose} {word}"
                yield f"{what}+{who}", f"{word} {whose}"


def _names(entity: Entity) -> dict[str, str]:
    title = normalize(entity.title)
    folded = fold_title(entity.title)
    words = folded.split()
    found = {
        "title": title,
        "folded": folded,
        "first": words[0] if len(words) > 1 else "",
        "first two": " ".join(words[:2]) if len(words) > 2 else "",
        "last": words[-1] if len(words) > 1 else "",
        "latin": "" if title.isascii() else romanize(title),
        "alias": normalize(entity.aliases[0]) if entity.aliases else "",
    }
    return {form: text for form, text in found.items() if text}


def _artists(entity: Entity) -> dict[str, str]:
    artist = normalize(entity.artists[0]) if entity.artists and entity.kind != "artist" else ""
    words = artist.split()
    found = (artist, words[-1] if len(words) > 1 else "", "" if artist.isascii() else romanize(artist))
    return {form: text for form, text in zip(_BY_ARTIST, found, strict=True) if text}


def _describing(entity: Entity) -> dict[str, str]:
    """The surest value of each attribute that people search by, and the kind."""
    held = sorted(entity.attributes, key=lambda attribute: attribute.confidence)
    values = {attribute.name: normalize(attribute.value) for attribute in held if attribute.name in _DESCRIBING}
    return {name: value for name, value in values.items() if value} | {"kind": entity.kind}


GENERATOR_FILE = "generator.json"
FORMAT_HASH = hashlib.sha256(b"1: forms by context, slips").hexdigest()[:16]
"""What a model must have been counted with to be used."""

_TRUSTED = 20.0
"""Pairs of a narrower context that weigh as much as all that the wider one says (a Dirichlet prior)."""

_LIKELY = 0.02
"""P(form) from which a query is predicted for an entity beside those of the templates."""

_MOST = 8
_PRIOR = {"title": 30.0, "title+artist": 15.0, "artist+title": 15.0, "artist": 5.0, "folded": 5.0, "alias": 5.0}
_PRIOR_OTHER = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Generator:
    """``forms`` counts pairs by context (see `context`) and form; ``typos`` is how they were typed.

    P(form | entity) is over the forms that the entity has. A narrow context backs off to a wider one, that to what the
    templates suppose: (n(form) + α p_wider(form)) / (n + α).
    """

    forms: Mapping[str, Mapping[str, float]]
    typos: Typos

    @classmethod
    def unseen(cls) -> Generator:
        """Before anything was counted: what the templates suppose."""
        return cls(forms={}, typos=Typos.unseen())

    def chances(self, entity: Entity) -> dict[str, float]:
        """P(text | entity), summing to 1, of every normalised wording of the entity."""
        found = {form: text for form, text in wordings(entity).items() if len(text) <= LONGEST_PHRASE}
        if not found:
            return {}
        chance = _normal({form: _PRIOR.get(form, _PRIOR_OTHER) for form in found})
        for where in context(entity):
            counts = self.forms.get(where, {})
            seen = sum(counts.get(form, 0.0) for form in found)
            chance = {form: (counts.get(form, 0.0) + _TRUSTED * p) / (seen + _TRUSTED) for form, p in chance.items()}
        return {found[form]: p for form, p in chance.items()}

    def sample(self, entity: Entity, rng: np.random.Generator) -> tuple[str, str]:
        """What somebody means who wants the entity, and how they type it; both empty where it has no name."""
        chances = self.chances(entity)
        if not chances:
            return "", ""
        meant = list(chances)[int(rng.choice(len(chances), p=np.array(list(chances.values()))))]
        return meant, self.typos.typed(meant, rng)

    def predicted(self, entity: Entity) -> list[tuple[str, float]]:
        """Queries and scores in (0, 1), best first: those of the templates, and the likely ones that they lack.

        The score says how likely the entity satisfies who types that: less for a shortened name than for a whole one.
        """
        known = dict(predicted_queries(entity))
        likely = sorted(self.chances(entity).items(), key=lambda item: (-item[1], item[0]))
        new = [text for text, p in likely if p >= _LIKELY and text not in known][:_MOST]
        scale = 0.2 + 0.2 * min(max(entity.popularity, 0.0), 1.0)
        known |= {text: scale * min(1.0, 0.5 + 0.25 * text.count(" ")) for text in new}
        return sorted(known.items(), key=lambda item: (-item[1], item[0]))

    def to_bytes(self) -> bytes:
        """The model in one file."""
        return msgspec.json.encode(_Stored(format=FORMAT_HASH, forms=self.forms, slips=self.typos))

    @classmethod
    def from_bytes(cls, raw: bytes) -> Generator:
        """What `to_bytes` gave.

        Raises:
            ModelError: it is damaged or of another version.
        """
        try:
            stored = msgspec.json.decode(raw, type=_Stored)
        except (msgspec.MsgspecError, ValueError) as cause:
            raise ModelError("the query generator is damaged; run `bandstand train generator`") from cause
        if stored.format != FORMAT_HASH:
            raise ModelError("the query generator is of another version; run `bandstand train generator`")
        return cls(forms=stored.forms, typos=stored.slips)


class _Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A `Generator` in its file; ``format`` says how it was counted."""

    format: str
    forms: Mapping[str, Mapping[str, float]]
    slips: Typos


def _normal(weights: Mapping[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


_SHORTEST_CUT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """A query as a wording of the entity: its ``form`` and text, the typos in it, and whether its end is missing."""

    form: str
    text: str
    typos: tuple[str, ...] = ()
    cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """The generator, how many pairs taught it, and which share of them no wording explains: nicknames, other words."""

    generator: Generator
    pairs: int
    unexplained: float


def explain(normalized: str, entity: Entity) -> Explained | None:
    """The wording that a query is, but for at most two typos, or the beginning of; None where there is none.

    Of several that are as near the plainest counts: `wordings` gives that first.
    """
    found = wordings(entity)
    form, distance = "", MOST_TYPOS + 1
    for other, text in found.items():
        apart = OSA.distance(text, normalized, score_cutoff=MOST_TYPOS)
        form, distance = (other, apart) if apart < distance else (form, distance)
    if distance <= min(MOST_TYPOS, len(normalized) // 4):
        return Explained(form=form, text=found[form], typos=tuple(typos_between(found[form], normalized)))
    if len(normalized) >= _SHORTEST_CUT:
        for form, text in found.items():
            if text.startswith(normalized):
                return Explained(form=form, text=text, cut=True)
    return None


def count_pairs(pairs: Iterable[tuple[str, Entity]]) -> Counted:
    """Count normalised queries that led to entities; on top of the prior of `Typos.unseen`."""
    forms: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    typos = Typos.unseen()
    numbers = {length: list(counts) for length, counts in typos.numbers.items()}
    kinds, cut, total, unexplained = list(typos.kinds), list(typos.cut), 0, 0
    for normalized, entity in pairs:
        total += 1
        found = explain(normalized, entity)
        if found is None:
            unexplained += 1
            continue
        for where in context(entity):
            forms[where][found.form] += 1
        cut[found.cut] += 1
        numbers[length_of(found.text)][min(len(found.typos), MOST_TYPOS)] += 1
        for typo in found.typos:
            kinds[TYPOS.index(typo)] += 1
    counted = Typos(
        numbers={length: tuple(counts) for length, counts in numbers.items()}, kinds=tuple(kinds), cut=(cut[0], cut[1])
    )
    generator = Generator(forms={where: dict(counts) for where, counts in forms.items()}, typos=counted)
    return Counted(generator=generator, pairs=total, unexplained=unexplained / total if total else 0.0)
